"""SageMaker as a strict state machine in memory, written from AWS's documentation.

It refuses what AWS refuses, takes its time on a clock that only passes when somebody sleeps, shows the world
of a moment ago where it is told to, and ends changes as a script says. The contract tests hold it to what the
real adapter does on the local cloud.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from orchestrator.core.clouds import Capacity, Update
from orchestrator.core.errors import CloudError, ConflictError, NotFoundError, QuotaError
from orchestrator.core.names import is_valid
from orchestrator.core.resources import (
    Endpoint,
    EndpointConfig,
    EndpointStatus,
    Model,
    Pairs,
    Stage,
    State,
    VariantStatus,
)
from orchestrator.core.revision import ENDPOINT_TAG
from orchestrator.core.rollout import AT_ONCE, Kind, Rollout

_MOVING_BACK_SECONDS = 20.0
CAPACITY = (
    "CapacityError: Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity"
)
PING = "The primary container for production variant primary did not pass the ping health check."


class Clock(Protocol):
    def now(self) -> float: ...


@dataclass(frozen=True)
class Ending:
    """How a change comes out.

    Attributes:
        status: The status to end in. ``"rolled-back"`` is in service on what served before; ``"stuck"`` never
            ends.
        reason: What SageMaker says; it may say nothing.
    """

    status: str = "InService"
    reason: str = ""


@dataclass(frozen=True)
class _Phase:
    """A part of a change: what is shown, and until when."""

    until: float
    status: EndpointStatus
    stages: tuple[Stage, ...] = ()
    baking: bool = False


@dataclass
class _Change:
    """A change under way."""

    phases: list[_Phase]
    end: Endpoint | None
    back: Endpoint | None = None
    alarms: tuple[str, ...] = ()


@dataclass
class FakeCloud:
    """A SageMaker whose fleets take ``takes_seconds`` to come up.

    Attributes:
        outcomes: How the next changes come out, in order: a status, or an `Ending`. Then all is well.
        stale_seconds: For how long after a change was begun the world before it is shown.
        alarmed: Whether one of these alarms is in ALARM: then a baking change goes back.
        refuse: Called with every call's words before it is carried out.
    """

    clock: Clock
    takes_seconds: float = 30.0
    outcomes: list[str | Ending] = field(default_factory=list)
    models: dict[str, Model] = field(default_factory=dict)
    configs: dict[str, EndpointConfig] = field(default_factory=dict)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    refuse: Callable[[str], None] = lambda _: None
    alarmed: Callable[[Sequence[str]], bool] = lambda _: False
    stale_seconds: float = 0.0
    quota: int | None = None
    blind_after_update: bool = False
    blind: bool = False
    under_way: dict[str, _Change] = field(default_factory=dict)
    earlier: dict[str, tuple[float, Endpoint | None]] = field(default_factory=dict)

    # Looking.

    def observe(self, endpoint: str) -> State:
        return State(
            models=frozenset(m for m in self.models.values() if dict(m.tags).get(ENDPOINT_TAG) == endpoint),
            configs=frozenset(c for c in self.configs.values() if dict(c.tags).get(ENDPOINT_TAG) == endpoint),
            endpoint=self.endpoint(endpoint),
        )

    def model(self, name: str, *, tags: bool = True) -> Model | None:
        return self.models.get(name)

    def config(self, name: str, *, tags: bool = True) -> EndpointConfig | None:
        return self.configs.get(name)

    def endpoint_names(self, like: str) -> tuple[str, ...]:
        return tuple(sorted(name for name in self.endpoints if like.lower() in name.lower()))

    def endpoint(self, name: str, *, tags: bool = True) -> Endpoint | None:
        if self.blind:
            raise CloudError("AWS could not be reached")
        self._advance(name)
        until, before = self.earlier.get(name, (0.0, None))
        found = before if self.clock.now() < until else self.endpoints.get(name)
        return found if tags or found is None else replace(found, tags=(), owned=False)

    # Changing.

    def create_model(self, model: Model) -> None:
        self.called(f"create-model {model.name}")
        _check_name(model.name)
        self.models.setdefault(model.name, model)

    def create_endpoint_config(self, config: EndpointConfig) -> None:
        self.called(f"create-endpoint-config {config.name}")
        _check_name(config.name)
        names = [variant.name for variant in (*config.variants, *config.shadows)]
        if len(names) != len(set(names)) or not names:
            raise CloudError(f"endpoint config '{config.name}' was refused: variant names must be unique")
        if missing := config.models - set(self.models):
            raise NotFoundError(f"there is no model '{min(missing)}'")
        self.configs.setdefault(config.name, config)

    def create_endpoint(self, name: str, config: str, tags: Pairs) -> None:
        self.called(f"create-endpoint {name}")
        _check_name(name)
        self._advance(name)
        if name in self.endpoints:
            if self.endpoints[name].target != config:
                raise ConflictError(f"endpoint '{name}' exists on another endpoint config")
            return
        if any(taken.lower() == name.lower() for taken in self.endpoints):
            raise CloudError(f"creating endpoint '{name}' was refused: it exists in another case")
        self._needs(config)
        owned = dict(tags).get(ENDPOINT_TAG) == name
        ending = self._next_ending()
        now = self.clock.now()
        moving = Endpoint(name, config, EndpointStatus.CREATING, None, now, owned=owned, tags=tags)
        phases = [_Phase(now + self._long(ending), EndpointStatus.CREATING)]
        status = EndpointStatus.FAILED if ending.status == "stuck" else EndpointStatus(ending.status)
        end = replace(moving, status=status, failure_reason=ending.reason, variants=self._fleet(config))
        self._begin(moving, _Change(phases, end), before=None)

    def update_endpoint(self, update: Update) -> None:
        name, config = update.endpoint, update.config
        self.called(f"update-endpoint {name} {config}")
        self._needs(config)
        self._advance(name)
        endpoint = self.endpoints.get(name)
        if endpoint is None or endpoint.status is EndpointStatus.FAILED:
            raise CloudError(f"updating endpoint '{name}' was refused")
        if not endpoint.status.settled:
            if endpoint.target == config:
                return  # our own call, whose answer was lost
            raise ConflictError(f"somebody else is changing endpoint '{name}'")
        self._needs(endpoint.config)
        self._check_update(endpoint, update)
        ending, now = self._next_ending(), self.clock.now()
        moving = replace(
            endpoint, status=EndpointStatus.UPDATING, pending=config, last_modified=now, failure_reason=""
        )
        phases = list(self._phases(update.rollout, config, now, self._long(ending)))
        settled = replace(moving, pending=None, stages=(), failure_reason=ending.reason)
        back = replace(settled, status=EndpointStatus.IN_SERVICE, config=endpoint.config)
        fleet = self._fleet(config, endpoint if update.retain else None)
        if ending.status == "rolled-back":
            end = back
        elif ending.status == EndpointStatus.UPDATE_ROLLBACK_FAILED:
            end = replace(back, status=EndpointStatus.UPDATE_ROLLBACK_FAILED)
        else:
            end = replace(settled, status=_status(ending), config=config, variants=fleet)
        self._begin(moving, _Change(phases, end, back, update.rollout.alarms), before=endpoint)
        self.blind = self.blind_after_update

    def set_capacities(self, name: str, capacities: Sequence[Capacity]) -> None:
        self.called(f"set-capacities {name}")
        self._advance(name)
        endpoint = self.endpoints.get(name)
        if endpoint is None or endpoint.status is not EndpointStatus.IN_SERVICE:
            raise CloudError(f"changing the capacities of endpoint '{name}' was refused")
        wanted = {capacity.variant: capacity for capacity in capacities}
        variants = tuple(_resized(variant, wanted.get(variant.name)) for variant in endpoint.variants)
        now = self.clock.now()
        moving = replace(endpoint, status=EndpointStatus.UPDATING, last_modified=now)
        end = replace(endpoint, variants=variants, last_modified=now)
        self._begin(moving, _Change([_Phase(now + 5.0, EndpointStatus.UPDATING)], end), before=endpoint)

    def tag_endpoint(self, name: str, tags: Pairs) -> None:
        self.called(f"tag-endpoint {name}")
        self._advance(name)
        endpoint = self.endpoints.get(name)
        if endpoint is None:
            raise NotFoundError(f"there is no endpoint '{name}'")
        self.endpoints[name] = _tagged(endpoint, tags)
        change = self.under_way.get(name)
        if change is not None:
            change.end = None if change.end is None else _tagged(change.end, tags)
            change.back = None if change.back is None else _tagged(change.back, tags)

    def delete_endpoint(self, name: str) -> None:
        self.called(f"delete-endpoint {name}")
        self._advance(name)
        endpoint = self.endpoints.get(name)
        if endpoint is not None and endpoint.status is not EndpointStatus.DELETING:
            if not endpoint.status.settled:
                raise CloudError(f"deleting endpoint '{name}' was refused: it is in progress")
            moving = replace(endpoint, status=EndpointStatus.DELETING)
            phases = [_Phase(self.clock.now() + self.takes_seconds, EndpointStatus.DELETING)]
            self._begin(moving, _Change(phases, None), before=endpoint)

    def delete_endpoint_config(self, name: str) -> None:
        self.called(f"delete-endpoint-config {name}")
        self.configs.pop(name, None)

    def delete_model(self, name: str) -> None:
        self.called(f"delete-model {name}")
        self.models.pop(name, None)

    # Time.

    def _begin(self, moving: Endpoint, change: _Change, *, before: Endpoint | None) -> None:
        self.endpoints[moving.name] = moving
        self.under_way[moving.name] = change
        self.earlier[moving.name] = (self.clock.now() + self.stale_seconds, before)

    def _advance(self, name: str) -> None:
        change, now = self.under_way.get(name), self.clock.now()
        if change is None:
            return
        while change.phases and now >= change.phases[0].until:
            change.phases.pop(0)
        if not change.phases:
            del self.under_way[name]
            if change.end is None:
                del self.endpoints[name]
            else:
                self.endpoints[name] = replace(change.end, last_modified=now)
            return
        phase = change.phases[0]
        if phase.baking and change.back is not None and self.alarmed(change.alarms):
            change.phases = [_Phase(now + _MOVING_BACK_SECONDS, EndpointStatus.UPDATING)]
            change.end, phase = change.back, change.phases[0]
        self.endpoints[name] = replace(self.endpoints[name], status=phase.status, stages=phase.stages)

    def _phases(self, rollout: Rollout, config: str, now: float, long: float) -> Iterator[_Phase]:
        """Yield what SageMaker does one after the other: provision, move, bake, end the old fleet."""
        name = self.configs[config].variants[0].name
        count = self.configs[config].variants[0].instance_count

        def phase(seconds: float, status: str, message: str) -> _Phase:
            nonlocal now
            stage = Stage(name, status, message, now)
            now += seconds
            return _Phase(now, EndpointStatus.UPDATING, (stage,), baking=status == "Baking")

        yield phase(long, "Creating", f"Launching {count} instance(s).")
        for _ in range(rollout.steps(count)):
            yield phase(1.0, "ActivatingTraffic", "Activating traffic on canary capacity.")
            yield phase(rollout.bake_seconds, "Baking", f"Baking for {rollout.bake_seconds} seconds.")
        if rollout.final_bake_seconds:
            text = f"Baking for {rollout.final_bake_seconds} seconds (TerminationWaitInSeconds)."
            yield phase(rollout.final_bake_seconds, "Baking", text)

    def _check_update(self, endpoint: Endpoint, update: Update) -> None:
        """Refuse what SageMaker refuses: developer guide, deployment-guardrails-exclusions."""
        old, new = self.configs[endpoint.config], self.configs[update.config]
        rollout = update.rollout
        if {v.name for v in old.variants} != {v.name for v in new.variants}:
            raise CloudError("the variant names of the new endpoint config must be those of the endpoint")
        serverless = [any(v.serverless for v in config.variants) for config in (old, new)]
        if serverless == [False, True]:
            raise CloudError("an endpoint on instances cannot become serverless")
        if old.async_inference and not new.async_inference:
            raise CloudError("an asynchronous endpoint cannot become another one")
        if rollout.kind is not Kind.ALL_AT_ONCE and any(v.instance_count < 2 for v in new.variants):
            raise CloudError(f"a {rollout.kind} rollout needs two instances at least")
        if rollout.kind is Kind.ROLLING and (len(new.variants) > 1 or serverless[1]):
            raise CloudError("rolling updates take one variant on instances")
        if rollout != AT_ONCE and rollout.size is None and rollout.kind is not Kind.ALL_AT_ONCE:
            raise CloudError(f"a {rollout.kind} rollout needs a size")
        needed = sum(v.instance_count for v in (*old.variants, *new.variants))
        if self.quota is not None and needed > self.quota:
            raise QuotaError(f"{needed} instances are needed, the account may have {self.quota}")

    def _long(self, ending: Ending) -> float:
        return 1e9 if ending.status == "stuck" else self.takes_seconds

    def called(self, call: str) -> None:
        self.calls.append(call)
        self.refuse(call)

    def _needs(self, config: str) -> None:
        if config not in self.configs:
            raise NotFoundError(f"there is no endpoint config '{config}'")
        if missing := self.configs[config].models - set(self.models):
            raise NotFoundError(f"there is no model '{min(missing)}'")

    def _next_ending(self) -> Ending:
        found = self.outcomes.pop(0) if self.outcomes else "InService"
        return found if isinstance(found, Ending) else Ending(found)

    def _fleet(self, config: str, retained: Endpoint | None = None) -> tuple[VariantStatus, ...]:
        present = {} if retained is None else {v.name: v.desired_count for v in retained.variants}
        return tuple(
            VariantStatus(v.name, count := present.get(v.name, v.instance_count), count, v.weight, v.weight)
            for v in self.configs[config].variants
        )


def _status(ending: Ending) -> EndpointStatus:
    return EndpointStatus.FAILED if ending.status == "stuck" else EndpointStatus(ending.status)


def _check_name(name: str) -> None:
    if not is_valid(name):
        raise CloudError(f"'{name}' is no name that SageMaker takes")


def _resized(variant: VariantStatus, wanted: Capacity | None) -> VariantStatus:
    if wanted is None:
        return variant
    count = variant.desired_count if wanted.count is None else wanted.count
    return VariantStatus(variant.name, count, count, wanted.weight, wanted.weight)


def _tagged(endpoint: Endpoint, tags: Pairs) -> Endpoint:
    every = dict(endpoint.tags) | dict(tags)
    owned = every.get(ENDPOINT_TAG) == endpoint.name
    return replace(endpoint, tags=tuple(sorted(every.items())), owned=owned)
