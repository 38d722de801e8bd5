"""A multi-model server without HTTP: requests for it, and pools that are none."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from orchestrator.serving.catalogue.models import Models
from orchestrator.serving.contract import Contract
from orchestrator.serving.crew.process import LoadError
from orchestrator.serving.front import targets
from orchestrator.serving.messages import Part, Request, Response
from orchestrator.serving.ports import Answered, Asked, OnPart, Room, Workers, WorkerState

CONTRACT = Contract("predict.py", "application/json", workers=1, multi_model=True, model_api=True)

JSON_TYPE = {"Content-Type": "application/json"}

BREAKS = {
    "bad": "ValueError: broken model",
    "empty": "ValueError: Exactly one .pth or .pt file is required for PyTorch models: []",
    "oom": "MemoryError: no room",
    "numpy": "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 1 TiB",
    "killed": "the worker ended with SIGKILL while loading the model",
    "exits": "the worker ended with exit code 137 while loading the model",
    "allocator": "RuntimeError: MemoryError: not of this type",
}
"""What becomes of the models of these names."""


async def nothing(part: Part) -> None:
    """Take no part."""
    raise AssertionError(f"nobody streams: {part}")


def asked(method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Asked:
    """Return a request as the front would hand it to a room."""
    read = targets.read(target.encode())
    request = Request(tuple((headers or {}).items()), body, "id-1", read.query)
    return Asked(method, read.path, read.query, request)


async def send(
    room: Room, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> Response | None:
    """Send ``room`` a request."""
    return await room.answer(asked(method, target, body, headers), nothing)


async def invoked(
    workers: Workers, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> Response:
    """Send a request for ``/invocations`` to ``workers``."""
    return await workers.ask(asked("POST", target, body, headers).request, nothing)


class Deaf:
    """An observer that remembers what happened to which model."""

    def __init__(self) -> None:
        self.events: list[tuple[str, object]] = []

    def answered(self, answer: Answered) -> None:
        """Nobody answers here."""
        raise AssertionError(f"no server is here: {answer}")

    def happened(self, event: str, **facts: object) -> None:
        """Take note of an event."""
        self.events.append((event, facts.get("model")))


@dataclass
class FakePool:
    """One worker that says fine, after ``gate`` if it is asked to wait."""

    name: str
    pid: int | None = None
    error: str | None = None
    outcome: Exception | None = None
    is_ready: bool = True
    waiting: int = 0
    loading: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    in_flight: asyncio.Event = field(default_factory=asyncio.Event)
    requests: list[Request] = field(default_factory=list)

    async def settled(self) -> None:
        """Load, when ``loading`` is set, or fail to."""
        await self.loading.wait()
        if self.error is not None:
            raise LoadError(Path("model"), self.error, f"Traceback of {self.name}")

    async def ask(self, request: Request, on_part: OnPart) -> Response:
        """Answer; ``wait`` waits for the gate."""
        self.requests.append(request)
        if self.outcome is not None:
            raise self.outcome
        if request.body == b"wait":
            self.in_flight.set()
            await self.gate.wait()
        return Response(200, (("content-type", "application/json"),), self.name.encode(), "")

    def states(self) -> list[WorkerState]:
        """Return the state of the one worker."""
        return [WorkerState(1, self.pid, "idle", 0, 0, 1024)]


class Pools:
    """Starts fake pools, and knows which of them live.

    Args:
        held: The names of models that do not load before their ``loading`` is set.
    """

    def __init__(self, *held: str, pid: int | None = None) -> None:
        self.made: dict[str, FakePool] = {}
        self.folders: dict[str, Path] = {}
        self.living: set[str] = set()
        self._held = held
        self._pid = pid

    @contextlib.asynccontextmanager
    async def start(self, name: str, folder: Path) -> AsyncIterator[FakePool]:
        """Start the workers of one model."""
        if name == "unreadable":
            raise PermissionError("no access to the folder")
        pool = FakePool(name, self._pid, BREAKS.get(name))
        if name not in self._held:
            pool.loading.set()
        self.made[name] = pool
        self.folders[name] = folder
        self.living.add(name)
        try:
            yield pool
        finally:
            self.living.discard(name)


def several(pools: Pools, base: Path, *, model_api: bool = True, limit: int | None = None) -> Models:
    """Return a multi-model server of fake pools."""
    contract = replace(CONTRACT, model_api=model_api)
    return Models(pools.start, contract, Deaf(), base=base, max_memory_bytes=limit)


def registration(name: str, url: str) -> bytes:
    """Return the body of a ``POST /models``."""
    return json.dumps({"model_name": name, "url": url}).encode()


async def register(room: Room, name: str, url: str = ".") -> Response:
    """Load a model."""
    answer = await send(room, "POST", "/models", registration(name, url), JSON_TYPE)
    assert answer is not None
    return answer


def content(answer: Response | None) -> Any:  # noqa: ANN401 - JSON
    """Return an answer's JSON."""
    assert answer is not None
    return json.loads(answer.body)


def said(answer: Response | None) -> tuple[int, str]:
    """Return the status, and the message or the status text in the body."""
    assert answer is not None
    document = content(answer)
    return answer.status, document.get("message") or document.get("status")
