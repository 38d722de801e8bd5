"""`doctor` as a Python API: the machine, the project, the account and the live endpoint, looked at whole."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.api import doctor_wiring, wiring
from orchestrator.api.opened import Opened
from orchestrator.api.selection import Selection, Shared
from orchestrator.core.checkup import Outcome, Report, report
from orchestrator.core.containers import DEFAULT_PROFILE
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.repairs import Repair
from orchestrator.core.target import LOCAL, EndpointSpec, Target
from orchestrator.usecases.examining import account, bucket, endpoint, login, machine, project
from orchestrator.usecases.examining.scene import Scene
from orchestrator.usecases.examining.table import Check, Made, MootError, fitting, make, one_line, unmade
from orchestrator.usecases.mending import Tools, mend

if TYPE_CHECKING:
    from orchestrator.core.premises import Vault
    from orchestrator.usecases.edge import Edge

OF_ACCOUNT: tuple[Check[Scene], ...] = (*bucket.CHECKS, *account.CHECKS)
_ENTRY = {"credentials", "assume-role", "region"}


class Examination:
    """One examination, and the repairs of what it has found.

    Args:
        selection: Which spec and environment; with an endpoint, only that one and the way to it.
    """

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._is_local = selection.env == LOCAL
        self._shared = Shared()
        self._edges: dict[str, Edge] = {}
        self._vaults: dict[str, Vault] = {}

    def report(self) -> Report:
        """Make every check, and return what was found. No error of a check ends this."""
        return report(self._all())

    def mend(self, repair: Repair) -> None:
        """Carry out one of the repairs that `report` has named.

        Raises:
            OrchestratorError: If that was not possible.
        """
        machine_, start = doctor_wiring.machine(), doctor_wiring.start_local_cloud
        mend(repair, Tools(machine_, start, self._edges, self._vaults))

    def _all(self) -> Iterator[Made]:
        selection = self._selection
        if selection.endpoint is None:
            ground = doctor_wiring.ground(selection.env)
            yield from make(fitting(machine.CHECKS, local=self._is_local), ground)
        written = project.Written(selection.path, lambda: doctor_wiring.problems(selection))
        ((checked, found),) = make((project.SPEC,), written)
        yield checked, found
        if checked.outcome is not Outcome.FINE:
            yield from self._without_spec()
            return
        names = (selection.endpoint,) if selection.endpoint is not None else wiring.endpoints(selection)
        for name in names:
            yield from self._of(Opened.select(replace(selection, endpoint=name)))

    def _without_spec(self) -> Iterator[Made]:
        yield from unmade(project.CHECKS)
        if not self._is_local:
            settings = dict(self._selection.settings)
            region = settings.get("region") or doctor_wiring.usual_region()
            if region is None:
                yield from unmade(login.CHECKS)
            else:
                target = Target(self._selection.env, region, None, None, EndpointSpec(), 1, DEFAULT_PROFILE)
                yield from make(login.CHECKS, self._way(target).door)
        yield from unmade(fitting((*OF_ACCOUNT, *endpoint.CHECKS), local=self._is_local))

    def _of(self, opened: Opened) -> Iterator[Made]:
        spec, named = opened.spec, self._selection.endpoint is not None
        if not named:
            yield from make(project.CHECKS, doctor_wiring.bench(spec))
        checks = fitting((*(() if named else OF_ACCOUNT), *endpoint.CHECKS), local=self._is_local)
        if self._is_local and not doctor_wiring.runs():
            yield from unmade(checks, "the local cloud is not running" if named else "")
            return
        way = self._way(spec.target)
        entered = list(make(fitting(login.CHECKS, local=self._is_local), way.door))
        yield from entered
        if any(one.check in _ENTRY and one.outcome is not Outcome.FINE for one, _ in entered):
            yield from unmade(checks)
            return
        try:
            furnished, reach = doctor_wiring.connect(spec, opened.name, self._selection.profile, way)
        except OrchestratorError as error:
            yield from unmade(checks, one_line(error))
            return
        scene = Scene(furnished, opened.name, reach, named=named)
        yield from make(checks, scene)
        self._remember(scene)

    def _way(self, target: Target) -> doctor_wiring.Entrance:
        return doctor_wiring.entrance(target, self._selection.profile, self._shared)

    def _remember(self, scene: Scene) -> None:
        """Remember what repairs need, if there is something to repair."""
        with contextlib.suppress(OrchestratorError, MootError):  # a check says so
            self._edges[scene.name], self._vaults[scene.vault.name] = scene.edge, scene.vault
