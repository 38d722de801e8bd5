"""What the pace of a local cloud lets go on in the background."""

import asyncio
import logging

import pytest

from orchestrator.localcloud.pace import Pace


def test_a_look_that_breaks_is_written_down_and_is_not_the_last(caplog: pytest.LogCaptureFixture) -> None:
    looks: list[str] = []
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise asyncio.CancelledError

    async def look() -> None:
        looks.append("look")
        if len(looks) == 1:
            raise RuntimeError("dictionary changed size during iteration")

    with caplog.at_level(logging.ERROR), pytest.raises(asyncio.CancelledError):
        # Nothing in it waits for a loop, which would open a socket.
        Pace(sleep=sleep, speed=60.0).repeat(look, 2.0).send(None)
    assert (len(looks), slept) == (3, [2.0, 2.0, 2.0])
    assert "dictionary changed size" in caplog.text
