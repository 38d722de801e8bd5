"""All endpoints of one spec at once: what is the same for all is done once, the rest side by side."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

from orchestrator.api import wiring
from orchestrator.api.project import Outcome, Project
from orchestrator.api.selection import Manner, Selection
from orchestrator.core.errors import SpecError
from orchestrator.core.ports import Progress, Transfer
from orchestrator.usecases import readying
from orchestrator.usecases.build import Build, built
from orchestrator.usecases.many import Ended, Job, Stop, run_all
from orchestrator.usecases.prepare import Intent
from orchestrator.usecases.readying import Ready
from orchestrator.usecases.silence import SilentProgress, SilentTransfer

WORKERS = 8


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many at a time, who watches, and what a failure means to the others.

    Attributes:
        workers: How many endpoints at a time.
        fail_fast: Whether none is begun after one has failed.
        progress: Gives a watcher for an endpoint's name.
        ended: Told of each endpoint as it ends.
    """

    workers: int = WORKERS
    fail_fast: bool = False
    progress: Callable[[str], Progress] = lambda _: SilentProgress()
    ended: Callable[[Ended[Outcome]], None] = lambda _: None


class Projects:
    """Several endpoints of a spec, in one environment.

    Args:
        projects: One for each endpoint.
        stop: Ends them all; the projects' clocks listen to it.
    """

    def __init__(self, projects: Sequence[Project], stop: Stop) -> None:
        """Hold the projects; nothing is connected to yet."""
        if not projects:
            raise SpecError("there is no endpoint to deploy")
        self.projects = tuple(projects)
        self._stop = stop

    @classmethod
    def open(
        cls,
        path: str = "orchestrator.toml",
        env: str = "local",
        *,
        profile: str | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> Self:
        """Read the spec at ``path`` for an environment, for all its endpoints.

        Args:
            path: The spec.
            env: ``local``, or a name that has an ``[env.NAME]`` table.
            profile: Of the AWS configuration; not used for ``local``.
            settings: What stands in for keys of the spec, such as ``{"region": "eu-west-1"}``.

        Raises:
            SpecError: If the spec is wrong.
        """
        selection = Selection(path, env, None, profile, tuple((settings or {}).items()))
        return cls.select(selection, Manner(start_local=True))

    @classmethod
    def select(cls, selection: Selection, manner: Manner) -> Self:
        """Do what `open` does, with the arguments put together.

        Raises:
            SpecError: If the spec is wrong.
        """
        stop = Stop()
        stopping = replace(manner, clock=lambda inner: stop.clock(manner.clock(inner)))
        names = wiring.endpoints(selection)
        return cls([Project.select(replace(selection, endpoint=name), stopping) for name in names], stop)

    @property
    def names(self) -> tuple[str, ...]:
        """The endpoints' names, in the order of the spec."""
        return tuple(project.name for project in self.projects)

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C has ended them."""
        return self._stop.asked

    def connect(self, workers: int = WORKERS) -> None:
        """Connect to all, to know before anything is built whether that is possible.

        An account that cannot be reached is that endpoint's failure; it comes up when its turn comes.

        Raises:
            OrchestratorError: If not one can be reached.
            KeyboardInterrupt: After Ctrl-C: nothing has changed.
        """
        jobs = [Job(one.name, partial(_connect, one)) for one in self.projects]
        found = run_all(jobs, workers=workers, stop=self._stop)
        if self._stop.asked:
            raise KeyboardInterrupt
        errors = [one.error for one in found if one.error is not None]
        if len(errors) == len(found):
            raise errors[0]

    @contextlib.contextmanager
    def ready(
        self, intent: Intent | None = None, transfer: Transfer | None = None, workers: int = WORKERS
    ) -> Iterator[tuple[Ended[Ready], ...]]:
        """Build and try the project once, and plan each endpoint's deployment; what failed is among it.

        Args:
            intent: For the journals.
            transfer: Watches files being read.
            workers: How many endpoints are planned at a time.

        Raises:
            ArtifactError: If the project makes no archive whose model loads.
            RefusedError: If it fails a golden case.
            OrchestratorError: As `connect` does.
            KeyboardInterrupt: After Ctrl-C: nothing has changed.
        """
        self.connect(workers)
        spec = self.projects[0].spec
        asked, cases = intent or self.projects[0].intent(), wiring.golden_cases(spec)
        with built(spec, wiring.packaging(), cases, transfer or SilentTransfer()) as made:
            jobs = [Job(one.name, partial(_ready, made, one, asked)) for one in self.projects]
            found = run_all(jobs, workers=workers, stop=self._stop)
            if self._stop.asked:
                raise KeyboardInterrupt
            yield found

    def carry_out(
        self, found: Sequence[Ended[Ready]], crowd: Crowd | None = None
    ) -> tuple[Ended[Outcome], ...]:
        """Send and carry out what is ready, and return what came of every endpoint, in order.

        Args:
            found: As `ready` gives it; what failed there stays failed.
            crowd: How.
        """
        how = crowd or Crowd()
        jobs = [
            Job(ended.name, partial(_deploy, project, ended, how))
            for project, ended in zip(self.projects, found, strict=True)
        ]
        return run_all(jobs, workers=how.workers, fail_fast=how.fail_fast, ended=how.ended, stop=self._stop)

    def deploy(self, intent: Intent | None = None, crowd: Crowd | None = None) -> tuple[Ended[Outcome], ...]:
        """Create or update every endpoint; an endpoint that fails stops no other unless that is asked for.

        Raises:
            OrchestratorError: As `ready` does: before anything has changed.
        """
        with self.ready(intent, workers=(crowd or Crowd()).workers) as found:
            return self.carry_out(found, crowd)


def _connect(project: Project, _: Stop) -> None:
    project.connect()


def _ready(made: Build, project: Project, intent: Intent, _: Stop) -> Ready:
    shop = project.workshop(intent)
    ready = readying.ready_with(made, shop)
    project.remember(ready.prepared, shop.edge)
    return ready


def _deploy(project: Project, ended: Ended[Ready], how: Crowd, _: Stop) -> Outcome:
    """Send and carry out one deployment, unless there is nothing to do.

    Raises:
        BaseException: What kept it from being ready, or came of it.
    """
    if ended.error is not None:
        raise ended.error
    if ended.value is None:
        raise KeyboardInterrupt
    ready = ended.value
    if ready.prepared.nothing_to_do:
        return Outcome(ready.prepared)
    ready.send(SilentTransfer())
    return Outcome(ready.prepared, project.carry_out(ready.prepared, how.progress(project.name)))
