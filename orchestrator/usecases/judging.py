"""Compare the two fleets of an endpoint under update, by the metrics that SageMaker publishes of each.

CloudWatch gets one value of ModelLatency a minute, the average of that minute's requests: a bake of ten
minutes gives ten values to compare, however many requests there were. Values arrive late, so the last minutes
may be missing. Requests and errors are counted one by one.
"""

from dataclasses import dataclass

from orchestrator.core.alarms import Query
from orchestrator.core.judging import Judgement, Sample, judge, together
from orchestrator.core.resources import Endpoint, Pairs
from orchestrator.core.target import JudgeSpec
from orchestrator.usecases.edge import Edge

_RECENT_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two fleets of one endpoint, and the time in which both served.

    Attributes:
        old: The endpoint config of the fleet that served before.
        new: The endpoint config of the fleet that is tried.
        variants: The names of the production variants.
        since: In seconds since 1970.
        until: In seconds since 1970.
    """

    endpoint: str
    old: str
    new: str
    variants: tuple[str, ...]
    since: float
    until: float


def consult(comparison: Comparison, edge: Edge, rules: JudgeSpec) -> Judgement:
    """Return what the judge thinks of the new fleet: of the worst of its variants.

    Raises:
        CloudError: If the metrics cannot be read.
    """
    several = len(comparison.variants) > 1
    judgements = []
    for variant in comparison.variants:
        old, new = (_sample(comparison, config, variant, edge) for config in (comparison.old, comparison.new))
        found = judge(old, new, rules)
        reasons = tuple(f"{variant}: {reason}" for reason in found.reasons) if several else found.reasons
        judgements.append(Judgement(found.opinion, reasons))
    return together(judgements)


def has_traffic(endpoint: Endpoint, edge: Edge) -> bool:
    """Tell whether an endpoint was invoked within the last hour; one call for each variant until one was.

    Raises:
        CloudError: If the metrics cannot be read.
    """
    until = edge.clock.now()
    recent = Comparison(endpoint.name, endpoint.config, endpoint.config, (), until - _RECENT_SECONDS, until)
    return any(
        any(_values(recent, "Invocations", "Sum", _dimensions(recent, endpoint.config, variant.name), edge))
        for variant in endpoint.variants
    )


def _sample(comparison: Comparison, config: str, variant: str, edge: Edge) -> Sample:
    dimensions = _dimensions(comparison, config, variant)
    return Sample(
        latencies=_values(comparison, "ModelLatency", "Average", dimensions, edge),
        requests=round(sum(_values(comparison, "Invocations", "Sum", dimensions, edge))),
        errors=round(sum(_values(comparison, "Invocation5XXErrors", "Sum", dimensions, edge))),
    )


def _dimensions(comparison: Comparison, config: str, variant: str) -> Pairs:
    return (("EndpointConfigName", config), ("EndpointName", comparison.endpoint), ("VariantName", variant))


def _values(
    comparison: Comparison, metric: str, statistic: str, dimensions: Pairs, edge: Edge
) -> tuple[float, ...]:
    query = Query(metric, dimensions, statistic, comparison.since, comparison.until)
    return edge.alarms.values(query)
