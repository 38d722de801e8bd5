"""What the server and its workers say to each other, as values, and their form in a frame.

A head is JSON; bodies stay bytes. Requests go to a worker; a worker says once whether it has `Loaded` its
model or `Failed` to, and then answers every request with one response.
"""

import json
from dataclasses import dataclass

from orchestrator.serving.frames import Frame

Headers = tuple[tuple[str, str], ...]
"""Names and values, in order."""


@dataclass(frozen=True, slots=True)
class Request:
    """One inference request.

    Attributes:
        headers: With lower-case names, as the HTTP server hands them on.
        id: What the answer's ``x-request-id`` will say.
    """

    headers: Headers
    body: bytes
    id: str


@dataclass(frozen=True, slots=True)
class Response:
    """The answer of the entry point, or of whoever had to answer in its place."""

    status: int
    headers: Headers
    body: bytes


@dataclass(frozen=True, slots=True)
class Loaded:
    """The worker has loaded its model."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The worker could not load its model.

    Attributes:
        error: The last line of the traceback.
        traceback: All of it.
    """

    error: str
    traceback: str


class WorkerDiedError(Exception):
    """The worker ended, or was ended, without an answer."""


class QueueFullError(Exception):
    """As many requests as may wait for a worker wait already."""


def request_frame(request: Request) -> Frame:
    """Return ``request`` as it goes over the socket."""
    return Frame(_head(headers=request.headers, id=request.id), request.body)


def read_request(frame: Frame) -> Request:
    """Return the request that `request_frame` wrote."""
    head = json.loads(frame.head)
    return Request(_headers(head["headers"]), frame.body, head["id"])


def response_frame(response: Response) -> Frame:
    """Return ``response`` as it goes over the socket."""
    return Frame(_head(status=response.status, headers=response.headers), response.body)


def read_response(frame: Frame) -> Response:
    """Return the response that `response_frame` wrote."""
    head = json.loads(frame.head)
    return Response(head["status"], _headers(head["headers"]), frame.body)


def outcome_frame(outcome: Loaded | Failed) -> Frame:
    """Return the worker's first words as they go over the socket."""
    match outcome:
        case Loaded():
            return Frame(_head(loaded=True))
        case Failed(error, traceback):
            return Frame(_head(loaded=False, error=error, traceback=traceback))


def read_outcome(frame: Frame) -> Loaded | Failed:
    """Return the outcome that `outcome_frame` wrote."""
    head = json.loads(frame.head)
    return Loaded() if head["loaded"] else Failed(head["error"], head["traceback"])


def _head(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def _headers(pairs: list[list[str]]) -> Headers:
    return tuple((name, value) for name, value in pairs)
