"""Hold a deployment against every rule that is known, before anything is changed."""

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from orchestrator.core.alarms import Alarm
from orchestrator.core.errors import DeniedError
from orchestrator.core.fleets import quota_needed
from orchestrator.core.golden import Case
from orchestrator.core.proposal import Finding, Proposal, Severity, quoted, warn
from orchestrator.core.resources import State
from orchestrator.core.revision import Revision
from orchestrator.core.rules import rulebook
from orchestrator.core.shapes import Violation
from orchestrator.usecases.change import Terms
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.judging import has_traffic

_Answer = TypeVar("_Answer")
_Other = TypeVar("_Other")


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be held against the rules.

    Attributes:
        cases: Requests that the endpoint has to take.
        generated: The alarms that are made for it.
        observed: The world as it is.
        region: Where, if somebody knows.
    """

    revision: Revision
    terms: Terms
    cases: tuple[Case, ...]
    generated: tuple[Alarm, ...]
    observed: State
    region: str = ""


def inquire(question: Question, edge: Edge) -> Proposal:
    """Return the deployment with what AWS says about it: alarms, names, quotas. Nothing is changed.

    What we may not look at, nothing is said of.
    """
    plain = propose(question)
    named = question.terms.rollout.alarms
    ask = edge.account.instance_quota
    quotas = (
        (kind, _unless_denied(functools.partial(ask, kind), None)) for kind in sorted(quota_needed(plain))
    )
    is_new = question.observed.endpoint is None
    wanted = plain.revision.endpoint
    return replace(
        plain,
        alarms=_unless_denied(lambda: edge.alarms.find(named), None) if named else (),
        names=_unless_denied(lambda: edge.inventory.endpoint_names(wanted), ()) if is_new else (),
        quotas=tuple((kind, quota) for kind, quota in quotas if quota is not None),
        bucket_region=_unless_denied(edge.store.region, ""),
        has_traffic=_traffic(plain, edge),
    )


def _traffic(proposal: Proposal, edge: Edge) -> bool | None:
    """Return whether the endpoint is invoked at all, where alarms are to judge by that."""
    endpoint = proposal.observed.endpoint
    if endpoint is None or not proposal.moves or not proposal.alarm_names:
        return None
    return _unless_denied(lambda: has_traffic(endpoint, edge), None)


def _unless_denied(ask: Callable[[], _Answer], otherwise: _Other) -> _Answer | _Other:
    """Return what a check needs to know, or ``otherwise`` if we may not look: a plan can do without."""
    try:
        return ask()
    except DeniedError:
        return otherwise


def propose(question: Question) -> Proposal:
    """Return the deployment as far as it is known without asking anybody."""
    terms = question.terms
    return Proposal(
        revision=question.revision,
        rollout=terms.rollout,
        scalings=question.revision.scalings,
        observed=question.observed,
        generated=question.generated,
        judge=terms.judge,
        region=question.region,
        largest_request=max((len(case.request.body) for case in question.cases), default=0),
    )


def check(proposal: Proposal, edge: Edge) -> tuple[Finding, ...]:
    """Return every rule that a deployment breaks, those of AWS's own API model among them."""
    found = rulebook.check(proposal)
    told = {finding.key for finding in found if finding.severity is Severity.REFUSE}
    limits = edge.limits.violations(proposal.revision, proposal.rollout, proposal.scalings)
    return (*_as_findings(limits, told), *found, *_unseen(proposal))


def _unseen(proposal: Proposal) -> Iterator[Finding]:
    """Yield that a rollout relies on alarms that we may not look at; where nothing moves, none does."""
    named = proposal.rollout.alarms
    if named and proposal.alarms is None and (proposal.moves or proposal.observed.endpoint is None):
        says = f"nobody has looked whether {', '.join(map(quoted, named))} can fire: we may not look"
        yield warn("alarms-unseen", "rollout.alarms", says, "IAM, cloudwatch:DescribeAlarms")


def role_problem(revision: Revision, edge: Edge) -> Iterator[Finding]:
    """Yield why SageMaker cannot run the revision as its role, if it cannot and we may look."""
    try:
        problem = edge.account.role_problem(revision.model.role)
    except DeniedError:
        return
    if problem:
        yield Finding("role", Severity.REFUSE, "role_arn", problem, "IAM, the role's trust policy")


def _as_findings(violations: Iterable[Violation], told: set[str]) -> Iterator[Finding]:
    """Yield what the API model forbids, but for keys of which a rule with more to say has spoken."""
    for violation in violations:
        if violation.key not in told:
            said = f"{violation.value} is not allowed: {violation.rule}"
            yield Finding("api", Severity.REFUSE, violation.key, said, violation.source)
