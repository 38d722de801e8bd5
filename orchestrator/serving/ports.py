"""What the HTTP application asks of whoever is behind it, as protocols and values."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from orchestrator.serving.messages import Part, Request, Response

OnPart = Callable[[Part], Awaitable[None]]
"""Is given each piece of a streamed response as it arrives, and is awaited before the next is taken."""


class Workers(Protocol):
    """Who answers ``/invocations``."""

    @property
    def is_ready(self) -> bool:
        """Whether ``/ping`` says 200."""

    async def ask(self, request: Request, on_part: OnPart) -> Response:
        """Return the answer to ``request``; of one that was streamed, its last piece.

        Raises:
            QueueFullError: If too many requests wait already.
            TimeoutError: If no worker became free within SageMaker's time limit.
            WorkerDiedError: If the worker ended, took too long or answered too much.
        """


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for another path than ``/ping`` and ``/invocations``.

    Attributes:
        path: Without the query, percent-decoded, with a trailing slash only if it is the root.
        query: As it was sent, without ``?``.
        request: Its headers, body and id.
    """

    method: str
    path: str
    query: str
    request: Request


class Room(Protocol):
    """Something else that the server answers for: the page for developers, metrics, the models' API."""

    async def answer(self, asked: Asked, on_part: OnPart) -> Response | None:
        """Return the answer, or ``None`` if the path is nobody's here."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer that has been sent, for logs and metrics. Bodies are not in it, and never will be.

    Attributes:
        id: The request's, as in ``x-request-id``.
        method, path: The path as it came, percent-encoded.
        seconds: From the first byte of the head to the last byte of the answer handed to the system.
        model_seconds: In the handler functions; 0 if none was called.
        traps: Slugs of `orchestrator.serving.traps` that it met.
        error: The first line of an error's body, ASCII, cut; empty for a success.
        trace: The traceback of an error of the entry point, or nothing.
    """

    id: str
    method: str
    path: str
    status: int
    seconds: float
    model_seconds: float
    request_bytes: int
    response_bytes: int
    traps: tuple[str, ...] = ()
    error: str = ""
    trace: str = ""


class Observer(Protocol):
    """Who wants to know of answers and of what happens to workers."""

    def answered(self, answer: Answered) -> None:
        """Take note of one answer."""

    def happened(self, event: str, **facts: object) -> None:
        """Take note of an event such as ``worker-loaded``, ``worker-ended``, ``trap``, ``reloaded``.

        Args:
            event: A slug.
            facts: Of JSON's types; ``text`` is the sentence for people.
        """


@dataclass(frozen=True, slots=True)
class WorkerState:
    """One worker's place, and who is in it now.

    Attributes:
        number: Of the place; from 1.
        pid: ``None`` while nobody is in it.
        state: ``starting``, ``idle``, ``busy`` or ``waiting to start``.
        served: Requests that the present process has been given.
        restarts: How often a process of this place had to be replaced.
        rss_bytes: Resident memory, pages that it shares with others included.
    """

    number: int
    pid: int | None
    state: str
    served: int
    restarts: int
    rss_bytes: int


@dataclass(frozen=True, slots=True)
class Situation:
    """How the workers are at one moment, for the page and for metrics.

    Attributes:
        waiting: Requests that no worker has taken yet.
        describes: `Loaded.describes` of the model that serves now.
    """

    workers: tuple[WorkerState, ...] = ()
    waiting: int = 0
    describes: Mapping[str, object] = field(default_factory=dict)
