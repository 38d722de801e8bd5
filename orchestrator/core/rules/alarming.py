"""Rules on what watches a rollout: its alarms, and the judge."""

from collections.abc import Iterator

from orchestrator.core.fleets import largest
from orchestrator.core.judging import shared_seconds
from orchestrator.core.proposal import Finding, Proposal, quoted, refuse, warn
from orchestrator.core.rollout import Kind
from orchestrator.core.rules.alarmlint import Watched, absent, lint, lint_made
from orchestrator.core.target import JudgeSpec, Mode

MAX_ALARMS = 10
"""How many alarms may roll a deployment back."""

_MAX_NAME = 255
_METRIC_SECONDS = 60
_KEY = "rollout.alarms"
_MADE = "rollout.generate_alarms"
_JUDGE = "rollout.judge"
_GUARDRAILS = "SageMaker Developer Guide, deployment-guardrails-configuration"
_API = "SageMaker service model, AutoRollbackConfig.Alarms"
_METRICS = "SageMaker Developer Guide, monitoring-cloudwatch"
_ASYNC_METRICS = "SageMaker Developer Guide, async-inference-monitor"


def find(proposal: Proposal) -> Iterator[Finding]:
    """Yield what is wrong with the alarms and with the judge."""
    yield from _names(proposal)
    yield from _baking(proposal)
    yield from _useless(proposal)
    if proposal.judge is not None:
        yield from _judge(proposal, proposal.judge)


def _names(proposal: Proposal) -> Iterator[Finding]:
    names = proposal.rollout.alarms
    for name in names:
        if not name.strip() or len(name) > _MAX_NAME:
            yield refuse("alarm-name", _KEY, f"{quoted(name)} is no alarm name: 1 to 255 characters", _API)
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield refuse("alarm-twice", _KEY, f"alarm {quoted(name)} is named twice", _API)
    total = len(proposal.alarm_names)
    if total > MAX_ALARMS:
        made = f", {len(proposal.generated)} of them made by the tool" if proposal.generated else ""
        yield refuse("alarms-too-many", _KEY, f"{total} alarms{made} are more than {MAX_ALARMS}", _API)


def _baking(proposal: Proposal) -> Iterator[Finding]:
    """Yield that it bakes for nobody, or that somebody watches what does not bake."""
    rollout = proposal.rollout
    bakes = rollout.bake_seconds > 0 or rollout.final_bake_seconds > 0
    stepwise = rollout.kind is not Kind.ALL_AT_ONCE
    if (stepwise or bakes) and not proposal.alarm_names:
        says = f"no alarm watches {rollout.kind}, and nothing else rolls it back: name some, or set {_MADE}"
        yield refuse("alarms-none", _KEY, says, _GUARDRAILS)
    elif proposal.alarm_names and not bakes:
        key = "rollout.bake_seconds" if stepwise else "rollout.final_bake_seconds"
        says = "alarms are watched while a rollout bakes, and this one does not"
        yield warn("alarms-unwatched", key, says, _GUARDRAILS)


def _useless(proposal: Proposal) -> Iterator[Finding]:
    watched = Watched(
        endpoint=proposal.revision.endpoint,
        config=proposal.config.name,
        variants=tuple(variant.name for variant in proposal.config.variants),
        rollout=proposal.rollout,
        asynchronous=proposal.mode is Mode.ASYNC,
        has_traffic=proposal.has_traffic,
    )
    made = {alarm.name for alarm in proposal.generated}
    if proposal.alarms is not None:
        named = [name for name in proposal.rollout.alarms if name not in made]
        yield from absent(named, proposal.alarms)
        for alarm in proposal.alarms:
            if alarm.name in named:
                yield from lint(alarm, watched)
    for alarm in proposal.generated:
        for finding in lint_made(alarm, watched):
            yield Finding(finding.rule, finding.severity, _MADE, finding.says, finding.source)


def _judge(proposal: Proposal, rules: JudgeSpec) -> Iterator[Finding]:
    rollout = proposal.rollout
    if proposal.mode is Mode.ASYNC:
        says = "asynchronous endpoints publish no Invocations, without which errors cannot be judged"
        yield refuse("judge-not-async", _JUDGE, says, _ASYNC_METRICS)
    seconds = shared_seconds(rollout, largest(proposal))
    if seconds == 0:
        says = (
            f"the judge compares two fleets that serve at the same time, and in this {rollout.kind} none do"
        )
        yield refuse("judge-alone", _JUDGE, says, _GUARDRAILS)
        return
    values = seconds // _METRIC_SECONDS
    if values < rules.min_samples:
        says = (
            f"both fleets serve for {seconds} s, in which CloudWatch gets {values} values of latency of "
            f"each, one a minute; the judge needs {rules.min_samples}, so it could only ever be inconclusive"
        )
        is_fatal = rules.inconclusive == "roll-back"
        build = refuse if is_fatal else warn
        yield build("judge-cannot-conclude", f"{_JUDGE}.min_samples", says, _METRICS)
