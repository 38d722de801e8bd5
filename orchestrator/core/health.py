"""Whether a live endpoint can go on living: what is wrong with it, and the command that mends it.

Judges what was looked at; looks at nothing itself.
"""

import enum
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from orchestrator.core import containers
from orchestrator.core.alarms import Alarm
from orchestrator.core.containers import Profile
from orchestrator.core.journal import Deployment
from orchestrator.core.proposal import Severity as Weight
from orchestrator.core.repairs import Repair
from orchestrator.core.resources import Endpoint, EndpointStatus, Model
from orchestrator.core.rules.alarmlint import Watched, absent, lint
from orchestrator.core.scaling import Dimension, Scaling


class Severity(enum.StrEnum):
    """How bad a finding is: broken or about to break, worth mending, good to know."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


_ORDER = tuple(Severity)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        subject: With what, such as ``model digits-9f3c1a2b7d10``.
        what: The fact, in one line.
        fix: The next command, or what to do in words; empty where nothing is to be done.
        check: The code of the check that has found it.
        repair: What `doctor --fix` can do about it.
    """

    severity: Severity
    subject: str
    what: str
    fix: str = ""
    check: str = ""
    repair: Repair | None = None


def by_severity(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings, the worst first, otherwise as they came."""
    return tuple(sorted(findings, key=lambda finding: _ORDER.index(finding.severity)))


def of_endpoint(endpoint: Endpoint, wanted: str | None) -> Iterator[Finding]:
    """Yield what is wrong with the endpoint itself.

    Args:
        endpoint: As it is.
        wanted: The revision that ought to serve by the journal; ``None`` if it knows of none.
    """
    subject = f"endpoint {endpoint.name}"
    if not endpoint.owned:
        what = "it does not carry the orchestrator's tag: every change of it is refused"
        severity = Severity.NOTE if wanted is None else Severity.ERROR
        yield Finding(severity, subject, what, f"orchestrator adopt {endpoint.name}")
    if endpoint.status.settled and endpoint.status is not EndpointStatus.IN_SERVICE:
        reason = endpoint.failure_reason or "AWS gave no reason"
        yield Finding(Severity.ERROR, subject, f"it is {endpoint.status}: {reason}", "orchestrator deploy")
    elif not endpoint.status.settled:
        yield Finding(Severity.NOTE, subject, f"it is {endpoint.status}, on its way to '{endpoint.target}'")
    if wanted is not None and wanted not in {endpoint.config, endpoint.target}:
        what = f"it serves '{endpoint.config}', and the journal says '{wanted}'"
        yield Finding(Severity.WARNING, subject, what, f"orchestrator drift {endpoint.name}")


def of_missing(subject: str, fix: str) -> Finding:
    """Return the finding that something which the endpoint lives on is gone.

    AWS cannot replace an instance, patch or scale an endpoint whose endpoint config, model, artifact or
    image is gone; it serves on until it has to.
    """
    return Finding(Severity.ERROR, subject, "it is gone: new instances cannot start", fix)


def of_lost_way_back(endpoint: Endpoint, revision: str) -> Finding:
    """Return the finding that the artifact of the revision before the one that serves is gone."""
    fix = "restore it from the bucket's versions"
    what = "its artifact is gone: a rollback to it is refused"
    return Finding(Severity.WARNING, f"way back of {endpoint.name} to {revision}", what, fix)


def of_image(model: Model, problem: str, today: str) -> Iterator[Finding]:
    """Yield what is wrong with a model's image.

    Args:
        model: Whose image it is.
        problem: Why it cannot be pulled; empty if it can, or nobody could look.
        today: The date, in ISO's form.
    """
    subject = f"image {model.image}"
    if problem:
        what = f"it cannot be pulled: {problem}"
        yield Finding(Severity.ERROR, subject, what, "push it again, or deploy with another container.image")
    profile = profile_of_image(model.image)
    if profile is not None and profile.is_past_patches(today):
        what = f"AWS has not patched '{profile.name}' since {profile.end_of_patch}"
        yield Finding(Severity.WARNING, subject, what, "set container.image to an image that you patch")


def profile_of_image(image: str) -> Profile | None:
    """Return the container profile whose image this is, in whatever region; ``None`` if it is none of AWS's.

    >>> registry = "763104351884.dkr.ecr.eu-west-1.amazonaws.com"
    >>> found = profile_of_image(f"{registry}/pytorch-inference:2.6.0-cpu-py312")
    >>> found.name if found else None
    'pytorch-inference-2.6-cpu'
    """
    registry, _, name = image.partition("/")
    for profile in containers.PROFILES.values():
        published = profile.image
        if name == f"{published.repository}:{published.tag}" and registry[:12] in published.accounts.values():
            return profile
    return None


def of_role(role: str, problem: str) -> Iterator[Finding]:
    """Yield that SageMaker cannot assume the execution role."""
    if problem:
        fix = "let sagemaker.amazonaws.com assume it, in its trust policy"
        yield Finding(Severity.ERROR, f"role {role}", f"SageMaker cannot assume it: {problem}", fix)


def of_alarms(names: Sequence[str], found: Sequence[Alarm], watched: Watched) -> Iterator[Finding]:
    """Yield which of the rollout's alarms do not exist, or are of no use."""
    fix = f"orchestrator alarms {watched.endpoint}"
    for finding in (*absent(names, found), *(each for alarm in found for each in lint(alarm, watched))):
        severity = Severity.ERROR if finding.severity is Weight.REFUSE else Severity.WARNING
        yield Finding(severity, "alarms of the rollout", finding.says, fix)


def of_scalings(
    endpoint: Endpoint, scalings: Iterable[Scaling], unfinished: Deployment | None
) -> Iterator[Finding]:
    """Yield what is not as it should be with the autoscaling."""
    counts = {variant.name: variant.desired_count for variant in endpoint.variants}
    for scaling in scalings:
        subject, count = f"autoscaling of variant {scaling.variant}", counts.get(scaling.variant)
        if scaling.scale_in_suspended and unfinished is None:
            yield Finding(
                Severity.WARNING,
                subject,
                "nothing is ever taken away: scale-in is suspended",
                "orchestrator deploy",
            )
        if not (scaling.tracking or scaling.steps or scaling.schedules):
            yield Finding(
                Severity.WARNING,
                subject,
                "it has bounds and no policy: nothing scales it",
                "orchestrator deploy",
            )
        is_counted = scaling.dimension is Dimension.INSTANCES and count is not None
        if is_counted and not scaling.minimum <= (count or 0) <= scaling.maximum:
            what = f"{count} instances are wanted, outside {scaling.minimum} to {scaling.maximum}"
            yield Finding(Severity.WARNING, subject, what, f"orchestrator drift {endpoint.name}")


def of_attempt(attempt: Deployment, *, held: bool) -> Finding:
    """Return the finding that an attempt has no end: somebody is at it, or it was cut short."""
    subject, what = f"attempt {attempt.number}", f"{attempt.verb} by {attempt.by} has no end"
    if held:
        return Finding(Severity.NOTE, subject, f"{what}, and somebody is at it")
    return Finding(Severity.WARNING, subject, f"{what}, and nobody is at it", "orchestrator resume")
