"""What AWS would refuse, found before the first call.

The very requests that the other adapters would send are checked against the service models that botocore
ships (patterns, lengths, limits, enums), and what is wrong is named by the spec's key. botocore itself checks
types and required members only. Rules between several fields are not here: no model knows them.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.adapters import cloudwatch, requests
from orchestrator.adapters import scaling as scaled
from orchestrator.adapters.keys import key_of, rollout_key
from orchestrator.adapters.servicemodels import service
from orchestrator.core.clouds import Update
from orchestrator.core.proposal import harmless
from orchestrator.core.revision import Revision
from orchestrator.core.rollout import Rollout
from orchestrator.core.scaling import Scaling
from orchestrator.core.shapes import Entry, Member, Path, Problem, Rule, Violation, problems

_AUTOSCALING = "application-autoscaling"
_NAMES = {
    "sagemaker": "SageMaker",
    _AUTOSCALING: "Application Auto Scaling",
    "cloudwatch": "CloudWatch",
}
_SHOWN_CHOICES = 12


@dataclass(frozen=True, slots=True)
class Call:
    """A request that is to be sent.

    Attributes:
        about: What of the spec it is made from, beside the whole: a variant's scaling or one of its policies,
            as the beginning of its keys.
    """

    service: str
    operation: str
    request: Mapping[str, object]
    about: str = ""


def violations(revision: Revision, rollout: Rollout, scalings: Sequence[Scaling]) -> tuple[Violation, ...]:
    """Return every value that AWS would refuse for itself, each of them once."""
    found: dict[tuple[str, str], Violation] = {}
    for call in _calls(revision, rollout, scalings):
        model = service(call.service)
        shape = model["operations"][call.operation]["input"]["shape"]
        for problem in _told_apart(problems(model, shape, call.request)):
            violation = _violation(call, problem, revision, rollout)
            # The names of models and endpoint configs are made from the endpoint's.
            found.setdefault((violation.key, violation.rule), violation)
    return tuple(found.values())


def _told_apart(found: Iterable[Problem]) -> Iterator[Problem]:
    """Leave out the form of what is too long: where the form counts characters, it is the same fault."""
    too_long: set[Path] = set()
    for problem in found:
        if problem.rule is Rule.MAX_LENGTH:
            too_long.add(problem.path)
        if problem.rule is not Rule.PATTERN or problem.path not in too_long:
            yield problem


def _calls(revision: Revision, rollout: Rollout, scalings: Sequence[Scaling]) -> Iterator[Call]:
    endpoint = revision.endpoint
    update = Update(endpoint, revision.config.name, rollout)
    yield Call("sagemaker", "UpdateEndpoint", requests.update(update))
    yield Call("sagemaker", "CreateModel", requests.model(revision.model))
    yield Call("sagemaker", "CreateEndpointConfig", requests.config(revision.config))
    for scaling in scalings:
        about = f"autoscaling.variants.{scaling.variant}" if len(scalings) > 1 else "autoscaling"
        yield from _scaling_calls(endpoint, scaling, about)


def _scaling_calls(endpoint: str, scaling: Scaling, about: str) -> Iterator[Call]:
    yield Call(_AUTOSCALING, "RegisterScalableTarget", scaled.target(endpoint, scaling), about)
    for tracking in scaling.tracking:
        policy = f"{about}.tracking.{tracking.name}"
        yield Call(_AUTOSCALING, "PutScalingPolicy", scaled.tracking(endpoint, scaling, tracking), policy)
    for step in scaling.steps:
        policy = f"{about}.steps.{step.name}"
        yield Call(_AUTOSCALING, "PutScalingPolicy", scaled.step(endpoint, scaling, step), policy)
        alarm = cloudwatch.request(scaled.step_alarm(endpoint, scaling.variant, step))
        yield Call("cloudwatch", "PutMetricAlarm", alarm, policy)
    for schedule in scaling.schedules:
        action = f"{about}.schedules.{schedule.name}"
        yield Call(_AUTOSCALING, "PutScheduledAction", scaled.schedule(endpoint, scaling, schedule), action)


def _violation(call: Call, problem: Problem, revision: Revision, rollout: Rollout) -> Violation:
    member = next(step for step in reversed(problem.path) if isinstance(step, Member))
    key = rollout_key(key_of(call.operation, problem.path, revision.config, call.about), rollout)
    return Violation(
        key=_printable(key),
        value=harmless(revision.endpoint) if key == "name" else _shown(problem),
        rule=_words(problem),
        source=f"{_NAMES[call.service]} service model, {member.owner}.{member.name}",
    )


def _shown(problem: Problem) -> str:
    value, last = problem.value, problem.path[-1]
    if isinstance(last, Entry) and not last.is_key:
        # Variables may hold what nobody should read in a terminal or a log.
        return f"{len(str(value))} characters"
    if isinstance(value, (list, dict)):
        return f"{len(value)} of them"
    return "nothing" if value is None else harmless(str(value))


def _printable(key: str) -> str:
    r"""Return ``key`` with escapes for what could move a cursor or end a line, but never cut.

    >>> print(_printable("endpoint.environment.a\n"))
    endpoint.environment.a\n
    """
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in key)


def _words(problem: Problem) -> str:
    counted = "characters" if isinstance(problem.value, str) else "of them"
    match problem.rule:
        case Rule.REQUIRED:
            return "needed"
        case Rule.TYPE:
            return f"of type {problem.bound}"
        case Rule.KNOWN:
            return f"a member of {problem.bound}"
        case Rule.MINIMUM:
            return f"at least {problem.bound}"
        case Rule.MAXIMUM:
            return f"at most {problem.bound}"
        case Rule.MIN_LENGTH:
            return f"at least {problem.bound} {counted}"
        case Rule.MAX_LENGTH:
            return f"at most {problem.bound} {counted}"
        case Rule.PATTERN:
            return f"of the form {problem.bound}"
        case _:
            return _choices(problem)


def _choices(problem: Problem) -> str:
    choices = [str(choice) for choice in problem.bound] if isinstance(problem.bound, tuple) else []
    if len(choices) <= _SHOWN_CHOICES:
        return f"one of {', '.join(choices)}"
    nearest = difflib.get_close_matches(str(problem.value), choices, n=3)
    return f"one of {len(choices)} values" + (f", such as {', '.join(nearest)}" if nearest else "")
