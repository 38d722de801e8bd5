"""Field by field, what two values of the same kind differ in.

Paths are in the words of `orchestrator.core.resources` and `orchestrator.core.scaling`, as in
``variants[primary].instance_count: 2 -> 4``. The order of lists says nothing, an empty value is an absent
one, and what a service would do anyway is no difference to being told so.
"""

import dataclasses
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from orchestrator.core.resources import EndpointConfig, InstancePool, Model, State, Variant
from orchestrator.core.revision import Revision
from orchestrator.core.scaling import Dimension, Scaling, Schedule, StepAdjustment, StepPolicy, TargetTracking

HIDDEN = "(not shown)"
"""What stands for the value of an environment variable whose name sounds like a secret."""

_IDENTITY = frozenset({(Model, "name"), (EndpointConfig, "name"), (Scaling, "variant")})
"""Fields that say which resource it is, and not what it is like."""

# "If not specified, the default value is 300", "If a time zone is not provided, UTC is used by default": the
# service model of Application Auto Scaling. That routing is random by default is in SageMaker's guide.
_USUAL: dict[tuple[type, str], object] = {
    (StepPolicy, "cooldown_seconds"): 300,
    (Variant, "routing"): "RANDOM",
    (Schedule, "timezone"): "UTC",
}
"""What a service does where it is told nothing."""

