"""The account, its autoscaling and its alarms, in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from orchestrator.core.alarms import Alarm, Query
from orchestrator.core.errors import CloudError, NotFoundError
from orchestrator.core.scaling import Dimension, Scaling
from tests.support.fake_sagemaker import FakeCloud


@dataclass
class FakeAccount:
    """An account in which every role and image is fine, but for the problems it is told."""

    caller: str = "arn:aws:sts::123456789012:assumed-role/release/ada"
    role_problems: dict[str, str] = field(default_factory=dict)
    image_problems: dict[str, str] = field(default_factory=dict)
    quotas: dict[str, int] = field(default_factory=dict)
    refusal: CloudError | None = None

    def identity(self) -> str:
        return self.caller

    def role_problem(self, arn: str) -> str:
        if self.refusal is not None:
            raise self.refusal
        return self.role_problems.get(arn, "")

    def image_problem(self, image: str) -> str:
        if self.refusal is not None:
            raise self.refusal
        return self.image_problems.get(image, "")

    def instance_quota(self, instance_type: str) -> int | None:
        return self.quotas.get(instance_type)


@dataclass
class FakeAutoscaling:
    """Scalable targets in a dictionary, by endpoint, variant and dimension."""

    cloud: FakeCloud
    scalings: dict[tuple[str, str, str], Scaling] = field(default_factory=dict)

    def observe(self, endpoint: str, variants: Sequence[str]) -> frozenset[Scaling]:
        found = self.scalings.items()
        return frozenset(
            scaling for (name, variant, _), scaling in found if name == endpoint and variant in variants
        )

    def put(self, endpoint: str, scaling: Scaling) -> None:
        self.cloud.called(f"put-scaling {endpoint} {scaling.variant}")
        self._needs(endpoint, scaling.variant)
        self.scalings[endpoint, scaling.variant, scaling.dimension] = replace(
            scaling, scale_in_suspended=False
        )

    def suspend(self, endpoint: str, scaling: Scaling) -> None:
        self.cloud.called(f"suspend-scaling {endpoint} {scaling.variant}")
        key = (endpoint, scaling.variant, scaling.dimension)
        if key not in self.scalings:
            raise NotFoundError(f"nothing scales variant '{scaling.variant}' of endpoint '{endpoint}'")
        self.scalings[key] = replace(self.scalings[key], scale_in_suspended=True)

    def remove(self, endpoint: str, variant: str, dimension: Dimension) -> None:
        self.cloud.called(f"remove-scaling {endpoint} {variant}")
        self.scalings.pop((endpoint, variant, dimension), None)

    def _needs(self, endpoint: str, variant: str) -> None:
        found = self.cloud.endpoints.get(endpoint)
        if found is None or variant not in {one.name for one in found.variants}:
            raise CloudError(f"there is no variant '{variant}' of endpoint '{endpoint}' to scale")


@dataclass
class FakeAlarms:
    """Alarms by name; ``metrics`` has the values that every query with these facts gets."""

    cloud: FakeCloud
    alarms: dict[str, Alarm] = field(default_factory=dict)
    metrics: Callable[[Query], Sequence[float]] = lambda _: ()

    def find(self, names: Sequence[str]) -> tuple[Alarm, ...]:
        return tuple(self.alarms[name] for name in names if name in self.alarms)

    def begin_with(self, prefix: str) -> frozenset[str]:
        return frozenset(name for name in self.alarms if name.startswith(prefix))

    def put(self, alarm: Alarm) -> None:
        self.cloud.called(f"put-alarm {alarm.name}")
        before = self.alarms.get(alarm.name)
        self.alarms[alarm.name] = alarm if before is None else replace(alarm, state=before.state)

    def delete(self, names: Sequence[str]) -> None:
        self.cloud.called(f"delete-alarms {' '.join(names)}")
        for name in names:
            self.alarms.pop(name, None)

    def trip(self, name: str, reason: str) -> None:
        self.cloud.called(f"trip-alarm {name}")
        if name not in self.alarms:
            raise NotFoundError(f"there is no alarm '{name}'")
        self.alarms[name] = replace(self.alarms[name], state="ALARM")

    def values(self, query: Query) -> tuple[float, ...]:
        return tuple(self.metrics(query))

    def firing(self, names: Sequence[str]) -> bool:
        """Tell whether one of these is in ALARM: what SageMaker asks while a deployment bakes."""
        return any(alarm.state == "ALARM" for alarm in self.find(names))
