"""What a deployment is about to do, and what a rule finds in it, as plain values."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.core.alarms import Alarm
from orchestrator.core.resources import EndpointConfig, State, Variant, VariantStatus
from orchestrator.core.revision import Revision
from orchestrator.core.rollout import AT_ONCE, Rollout
from orchestrator.core.scaling import Dimension, Scaling
from orchestrator.core.target import JudgeSpec, Mode

_SHOWN = 80
_NOTHING = State()


NO_WAY_BACK = "no-way-back"

CONSENTS = (NO_WAY_BACK,)
"""The rules that ask for consent: all that `deploy --accept` takes."""


class Severity(enum.StrEnum):
    """What a finding leads to: nothing is done; it is done if somebody agrees; it is done, and said."""

    REFUSE = "refuse"
    CONSENT = "consent"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that a proposal breaks.

    Attributes:
        rule: A stable slug, such as ``canary-needs-two``.
        key: The spec's key, without its layer, such as ``rollout.bake_seconds``.
        says: The fact, in one line.
        source: Where the rule is written.
    """

    rule: str
    severity: Severity
    key: str
    says: str
    source: str

    @property
    def line(self) -> str:
        """The finding as one line, with the key that decides about it and where the rule is from."""
        return f"{self.key}: {self.says} ({self.source})"


def refuse(rule: str, key: str, says: str, source: str) -> Finding:
    """Return a finding with which nothing is done."""
    return Finding(rule, Severity.REFUSE, key, says, source)


def warn(rule: str, key: str, says: str, source: str) -> Finding:
    """Return a finding that is only said."""
    return Finding(rule, Severity.WARN, key, says, source)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A revision, how it is to be brought to serve, and the world as it is.

    Attributes:
        rollout: With the alarms that the spec names; those in ``generated`` may be among them.
        scalings: Desired ones.
        serving: What the endpoint serves; ``None`` is looked for among the observed endpoint configs.
        alarms: Those of the rollout's that exist; ``None`` if nobody looked.
        generated: Those that the tool makes for this revision.
        names: Of the endpoints in the region that contain this one's name in whatever case.
        quotas: How many instances of a type endpoints may use; only where AWS said so.
        bucket_region: Where the bucket is; empty if nobody looked.
        largest_request: Of the golden cases, in bytes.
        has_traffic: Whether the endpoint was invoked lately; ``None`` if nobody looked.
    """

    revision: Revision
    rollout: Rollout = AT_ONCE
    scalings: tuple[Scaling, ...] = ()
    observed: State = _NOTHING
    serving: EndpointConfig | None = None
    alarms: tuple[Alarm, ...] | None = None
    generated: tuple[Alarm, ...] = ()
    judge: JudgeSpec | None = None
    names: tuple[str, ...] = ()
    quotas: tuple[tuple[str, int], ...] = ()
    region: str = ""
    bucket_region: str = ""
    largest_request: int = 0
    has_traffic: bool | None = None

    @property
    def config(self) -> EndpointConfig:
        """The endpoint config that is to serve."""
        return self.revision.config

    @property
    def mode(self) -> Mode:
        """How the endpoint will be invoked, as its config says it."""
        return mode_of(self.config)

    @property
    def before(self) -> EndpointConfig | None:
        """The endpoint config that serves now, as far as it is known."""
        if self.serving is not None or self.observed.endpoint is None:
            return self.serving
        name = self.observed.endpoint.config
        return next((config for config in self.observed.configs if config.name == name), None)

    @property
    def moves(self) -> bool:
        """Whether a live endpoint goes from one endpoint config to another."""
        endpoint = self.observed.endpoint
        return endpoint is not None and endpoint.config != self.config.name

    @property
    def alarm_names(self) -> tuple[str, ...]:
        """The names of all alarms that can roll the deployment back, each once."""
        return tuple(dict.fromkeys((*self.rollout.alarms, *(alarm.name for alarm in self.generated))))

    @property
    def autoscaled(self) -> frozenset[str]:
        """The variants whose number of instances an autoscaler owns, or is about to."""
        scalings = (*self.scalings, *self.observed.scalings)
        return frozenset(item.variant for item in scalings if item.dimension is Dimension.INSTANCES)

    def status(self, variant: str) -> VariantStatus | None:
        """Return what is observed of a variant's fleet, if it has one."""
        endpoint = self.observed.endpoint
        return next((item for item in endpoint.variants if item.name == variant), None) if endpoint else None

    def count(self, variant: Variant) -> int:
        """Return how many instances the variant's new fleet gets; an autoscaler's count is kept."""
        status = self.status(variant.name)
        if status is not None and status.desired_count > 0 and variant.name in self.autoscaled:
            return status.desired_count
        return variant.instance_count

    def counts(self, variant: Variant) -> tuple[int, ...]:
        """Return the sizes of the new fleet and, while there is one, of the old: the same number once."""
        status = self.status(variant.name)
        old = () if status is None or not status.current_count else (status.current_count,)
        return tuple(dict.fromkeys((self.count(variant), *old)))

    def fleets(self) -> Iterator[Variant]:
        """Yield the production variants that run on instances."""
        return (variant for variant in self.config.variants if variant.serverless is None)

    def key(self, variant: Variant, field: str) -> str:
        """Return the spec's key for a field of a variant, production or shadow."""
        if variant in self.config.shadows:
            return f"endpoint.shadow.{field}"
        several = len(self.config.variants) > 1
        return f"endpoint.variants.{harmless(variant.name)}.{field}" if several else f"endpoint.{field}"


def mode_of(config: EndpointConfig) -> Mode:
    """Return how an endpoint on ``config`` is invoked."""
    if any(variant.serverless for variant in config.variants):
        return Mode.SERVERLESS
    return Mode.REALTIME if config.async_inference is None else Mode.ASYNC


def quoted(text: str) -> str:
    r"""Return somebody's text between quotes, fit for a terminal: nothing invisible, and not for ever.

    >>> print(quoted("digits"), quoted("a\x1b[31m\nb"), len(quoted("x" * 10_000)))
    'digits' 'a\x1b[31m\nb' 82
    """
    return f"'{harmless(text)}'"


def harmless(text: str) -> str:
    """Return somebody's text as `quoted` shows it, without the quotes."""
    short = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in short)
