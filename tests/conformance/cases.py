"""A conformance case: an archive, a container's environment, and requests.

What the real container answered lies in ``answers/``, one file for each theme of `catalogue`. `Case.instead`
is for the few places where our server differs on purpose.
"""

import json
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

JSON, CSV, NPY, NPZ = "application/json", "text/csv", "application/x-npy", "application/x-npz"
OCTETS = "application/octet-stream"
ROW = b"[[1, 2, 3]]"
INVOCATIONS = "/invocations"

EVERYTHING = ("status", "reason", "headers", "body")
"""What counts of an answer unless the request says otherwise."""


@dataclass(frozen=True)
class Request:
    """One request, sent over a connection of its own.

    Attributes:
        name: Unique in its case.
        body: What follows the headers.
        headers: Sent in this order and spelling, after Host and before Content-Length.
        copies: How many are sent at the same moment; more than one are recorded as a tally.
        framing: ``length`` sends Content-Length, ``chunked`` two chunks, ``none`` neither.
        compared: What of the answer is the same in every run.
        front: Whether the answer depends on the front end, so that the worker alone cannot give it.
    """

    name: str
    body: bytes = ROW
    headers: tuple[tuple[str, str], ...] = (("Content-Type", JSON),)
    method: str = "POST"
    path: str = INVOCATIONS
    copies: int = 1
    framing: str = "length"
    compared: tuple[str, ...] = EVERYTHING
    front: bool = False


@dataclass(frozen=True)
class Instead:
    """What our server answers where the container's answer would be of no use to anybody.

    Attributes:
        why: The reason, for the documentation.
        status: Ours.
        message: How the body starts.
    """

    why: str
    status: int
    message: str = ""


@dataclass(frozen=True)
class LoadFails:
    """The server ends at once, where the container says 200 to ``/ping`` and never answers.

    Attributes:
        says: What the error has to name.
    """

    says: str


@dataclass(frozen=True)
class Case:
    """One archive in one environment.

    Attributes:
        name: Unique among all cases.
        about: The rule it shows, and where the reference states it.
        files: The archive's members, without entries for folders.
        requests: Sent in this order.
        environment: The container's, besides one worker.
        instead: Deliberate differences by request.
        load_fails: Given where the model cannot be loaded.
        patience_seconds: How long an answer of the container may take before it counts as none.
    """

    name: str
    about: str
    files: Mapping[str, bytes]
    requests: tuple[Request, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    instead: Mapping[str, Instead] = field(default_factory=dict)
    load_fails: LoadFails | None = None
    patience_seconds: float = 30.0


def source(text: str) -> bytes:
    """Return an indented Python text as a file's content."""
    return textwrap.dedent(text).lstrip("\n").encode()


def typed(name: str, body: bytes, content_type: str | None, accept: str | None = None) -> Request:
    """Return a request with the two headers that matter, each only if given."""
    pairs = (("Content-Type", content_type), ("Accept", accept))
    return Request(name, body, tuple((key, value) for key, value in pairs if value is not None))


def headed(name: str, *headers: tuple[str, str], body: bytes = ROW, front: bool = True) -> Request:
    """Return a request with exactly these headers."""
    return Request(name, body, headers, front=front)


def picked(names: Iterable[str], accept: str | None = None) -> tuple[Request, ...]:
    """Return requests whose JSON body tells the entry point what to do."""
    return tuple(typed(name, json.dumps(name).encode(), JSON, accept) for name in names)


def at_the_front(requests: Iterable[Request]) -> tuple[Request, ...]:
    """Return requests as ones whose answers depend on the front end."""
    return tuple(replace(request, front=True) for request in requests)


PICKS = """
import json


def model_fn(model_dir):
    return None


def input_fn(data, content_type):
    return json.loads(data)
"""
"""The start of an entry point that does what the request's body names."""

ECHO = source("""
    import json


    def model_fn(model_dir):
        return None


    def input_fn(data, content_type):
        if data is None:
            raw = None
        else:
            raw = (data.encode() if isinstance(data, str) else bytes(data)).decode("latin-1")
        return {"type": type(data).__name__, "raw": raw, "content_type": content_type}


    def predict_fn(data, model):
        return data


    def output_fn(prediction, accept):
        return json.dumps({**prediction, "accept": accept}, sort_keys=True), "application/json"
""")
"""Tells what `input_fn` and `output_fn` were given."""

ECHO_FILES = {"code/inference.py": ECHO}

ASK = (typed("json", ROW, JSON),)
"""One ordinary request, for cases that are about the archive."""
