"""What the server and its workers say to each other, as values, and their form in a frame.

A head is JSON; bodies stay bytes. A worker is started with an `Assignment`, says once whether it has `Loaded`
its model or `Failed` to, and then answers each batch of requests with one response each, in order. Before
that it may send any number of `Part`s of a response that it streams.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from orchestrator.serving.contract import Fidelity
from orchestrator.serving.frames import Frame

# Nothing that is sent refers to itself: looking for that would take a third of the time.
_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode

Headers = tuple[tuple[str, str], ...]
"""Names and values, in order."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a worker is to serve, and how.

    Attributes:
        root: Where the archive is unpacked: what ``/opt/ml/model`` is in the container.
        folder: The model folder, where the worker works: ``root``, or the only folder in it.
        model_dir: What `model_fn` is told: a link to ``folder``, as in the container.
        module: The entry point's module.
        default_accept: Replaces a missing Accept, or one that is exactly ``*/*``.
        fidelity: How closely to follow the container where that is of no use to anybody.
        name: What the model is called; ``model`` unless there are several.
        multi_model: Whether there may be several: their ``code`` folder then comes last in the import path.
        max_response_bytes: A larger answer is a trap.
        batch_size: What the context says of batches; TorchServe's own are not imitated.
    """

    root: str
    folder: str
    model_dir: str
    module: str
    default_accept: str = "application/json"
    fidelity: Fidelity = Fidelity.HELPFUL
    name: str = "model"
    multi_model: bool = False
    max_response_bytes: int = 6_553_500
    batch_size: int = 1


@dataclass(frozen=True, slots=True)
class Request:
    """One inference request.

    Attributes:
        headers: In the order and with the spelling of the client.
        id: What the answer's ``x-request-id`` will say.
        query: What follows ``?`` in the target, percent-encoded as it came: TorchServe takes its fields for
            more inputs beside the body.
    """

    headers: Headers
    body: bytes
    id: str
    query: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """The answer of the entry point, or of whoever had to answer in its place.

    Attributes:
        reason: The reason phrase of the status line; ``None`` is the standard's own.
        traps: Slugs of `orchestrator.serving.traps` that this request has met.
        model_seconds: How long the handler functions took; 0 where none was called.
        trace: The traceback of an error of the entry point; for logs, and not sent again.
    """

    status: int
    headers: Headers
    body: bytes
    reason: str | None = None
    traps: tuple[str, ...] = ()
    model_seconds: float = 0.0
    trace: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a response that is streamed; the response that follows holds the last piece.

    Attributes:
        index: Of the request in its batch.
        status, headers, reason: As of the response; those of the first part are what the client sees.
    """

    index: int
    status: int
    headers: Headers
    body: bytes
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Loaded:
    """The worker has loaded its model.

    Attributes:
        traps: Slugs and, for each, what was found, in the order of finding.
        describes: What the entry point says of the model, for people: ``{"inputs": ..., "task": ...}``.
    """

    traps: tuple[tuple[str, str], ...] = ()
    describes: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failed:
    """The worker could not load its model.

    Attributes:
        error: The last line of the traceback.
        traceback: All of it.
        traps: What was found before; see `Loaded`.
        advice: What to do about it, if it is known.
    """

    error: str
    traceback: str
    traps: tuple[tuple[str, str], ...] = ()
    advice: str = ""


class WorkerDiedError(Exception):
    """The worker ended, or was ended, without an answer.

    Attributes:
        out_of_memory: Whether the kernel, or somebody else, has killed it (SIGKILL), and not this server.
    """

    def __init__(self, message: str, *, out_of_memory: bool = False) -> None:
        super().__init__(message)
        self.out_of_memory = out_of_memory


class QueueFullError(Exception):
    """As many requests as may wait for a worker wait already."""


def assignment_text(assignment: Assignment) -> str:
    """Return ``assignment`` as one line of JSON."""
    return json.dumps({**asdict(assignment), "fidelity": assignment.fidelity.value})


def read_assignment(text: str) -> Assignment:
    """Return the assignment that `assignment_text` wrote."""
    fields = json.loads(text)
    return Assignment(**{**fields, "fidelity": Fidelity(fields["fidelity"])})


def requests_frame(requests: Sequence[Request]) -> Frame:
    """Return a batch of ``requests``, at least one, as it goes over the socket."""
    heads = [[request.id, len(request.body), request.headers, request.query] for request in requests]
    bodies = requests[0].body if len(requests) == 1 else b"".join(request.body for request in requests)
    return Frame(_head(heads), bodies)


def read_requests(frame: Frame) -> list[Request]:
    """Return the batch that `requests_frame` wrote."""
    bodies = _Bodies(frame.body)
    return [
        Request(_headers(headers), bodies.next(size), identity, query)
        for identity, size, headers, query in _content(frame)
    ]


def part_frame(part: Part) -> Frame:
    """Return ``part`` as it goes over the socket."""
    return Frame(_head({"part": [part.index, part.status, part.headers, part.reason]}), part.body)


def responses_frame(responses: Sequence[Response]) -> Frame:
    """Return the answers to a batch as they go over the socket."""
    heads = [
        [
            given.status,
            len(given.body),
            given.headers,
            given.reason,
            given.traps,
            given.model_seconds,
            given.trace,
        ]
        for given in responses
    ]
    return Frame(_head({"answers": heads}), b"".join(given.body for given in responses))


def read_reply(frame: Frame, size: int) -> Part | list[Response]:
    """Return what `part_frame` or `responses_frame` wrote about a batch of ``size``.

    Raises:
        ValueError: If it is no such thing. A TypeError or a KeyError means the same: user code can write
            what it likes to the worker's socket.
    """
    head = _content(frame)
    if "part" in head:
        index, status, headers, reason = head["part"]
        if index not in range(size):
            raise ValueError(f"there is no request {index} in this batch")
        return Part(index, status, _headers(headers), frame.body, reason)
    if len(head["answers"]) != size:
        raise ValueError(f"{len(head['answers'])} answers to {size} requests")
    bodies = _Bodies(frame.body)
    return [
        Response(status, _headers(headers), bodies.next(size), reason, tuple(traps), seconds, trace)
        for status, size, headers, reason, traps, seconds, trace in head["answers"]
    ]


def outcome_frame(outcome: Loaded | Failed) -> Frame:
    """Return the worker's first words as they go over the socket."""
    match outcome:
        case Loaded(traps, describes):
            return Frame(_head({"loaded": True, "traps": traps, "describes": describes}))
        case Failed():
            return Frame(_head({"loaded": False, **asdict(outcome)}))


def read_outcome(frame: Frame) -> Loaded | Failed:
    """Return the outcome that `outcome_frame` wrote."""
    head = _content(frame)
    if head["loaded"]:
        return Loaded(tuple((slug, found) for slug, found in head["traps"]), head["describes"])
    traps = tuple((slug, found) for slug, found in head["traps"])
    return Failed(head["error"], head["traceback"], traps, head["advice"])


class _Bodies:
    """Bodies that follow each other without a gap; a single one is not copied."""

    def __init__(self, joined: bytes) -> None:
        self._joined = joined
        self._place = 0

    def next(self, size: int) -> bytes:
        start, self._place = self._place, self._place + size
        return self._joined if size == len(self._joined) else self._joined[start : self._place]


def _head(content: object) -> bytes:
    return _encode(content).encode()


def _content(frame: Frame) -> Any:  # noqa: ANN401 - JSON
    # Given bytes, `json.loads` guesses their encoding first, which takes as long as reading them.
    return json.loads(frame.head.decode())


def _headers(pairs: list[list[str]]) -> Headers:
    return tuple((name, value) for name, value in pairs)
