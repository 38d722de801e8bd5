"""Faults at the ports: every call to the outside may be throttled, reset, or lose its answer."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any

from orchestrator.core.errors import ThrottledError, UnreachableError
from orchestrator.usecases.edge import Edge
from tests.support.fakes import FakeJournal

_UNCOUNTED = {"clock", "patience", "images"}
_LOCAL = {"url"}


@dataclass
class Faults:
    """Counts the calls of one process, and strikes.

    Attributes:
        chance: Decides about each call: ``throttle``, ``lose``, ``reset`` or nothing.
        look: Called before and after each call.
        attempts: How often a call is made before its failure counts.
    """

    chance: Callable[[], str] = lambda: ""
    calls: list[str] = field(default_factory=list)
    look: Callable[[], None] = lambda: None
    attempts: int = 1

    def strike(self, name: str, call: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever the port returns
        self.look()
        self.calls.append(name)
        for _ in range(self.attempts - 1):
            try:
                return self._try(name, call)
            except (ThrottledError, UnreachableError):
                continue  # as the adapters do
        return self._try(name, call)

    def _try(self, name: str, call: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever the port returns
        match self.chance():
            case "throttle":
                raise ThrottledError(f"{name}: AWS asks for fewer requests")
            case "reset":
                raise UnreachableError(f"{name}: AWS could not be reached")
            case "lose":
                call()
                raise UnreachableError(f"{name}: AWS could not be reached")
        answer = call()
        self.look()
        return answer


class _Struck:
    """A port whose every call goes by the faults."""

    def __init__(self, name: str, port: object, faults: Faults) -> None:
        self._name, self._port, self._faults = name, port, faults

    def __getattr__(self, method: str) -> Any:  # noqa: ANN401 - it stands for any port
        found = getattr(self._port, method)
        if not callable(found) or method in _LOCAL:
            return found
        name = f"{self._name}.{method}"
        return lambda *args, **kwargs: self._faults.strike(name, lambda: found(*args, **kwargs))


def struck(edge: Edge, faults: Faults) -> Edge:
    """Return ``edge`` as a process sees it whose calls go by ``faults``.

    The journal's own calls are those of its bucket and of its head, so that faults come between them.
    """
    ports: dict[str, Any] = {
        item.name: _Struck(item.name, getattr(edge, item.name), faults)
        for item in fields(edge)
        if item.name not in _UNCOUNTED
    }
    if isinstance(edge.journal, FakeJournal):
        opened = edge.journal
        entries: Any = _Struck("entries", opened.store, faults)
        head: Any = _Struck("head", opened.slot, faults)
        ports["journal"] = FakeJournal(opened.endpoint, entries, head)
    return replace(edge, **ports)


def seeded(seed: int, *, throttle: float = 0.0, lose: float = 0.0, reset: float = 0.0) -> Callable[[], str]:
    """Return a chance that strikes with these probabilities; the same ``seed`` strikes the same calls."""
    chance = random.Random(seed)  # noqa: S311 - a seeded run has to repeat itself

    def draw() -> str:
        drawn = chance.random()
        for kind, share in (("throttle", throttle), ("lose", lose), ("reset", reset)):
            if drawn < share:
                return kind
            drawn -= share
        return ""

    return draw


def kill_points(count: int) -> Iterator[tuple[int, bool]]:
    """Yield every point at which a process of ``count`` calls can be killed: before and after each."""
    for number in range(1, count + 1):
        yield number, False
        yield number, True
