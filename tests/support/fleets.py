"""Fleets of real processes without a local cloud around them."""

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.localcloud.clients import Clients
from orchestrator.localcloud.faulting.faults import Fault
from orchestrator.localcloud.fleets.container import Container, environment
from orchestrator.localcloud.fleets.containerlog import ContainerLog, Stream
from orchestrator.localcloud.fleets.fleet import ProcessFleet
from orchestrator.localcloud.fleets.instances import Instance, Making
from orchestrator.localcloud.fleets.slots import Slots
from orchestrator.localcloud.world import Content, Scope, Variant
from tests.support.clouds import STANDIN

PID = (("x-amzn-sagemaker-custom-attributes", "pid"),)
"""Headers that ask `standin` for its process id."""

DIE = (("x-amzn-sagemaker-custom-attributes", "die"),)
"""Headers that end `standin`."""


class KeptLog(ContainerLog):
    """Keeps its lines, and sends them nowhere."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(
            Clients("http://127.0.0.1:1"), Stream(Scope("1", "eu-west-1"), "g", "s"), lambda: 0.0
        )
        self._lines = lines

    def write(self, line: str) -> None:
        self._lines.append(line)

    async def flush(self) -> None:
        """Send nothing."""


@dataclass
class Workshop:
    """Where fleets are made of the stand-in for a serving process.

    Attributes:
        bound: How many processes a fleet has at most.
        broken: Makes every container fail at its start from now on.
        fetched: How often an artifact was unpacked.
    """

    folder: Path
    bound: int = 2
    fault: Fault | None = None
    start_seconds: float = 20.0
    lines: list[str] = field(default_factory=list)
    fetched: int = 0
    made: int = 0
    slots: Slots = field(default_factory=lambda: Slots(4))

    def break_down(self) -> None:
        """Let no further container come up."""
        (self.folder / "broken").write_text("there is no more")

    def fleet(self, count: int = 1, serverless: Content | None = None, routing: str = "") -> ProcessFleet:
        """Return a fleet none of whose instances runs yet."""
        variant = Variant("primary", {}, "", count, 1.0, self.start_seconds, serverless, routing=routing)
        return ProcessFleet(
            variant, Making(self.folder, self._fetch, self._instance, self._start, self.bound)
        )

    def _fetch(self) -> None:
        self.folder.mkdir(parents=True)
        (self.folder / "answer").write_text("standin")
        self.fetched += 1

    def _instance(self) -> Instance:
        log = KeptLog(self.lines)
        self.made += 1

        def made(command: Sequence[str] | None) -> Container:
            served = (*STANDIN, str(self.folder))
            return Container(command or served, environment(os.environ, {}), log.write)

        return Instance(f"i-{self.made}", made, log)

    async def _start(self, instance: Instance) -> None:
        await instance.start(self.start_seconds, self.slots, self.fault)


def is_alive(pid: int) -> bool:
    """Tell whether there is such a process."""
    return Path(f"/proc/{pid}").exists()


async def pid_of(fleet: ProcessFleet, instance: str | None = None) -> int:
    """Return the id of the process that answers a request."""
    return int((await fleet.ask(PID, b"", instance)).body)


async def soon(fact: Callable[[], bool]) -> None:
    """Return once a fact holds that some process is to bring about."""
    async with asyncio.timeout(30):
        while not fact():  # noqa: ASYNC110 - a process brings it about, which sets no event
            await asyncio.sleep(0.01)
