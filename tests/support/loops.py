"""An event loop that opens no socket and whose clock stands still while anything is to be done."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

T = TypeVar("T")


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs coroutines that wait for each other and for time; time passes when all of them wait."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._selector = self

    def time(self) -> float:
        return self._now

    def select(self, timeout: float | None) -> list[object]:
        """Wait for what comes next, as a selector does: nothing but time."""
        if timeout is None:
            raise AssertionError("everybody waits, and nobody will ever come")
        self._now += timeout
        return []

    def _process_events(self, events: list[object]) -> None:
        assert events == []

    def _write_to_self(self) -> None:
        pass


def run(test: Coroutine[object, object, T]) -> T:
    """Run ``test`` to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(test)