_SECRET = re.compile(
    r"(^|\.)environment\[[^\]]*(secret|token|passw|credential|key|auth)[^\]]*\]$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that differs.

    Attributes:
        path: Which one, such as ``variants[primary].instance_count``.
        before: As text; ``None`` if it was not there.
        after: As text; ``None`` if it is not there.
    """

    path: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        return f"{self.path}: {_shown(self.before)} -> {_shown(self.after)}"


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A field that has no fields of its own; ``usual`` if it would be so without being set."""

    text: str
    usual: bool


def compare(before: object, after: object, prefix: str = "") -> tuple[Difference, ...]:
    """Return what differs between two values of the same dataclass; either may be ``None``.

    Args:
        before: What was.
        after: What is.
        prefix: What all paths begin with.
    """
    old, new = dict(_leaves(before, prefix)), dict(_leaves(after, prefix))
    paths = (*old, *(path for path in new if path not in old))
    found = (_difference(path, old.get(path), new.get(path)) for path in paths)
    return tuple(difference for difference in found if difference is not None)


def planned(revision: Revision, observed: State, former: Iterable[Scaling] = ()) -> tuple[Difference, ...]:
    """Return what changes when ``revision`` takes the place of what serves.

    Names are digests of the content, and no difference in themselves.

    Args:
        revision: What is to serve.
        observed: What does, its models and its autoscaling.
        former: The autoscaling that we put there earlier: what the revision has no longer of it goes. What
            others have put there stays.
    """
    serving = None if observed.endpoint is None else observed.endpoint.config
    config = next((config for config in observed.configs if config.name == serving), None)
    model = None if config is None else _counterpart(revision, config, observed.models)
    return (
        *compare(model, revision.model, "model"),
        *compare(_without(config, model), _without(revision.config, revision.model)),
        *compare_scalings(observed.scalings, revision.scalings, (*revision.scalings, *former)),
    )


def compare_scalings(
    before: Iterable[Scaling], after: Iterable[Scaling], ours: Iterable[Scaling]
) -> tuple[Difference, ...]:
    """Return what differs in the autoscaling of what ``ours`` scales.

    A schedule sets the bounds: where it is the same schedule, other bounds are no difference.
    """
    old, new = _by_target(before), _by_target(after)
    return tuple(
        difference
        for target in _by_target(ours)
        for difference in compare(
            _cooled(_unscheduled(old.get(target), new.get(target)), new.get(target)),
            _cooled(new.get(target), old.get(target)),
            f"autoscaling[{target[0]}]",
        )
    )


def _cooled(scaling: Scaling | None, other: Scaling | None) -> Scaling | None:
    """Return ``scaling`` with the cooldowns that the service uses where it is told none, beside an ``other``.

    Its service model does not say what they are, but where: User Guide of Application Auto Scaling, define
    cooldown periods.
    """
    if scaling is None or other is None:
        return scaling
    usual = 300 if scaling.dimension is Dimension.INSTANCES else 0

    def cooled(policy: TargetTracking) -> TargetTracking:
        given = (policy.scale_in_cooldown_seconds, policy.scale_out_cooldown_seconds)
        inward, outward = (usual if seconds is None else seconds for seconds in given)
        return replace(policy, scale_in_cooldown_seconds=inward, scale_out_cooldown_seconds=outward)

    return replace(scaling, tracking=tuple(map(cooled, scaling.tracking)))


def _unscheduled(old: Scaling | None, new: Scaling | None) -> Scaling | None:
    """Return ``old`` with the bounds of ``new`` where the schedules of both may have set them."""
    if old is None or new is None or not old.schedules:
        return old
    if {item.name: item for item in old.schedules} != {item.name: item for item in new.schedules}:
        return old
    return replace(old, minimum=new.minimum, maximum=new.maximum)


def _by_target(scalings: Iterable[Scaling]) -> dict[tuple[str, Dimension], Scaling]:
    return {scaling.key: scaling for scaling in scalings}


def _counterpart(revision: Revision, config: EndpointConfig, models: Iterable[Model]) -> Model | None:
    """Return the model in whose place the revision's own model comes."""
    ours = {variant.name for variant in revision.config.variants if variant.model == revision.model.name}
    names = [variant.model for variant in config.variants if variant.name in ours]
    wanted = next(iter([*names, *(variant.model for variant in config.variants)]), "")
    return next((model for model in models if model.name == wanted), None)


def _without(config: EndpointConfig | None, model: Model | None) -> EndpointConfig | None:
    """Take the name of ``model``, which is compared by its content, out of a config's variants."""
    if config is None or model is None:
        return config

    def blank(variant: Variant) -> Variant:
        return replace(variant, model="") if variant.model == model.name else variant

    return replace(
        config, variants=tuple(map(blank, config.variants)), shadows=tuple(map(blank, config.shadows))
    )


def _difference(path: str, old: _Leaf | None, new: _Leaf | None) -> Difference | None:
    if old is not None and new is not None:
        return None if old.text == new.text else Difference(path, *_told(path, old.text, new.text))
    found = old or new
    if found is None or found.usual:
        return None  # a part of something that is new or gone as a whole, and not worth a line
    texts = _told(path, None if old is None else old.text, None if new is None else new.text)
    return Difference(path, *texts)


def _told(path: str, old: str | None, new: str | None) -> tuple[str | None, str | None]:
    if _SECRET.search(path) is None:
        return old, new
    return None if old is None else HIDDEN, None if new is None else HIDDEN


def _leaves(value: object, path: str, *, usual: bool = False) -> Iterator[tuple[str, _Leaf]]:
    """Yield every field below ``value`` that has no fields of its own, with its path."""
    if value is None or value in ("", ()):
        return
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            if (type(value), field.name) not in _IDENTITY and field.name not in _key_fields(value):
                yield from _field(value, field, f"{path}.{field.name}" if path else field.name)
    elif isinstance(value, tuple):
        yield from _items(value, path, usual=usual)
    else:
        yield path, _Leaf(_text(value), usual)


def _field(owner: object, field: "dataclasses.Field[object]", path: str) -> Iterator[tuple[str, _Leaf]]:
    default = _USUAL.get((type(owner), field.name), field.default)
    value = getattr(owner, field.name)
    value = default if value is None else value
    yield from _leaves(value, path, usual=bool(value == default))


def _items(value: tuple[object, ...], path: str, *, usual: bool) -> Iterator[tuple[str, _Leaf]]:
    if all(isinstance(item, str) for item in value):
        yield path, _Leaf(", ".join(sorted(map(str, value))), usual)
        return
    for item in value:
        if isinstance(item, tuple):
            name, text = item
            yield f"{path}[{name}]", _Leaf(str(text), usual=False)
        else:
            yield from _leaves(item, f"{path}[{_key(item)}]")


def _key_fields(item: object) -> tuple[str, ...]:
    """Return the fields that an item of a list is told from the others by."""
    match item:
        case Variant() | TargetTracking() | StepPolicy() | Schedule():
            return ("name",)
        case InstancePool():
            return ("instance_type",)
        case StepAdjustment():
            return ("lower", "upper")
        case _:
            return ()


def _key(item: object) -> str:
    return "..".join(_bound(getattr(item, field)) for field in _key_fields(item))


def _bound(value: object) -> str:
    return "" if value is None else _text(value)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        # A VariantWeight is a single-precision float in SageMaker's service model: 0.1 may be 0.10000000149.
        return str(int(value)) if value == int(value) else f"{value:.6g}"
    return str(value)


def _shown(text: str | None) -> str:
    return "nothing" if text is None else (text or "''")
