"""How fast the local cloud's time goes.

What AWS takes minutes for may take seconds in a rehearsal: a local cloud of speed 60 waits one second where
AWS waits a minute. Its timestamps are those of the machine nevertheless, so that clients, log lines and
metrics agree; only what lasts is shorter. Model code is never hurried: time-outs of requests are real.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """A clock, and how much shorter waits are than on AWS.

    Attributes:
        clock: Seconds since 1970.
        sleep: Returns after so many of the clock's seconds.
        speed: How many seconds of AWS pass in one of the clock's.
    """

    clock: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    speed: float = 1.0

    def shortened(self, seconds: float) -> float:
        """Return how many of the clock's seconds so many ``seconds`` of AWS take.

        >>> Pace(speed=60).shortened(300)
        5.0
        """
        return seconds / self.speed

    async def wait(self, seconds: float) -> None:
        """Return after so many ``seconds`` of AWS."""
        await self.sleep(self.shortened(seconds))

    async def repeat(self, look: Callable[[], Awaitable[None]], seconds: float) -> None:
        """Look, and again after so many of the clock's seconds, until this is cancelled.

        Nobody waits for it who could be told: a look that breaks is written down, and the next one follows.
        """
        while True:
            try:
                await look()
            except Exception:
                # moto's dictionaries may have changed under it, or a caller has stored what nobody expected.
                logging.getLogger(__name__).exception("what goes on in the background has broken once")
            await self.sleep(seconds)
