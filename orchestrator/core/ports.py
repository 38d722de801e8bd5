"""What the use cases ask of the outside world.

Each port is one outside thing. The fakes in ``tests/support`` and the adapters pass the same contract tests.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrator.core.golden import Case, Request, Response
from orchestrator.core.journal import Entry, Head
from orchestrator.core.latency import Measured, Pace
from orchestrator.core.live import Line, Pending, Position
from orchestrator.core.steps import Step


@dataclass(frozen=True, slots=True)
class Stored:
    """What a slot holds.

    Attributes:
        tag: Changes with every write (an ETag).
        age_seconds: Since it was written, both moments by the store's own clock.
    """

    content: bytes
    tag: str
    age_seconds: float


class Slot(Protocol):
    """One small object that several write to, each only over what they have seen."""

    def read(self) -> Stored | None:
        """Return what it holds, or ``None`` if it is empty."""
        ...

    def write(self, content: bytes, *, over: str | None) -> str | None:
        """Write if it still holds what has the tag ``over`` (``None``: if it is empty).

        Returns:
            The new tag, or ``None`` if somebody else was first; then nothing was written.
        """
        ...

    def clear(self, tag: str) -> bool:
        """Empty it if it still holds what has this tag; tell whether it did."""
        ...


class Store(Protocol):
    """The bucket that artifacts are kept in."""

    def url(self, key: str) -> str:
        """Return the ``s3://`` address of ``key``."""
        ...

    def put_once(self, key: str, content: bytes) -> bool:
        """Store ``content`` under ``key`` unless it is taken; tell whether it was stored."""
        ...

    def upload(self, key: str, stream: Callable[[], Iterator[bytes]], moved: Callable[[int], None]) -> bool:
        """Store what ``stream`` yields under ``key`` unless it is taken; tell whether it was stored.

        What an earlier call left unfinished is gone on with, as far as ``stream`` yields the same bytes.

        Args:
            key: Where to.
            stream: Yields the content from its beginning; nothing is asked of it if the key is taken.
            moved: Told how many bytes of the content are in S3 now, part by part.
        """
        ...

    def copy_once(self, source: str, key: str) -> bool:
        """Copy within the bucket unless ``key`` is taken; tell whether it was.

        Raises:
            NotFoundError: If nothing is stored under ``source``.
        """
        ...

    def keys(self, prefix: str) -> tuple[str, ...]:
        """Return all keys that begin with ``prefix``."""
        ...

    def read(self, key: str) -> bytes:
        """Return what is stored under ``key``.

        Raises:
            NotFoundError: If nothing is.
        """
        ...

    def exists(self, key: str) -> bool: ...

    def region(self) -> str:
        """Return the region that the bucket is in; empty if nobody says.

        Raises:
            NotFoundError: If there is no such bucket.
            DeniedError: If we may not look, or it is somebody else's.
        """
        ...


class Journal(Protocol):
    """The record of one endpoint's deployments."""

    def entries(self) -> tuple[Entry, ...]:
        """Return the whole journal, its chain and its head verified."""
        ...

    def head(self) -> Head | None:
        """Return the journal's head, in one call; ``None`` if nothing was ever written."""
        ...

    def append(self, kind: str, facts: Mapping[str, object], *, by: str, at: str) -> Entry:
        """Write the next entry, after the last one that this journal has read or written.

        Raises:
            ConflictError: If somebody else has written that number already. Nothing is written then.
        """
        ...


class Runtime(Protocol):
    """A live endpoint, as its callers see it."""

    def invoke(self, endpoint: str, request: Request, *, variant: str | None = None) -> Response:
        """Send one request; an error of the model comes back as its status, not as an exception.

        Args:
            endpoint: Its name.
            request: What to send.
            variant: Which variant is to answer; ``None`` leaves it to their weights.

        Raises:
            CloudError: If the endpoint cannot be reached or does not exist.
        """
        ...

    def invoke_stream(
        self, endpoint: str, request: Request, *, variant: str | None = None
    ) -> Iterator[bytes]:
        """Send one request, and yield the parts of the answer as they come.

        Raises:
            OrchestratorError: If the model refuses it, or stops in the middle.
        """
        ...

    def invoke_async(self, endpoint: str, request: Request, input_url: str) -> Pending:
        """Have what lies at ``input_url`` answered in its own time; the request's body is not sent."""
        ...

    def collect(self, pending: Pending) -> Response | None:
        """Return the answer to an asynchronous request, or ``None`` if there is none yet."""
        ...


class Logs(Protocol):
    """What the containers of an endpoint have written."""

    def since(self, endpoint: str, moment: float) -> tuple[str, ...]:
        """Return the lines written since ``moment`` (seconds since 1970), oldest first."""
        ...

    def read(self, endpoint: str, position: Position) -> tuple[tuple[Line, ...], Position]:
        """Return what was written since ``position``, oldest first, and the position after it."""
        ...


class Images(Protocol):
    """The serving images that AWS publishes."""

    def image_uri(self, profile: str, region: str) -> str:
        """Return the address of the profile's image in ``region``.

        Raises:
            SpecError: If there is no such profile, or AWS publishes it in no such region.
        """
        ...


class Clock(Protocol):
    """Time."""

    def now(self) -> float:
        """Return seconds since 1970."""
        ...

    def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Watch:
    """What can be seen of a change under way.

    Attributes:
        status: SageMaker's, or ``not visible yet``.
        stage: What is being done, in SageMaker's words; may be empty.
        share: Of the traffic that the new fleet has, from 0 to 1; ``None`` if nobody can tell.
        instances: Such as ``2 of 4``; may be empty.
        elapsed_seconds: Since the change was asked for.
        left_seconds: At most, until our patience ends.
    """

    endpoint: str
    status: str
    elapsed_seconds: float
    left_seconds: float
    stage: str = ""
    share: float | None = None
    instances: str = ""


class Progress(Protocol):
    """Somebody who watches a plan being carried out."""

    def started(self, step: Step, number: int, total: int) -> None: ...
    def waiting(self, watch: Watch) -> None: ...
    def finished(self, step: Step) -> None: ...
    def asking(self, cases: Sequence[str]) -> None: ...


class Transfer(Protocol):
    """Somebody who watches bytes go by."""

    def started(self, doing: str, total_bytes: int | None) -> None: ...
    def moved(self, count_bytes: int) -> None: ...
    def finished(self) -> None: ...


class Load(Protocol):
    """A server at ``url`` that is sent one request, raising `OrchestratorError` if nobody answers, or many.

    Under load, where the requests of some cases are sent in turn, an answer is right if its status is.
    """

    @property
    def url(self) -> str: ...
    def ask(self, request: Request) -> Response: ...
    def run(self, cases: Sequence[Case], pace: Pace) -> Measured: ...
