"""Let the judge compare the fleets while both serve, and pull the lever if the new one is worse."""

from orchestrator.core import traffic
from orchestrator.core.alarms import judge_alarm_name
from orchestrator.core.errors import CloudError
from orchestrator.core.judging import Judgement, Opinion, shared_seconds
from orchestrator.core.outcome import Expectation
from orchestrator.core.resources import Endpoint, Stage
from orchestrator.core.rollout import Rollout
from orchestrator.core.target import JudgeSpec
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.holding import Hold
from orchestrator.usecases.judging import Comparison, consult

ACCEPT = "accept"
"""What a spec says of an inconclusive comparison that is not to roll back."""


class Bakes:
    """Follows the bakes of one rollout, and consults the judge once near the end of each.

    A bake in which only the new fleet serves has nothing to compare.

    Attributes:
        remarks: What the judge has said.
    """

    def __init__(self, expectation: Expectation, rollout: Rollout, judge: JudgeSpec | None) -> None:
        """Follow a rollout; without a ``judge``, do nothing."""
        self.remarks: tuple[str, ...] = ()
        self._expectation = expectation
        self._rollout = rollout
        self._judge = judge
        self._begun: list[float] = []
        self._judged: set[float] = set()

    def notice(self, endpoint: Endpoint, edge: Edge, hold: Hold) -> str:
        """Return what the judge says now; empty if it is not its time.

        Raises:
            CloudError: If the lever cannot be pulled; the next look tries it again.
            ConflictError: If somebody else has taken the endpoint over.
        """
        baking = [stage for stage in endpoint.stages if self._is_shared(stage)]
        if self._judge is None or self._expectation.previous is None or not baking:
            return ""
        begun = self._beginning(baking, edge)
        left = begun + self._rollout.bake_seconds - edge.clock.now()
        # The next look may be two intervals away.
        if begun in self._judged or left > 2 * edge.patience.interval_seconds or self._are_over(endpoint):
            return ""
        judgement = self._consult(self._judge, endpoint, edge)
        said = f"the judge: {judgement.opinion}, {'; '.join(judgement.reasons)}"
        if self._is_verdict(judgement, self._judge, endpoint):
            hold.keep(now=True)
            edge.alarms.trip(judge_alarm_name(self._expectation.config), said)
        self._judged.add(begun)
        self.remarks = (*self.remarks, said)
        return said

    def _is_shared(self, stage: Stage) -> bool:
        return stage.status == traffic.BAKING and not traffic.is_final_bake(stage, self._rollout)

    def _beginning(self, baking: list[Stage], edge: Edge) -> float:
        """Return when this bake began: SageMaker's time, or that of our first look at it."""
        begun = min(stage.since for stage in baking)
        if not begun:
            recent = [at for at in self._begun if edge.clock.now() < at + self._rollout.bake_seconds]
            begun = recent[-1] if recent else edge.clock.now()
        if begun not in self._begun:
            self._begun.append(begun)
        return begun

    def _shared_bakes(self, endpoint: Endpoint) -> int:
        """Return in how many bakes both fleets serve."""
        instances = max((status.desired_count for status in endpoint.variants), default=1)
        return round(shared_seconds(self._rollout, instances) / max(self._rollout.bake_seconds, 1))

    def _are_over(self, endpoint: Endpoint) -> bool:
        return len(self._begun) > self._shared_bakes(endpoint)

    def _consult(self, judge: JudgeSpec, endpoint: Endpoint, edge: Edge) -> Judgement:
        comparison = Comparison(
            endpoint=endpoint.name,
            old=self._expectation.previous or "",
            new=self._expectation.config,
            variants=tuple(status.name for status in endpoint.variants),
            since=self._begun[0],
            until=edge.clock.now(),
        )
        try:
            return consult(comparison, edge, judge)
        except CloudError as error:
            return Judgement(Opinion.INCONCLUSIVE, (f"the metrics could not be read: {error}",))

    def _is_verdict(self, judgement: Judgement, judge: JudgeSpec, endpoint: Endpoint) -> bool:
        """Tell whether to go back. Before the last shared bake, inconclusive means not yet."""
        if judgement.opinion is Opinion.INCONCLUSIVE:
            is_last = len(self._begun) >= self._shared_bakes(endpoint)
            return is_last and judge.inconclusive != ACCEPT
        return judgement.opinion is Opinion.WORSE
