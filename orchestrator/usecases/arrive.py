"""Wait until a deployment has truly arrived, and return what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.core import traffic
from orchestrator.core.errors import CloudError, ConflictError, StillMovingError
from orchestrator.core.outcome import Arrived, Expectation, Moving, Sighting, Verdict, judge
from orchestrator.core.ports import Progress
from orchestrator.core.resources import Endpoint, EndpointStatus
from orchestrator.core.rollout import AT_ONCE, Rollout
from orchestrator.core.target import JudgeSpec
from orchestrator.usecases.asking import Questions, ask
from orchestrator.usecases.baking import Bakes
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.holding import Hold
from orchestrator.usecases.restarting import Restarts
from orchestrator.usecases.watching import Lookout, goes_on


@dataclass(frozen=True, slots=True)
class Journey:
    """A change under way, and what there is to do until it has arrived.

    Attributes:
        instances: Of the largest fleet, old or new: what a rollout in steps of instances goes through.
        questions: What the endpoint has to answer in the end; ``None`` asks nothing.
        judge: How to compare the fleets on the way; ``None`` does not.
    """

    expectation: Expectation
    instances: int = 0
    questions: Questions | None = None
    rollout: Rollout = AT_ONCE
    judge: JudgeSpec | None = None

    @property
    def bakes_seconds(self) -> int:
        """How long the rollout takes by its own design."""
        return self.rollout.waits_seconds(self.instances)


@dataclass(frozen=True, slots=True)
class Arrival:
    """What became of a journey.

    Attributes:
        elapsed_seconds: How long it was watched.
        remarks: What was noticed on the way.
        misses: How often AWS did not answer.
    """

    verdict: Verdict
    elapsed_seconds: float
    remarks: tuple[str, ...] = ()
    misses: int = 0


def arrive(journey: Journey, edge: Edge, progress: Progress, hold: Hold) -> Arrival:
    """Watch the endpoint until there is a verdict; `Moving` if the deadline passed before.

    AWS may answer late or not at all in between: looking goes on until the deadline.

    Raises:
        CloudError: If the endpoint may no longer be watched, saying that the change goes on.
        ConflictError: If somebody else took the endpoint over meanwhile.
    """
    lookout = Lookout(journey.expectation.endpoint, edge, extra_seconds=journey.bakes_seconds)
    bakes, restarts = Bakes(journey.expectation, journey.rollout, journey.judge), Restarts(lookout.started)
    while True:
        hold.keep()
        sighting = _look(lookout, journey)
        verdict = _verdict(journey, sighting, lookout, edge, progress, hold)
        if not isinstance(verdict, Moving) or lookout.left_seconds <= 0:
            return Arrival(verdict, lookout.elapsed_seconds, bakes.remarks, lookout.tolerance.misses)
        remarks: list[str] = []
        if sighting is not None and sighting.endpoint is not None:
            with lookout.tolerance:
                remarks.append(restarts.notice(sighting.endpoint, edge))
                remarks.append(bakes.notice(sighting.endpoint, edge, hold))
        _tell(progress, lookout, journey, sighting, remarks)
        lookout.pause()


def _look(lookout: Lookout, journey: Journey) -> Sighting | None:
    try:
        return lookout.look()
    except CloudError as error:
        raise goes_on(error, journey.expectation.config) from None


def _verdict(
    journey: Journey,
    sighting: Sighting | None,
    lookout: Lookout,
    edge: Edge,
    progress: Progress,
    hold: Hold,
) -> Verdict:
    if sighting is None:
        return Moving(None)
    verdict = judge(journey.expectation, sighting)
    if not isinstance(verdict, Arrived) or journey.questions is None:
        return verdict
    with lookout.tolerance:
        answers = ask(journey.expectation.endpoint, journey.questions, edge, progress, hold.keep)
        return judge(journey.expectation, sighting, answers)
    return Moving(sighting.endpoint.status if sighting.endpoint else None)


def _tell(
    progress: Progress,
    lookout: Lookout,
    journey: Journey,
    sighting: Sighting | None,
    remarks: Sequence[str],
) -> None:
    endpoint = None if sighting is None else sighting.endpoint
    if endpoint is None:
        progress.waiting(lookout.watch("AWS does not answer" if sighting is None else ""))
        return
    stage = "; ".join(filter(None, (traffic.stage(endpoint), *remarks)))
    share = traffic.share(endpoint, journey.rollout)
    progress.waiting(lookout.watch(stage, share, traffic.instances(endpoint)))


def remove(planned: Endpoint, edge: Edge, progress: Progress, hold: Hold) -> None:
    """Delete an endpoint as soon as nothing moves in it, and watch it until it no longer exists.

    An autoscaler may have begun a change since the plan was made, and SageMaker refuses to delete an endpoint
    that is in progress.

    Args:
        planned: The endpoint, as it was when the plan was made.
        edge: The environment.
        progress: Who watches.
        hold: What proves that it is ours.

    Raises:
        StillMovingError: If the deadline passed.
        ConflictError: If somebody else moved the endpoint or took it over meanwhile.
    """
    lookout, gone = Lookout(planned.name, edge), False
    while not gone:
        hold.keep()
        sighting = lookout.look()
        if sighting is not None:
            gone = _is_going(sighting.endpoint, planned, edge)
        if not gone:
            _wait(planned.name, lookout, progress)
    _await_gone(planned.name, edge, progress, hold)


def _is_going(seen: Endpoint | None, planned: Endpoint, edge: Edge) -> bool:
    """Delete what nothing moves in; tell whether it is on its way out, or gone."""
    if seen is None or seen.status is EndpointStatus.DELETING:
        return True
    if not {seen.config, seen.target} <= {planned.config, planned.target}:
        raise ConflictError(
            f"endpoint '{seen.name}' is on '{seen.target}', not on '{planned.target}' as it was when "
            "this was planned",
            details=[("state", "somebody else has changed it meanwhile; it was not deleted")],
            hint=f"orchestrator history {seen.name}",
        )
    if not seen.settled:
        return False
    try:
        edge.cloud.delete_endpoint(seen.name)
    except CloudError:
        again = edge.cloud.endpoint(seen.name, tags=False)
        if again is not None and again.settled:
            raise
        return again is None  # else it began to move after we had looked
    return True


def _await_gone(endpoint: str, edge: Edge, progress: Progress, hold: Hold) -> None:
    """Watch the endpoint until it no longer exists.

    Raises:
        StillMovingError: If the deadline passed.
        ConflictError: If somebody else took the endpoint over meanwhile.
    """
    lookout = Lookout(endpoint, edge)
    while True:
        hold.keep()
        sighting = lookout.look()
        if sighting is not None and sighting.endpoint is None:
            return
        _wait(endpoint, lookout, progress)


def _wait(endpoint: str, lookout: Lookout, progress: Progress) -> None:
    if lookout.left_seconds <= 0:
        raise StillMovingError(
            f"endpoint '{endpoint}' is still {lookout.status} after {lookout.elapsed_seconds:.0f} s",
            hint=f"orchestrator resume --endpoint {endpoint}          pick up where this one stopped",
        )
    progress.waiting(lookout.watch())
    lookout.pause()
