"""Where fleets come from: a variant, its artifact and the program that serves it."""

import os
import secrets
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from orchestrator.localcloud.clients import Clients
from orchestrator.localcloud.faulting.faults import Fault
from orchestrator.localcloud.fleets.coldstart import ServerlessFleet
from orchestrator.localcloud.fleets.container import Container, environment
from orchestrator.localcloud.fleets.containerlog import ContainerLog, Stream, group_of
from orchestrator.localcloud.fleets.fleet import Fleet, FleetError, ProcessFleet
from orchestrator.localcloud.fleets.images import is_emulated, unknown
from orchestrator.localcloud.fleets.instances import Instance, Making
from orchestrator.localcloud.fleets.slots import Slots
from orchestrator.localcloud.fleets.unemulated import UnemulatedFleet
from orchestrator.localcloud.pace import Pace
from orchestrator.localcloud.rules.artifacts import fetch
from orchestrator.localcloud.world import Place, Variant

_OPTIONS = ("--port", "0", "--host", "127.0.0.1", "--workers", "1", "--exit-with-stdin")
_SLOTS = 2
"""Starts at a time for each processor: they read files, too."""


def processors() -> int:
    """Return how many processors this process may use: so many containers of a variant, unless it is said."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class Launcher:
    """Starts fleets.

    Attributes:
        command: The program that serves a model, up to where the model's folder is named.
        folder: Where artifacts are unpacked, each in a folder of its own.
        pace: How fast time goes; its clock is that of the log.
        launch_seconds: How long AWS takes for an instance.
        processes: How many containers a variant has at most.
        any_image: Whether variants with an image that nobody can serve are let through.
        slots: How many containers start at a time.
    """

    clients: Clients
    command: Sequence[str]
    folder: Path
    pace: Pace
    launch_seconds: float = 0.0
    processes: int = field(default_factory=processors)
    any_image: bool = False
    slots: Slots = field(default_factory=lambda: Slots(_SLOTS * processors()))

    async def launch(
        self, place: Place, variant: Variant, *, group: str | None = None, fault: Fault | None = None
    ) -> Fleet:
        """Return the fleet of ``variant`` once all of its instances answer.

        Args:
            place: What it belongs to.
            variant: How many instances of what; of a serverless one, it is seen that one comes up.
            group: The log group of its containers; without, that of the endpoint.
            fault: What is to go wrong with its containers.

        Raises:
            FleetError: If it does not come up. Nothing of it is left then but its log.
        """
        if not is_emulated(variant.container.get("Image", "")):
            return await self._unemulated(place, variant, group or group_of(place.endpoint))
        try:
            making = self._making(place, variant, group or group_of(place.endpoint), fault)
        except OSError as error:  # nowhere to unpack the artifact
            raise FleetError(str(error)) from error
        made = ProcessFleet(variant, making)
        fleet = made if variant.serverless is None else ServerlessFleet(made, self.processes, self.pace)
        try:
            await fleet.resize(fleet.variant.count)
        except BaseException:
            await fleet.stop(drain=False)
            raise
        return fleet

    async def _unemulated(self, place: Place, variant: Variant, group: str) -> Fleet:
        if self.any_image:
            return UnemulatedFleet(variant)
        reason = unknown(variant)
        # An update that fails says nothing else: the log is where its reason can be found.
        log = self._log(place, group, f"{variant.name}/{_name()}")
        log.write(reason)
        await log.close()
        raise FleetError(reason, reason)

    def _log(self, place: Place, group: str, name: str) -> ContainerLog:
        return ContainerLog(self.clients, Stream(place.scope, group, name), self.pace.clock)

    def _making(self, place: Place, variant: Variant, group: str, fault: Fault | None) -> Making:
        folder = Path(tempfile.mkdtemp(prefix=f"{place.endpoint}-", dir=self.folder))
        variables = environment(os.environ, variant.container.get("Environment") or {})
        served = (*self.command, str(folder), *_OPTIONS)

        def instance() -> Instance:
            name = _name()
            log = self._log(place, group, f"{variant.name}/{name}")
            return Instance(name, lambda command: Container(command or served, variables, log.write), log)

        async def start(instance: Instance) -> None:
            await self.pace.wait(self.launch_seconds)
            await instance.start(variant.start_seconds, self.slots, fault)

        unpacking = partial(fetch, self.clients, place.scope, variant.container, folder)
        return Making(folder, unpacking, instance, start, self.processes)


def _name() -> str:
    """Return an instance's id, in the form of EC2's."""
    return f"i-{secrets.token_hex(9)[1:]}"
