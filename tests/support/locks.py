"""Slots and processes in memory, with a clock that the test moves and accidents that the test orders.

Must not import `tests.support.fakes`, which imports this.
"""

import itertools
from dataclasses import dataclass, field

from orchestrator.core.errors import CloudError, ThrottledError, UnreachableError
from orchestrator.core.lock import Process
from orchestrator.core.ports import Clock, Stored

LOST_ANSWER = "lost-answer"
"""The write is carried out, and its answer never comes."""

LOST_REQUEST = "lost-request"
"""Nothing is carried out, and no answer comes."""

RETRIED = "retried"
"""The write is carried out and its answer lost; made again by the adapter, it is refused by itself."""

RACED = "409"
"""Another write was in the way (ConditionalRequestConflict), as often as the adapter has tried."""

_TAGS = itertools.count(1)


@dataclass
class FakeSlot:
    """One small object, written only over what was seen; several may share one.

    Attributes:
        clock: The store's own.
        accidents: What goes wrong with the calls of `write` and `clear` to come, in order; empty is nothing.
        calls: The names of all calls so far.
    """

    clock: Clock
    accidents: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    _stored: tuple[bytes, str, float] | None = None

    def read(self) -> Stored | None:
        self.calls.append("read")
        if self._stored is None:
            return None
        content, tag, written = self._stored
        return Stored(content, tag, max(0.0, self.clock.now() - written))

    def write(self, content: bytes, *, over: str | None) -> str | None:
        self.calls.append("write")
        accident = self._accident("writing the lock")
        if over != self.tag:
            return None
        tag = f'"{next(_TAGS)}"'
        self._stored = (content, tag, self.clock.now())
        if accident == RETRIED:
            return None
        if accident:
            raise UnreachableError("writing the lock: AWS could not be reached")
        return tag

    def clear(self, tag: str) -> bool:
        self.calls.append("clear")
        accident = self._accident("clearing the lock")
        if tag != self.tag:
            return False
        self._stored = None
        if accident:
            raise UnreachableError("clearing the lock: AWS could not be reached")
        return True

    def put(self, content: bytes) -> None:
        """Write as somebody who does not look."""
        self._stored = (content, f'"{next(_TAGS)}"', self.clock.now())

    @property
    def tag(self) -> str | None:
        """What changes with every write; ``None`` if nothing is there."""
        return None if self._stored is None else self._stored[1]

    def _accident(self, doing: str) -> str:
        """Raise what was ordered before anything is done; return what becomes of the answer."""
        match self.accidents.pop(0) if self.accidents else "":
            case "" | "lost-answer" | "retried" as afterwards:
                return afterwards
            case "lost-request":
                raise UnreachableError(f"{doing}: AWS could not be reached")
            case "409":
                raise ThrottledError(f"{doing}: another write is in the way")
            case other:
                raise CloudError(f"{doing} was refused: {other}")


HERE = Process("workbench", "machine-1", 4711, "100")


@dataclass
class FakeProcesses:
    """A machine on which all runs until the test says otherwise."""

    process: Process = HERE
    gone: set[Process] = field(default_factory=set)

    def ours(self) -> Process:
        return self.process

    def is_gone(self, process: Process) -> bool:
        return process in self.gone

    def nonce(self) -> str:
        return f"nonce-{next(_TAGS)}"
