"""Which of several layers of settings wins, key by key, and where each value came from.

A layer is what one table, the environment's variables or the command line say. Tables are merged key by key;
lists, and tables that make sense only as a whole, such as a VPC, replace each other. Knows which keys exclude
each other and which have an effect only in some mode; does not know what they mean.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from orchestrator.adapters.spec import endpoint, moving, tables
from orchestrator.adapters.spec.errors import dotted
from orchestrator.adapters.spec.fields import Table
from orchestrator.core.errors import SpecError

Path = tuple[str, ...]

MODE: Path = ("endpoint", "mode")
TYPE: Path = ("rollout", "type")
# Keys of which a more specific layer's takes the other's place.
_ALTERNATIVES = (
    ("instance_type", "pools"),
    ("size_percent", "size_instances"),
    ("rollback_percent", "rollback_instances"),
)
_MERGED: frozenset[Path] = frozenset(
    {
        (),
        ("tags",),
        ("endpoint",),
        ("endpoint", "environment"),
        ("endpoint", "variants"),
        ("rollout",),
        ("autoscaling",),
        ("autoscaling", "variants"),
    }
)
_VARIANTS = (("endpoint", "variants"), ("autoscaling", "variants"))
_INSTANCES = tuple(endpoint.InstancesTable.model_fields)
_STEPPED = ("canary", "linear", "rolling")
# What a key needs to have an effect; keys that are not listed always have one.
_NEEDS: Mapping[tuple[str, str], tuple[Path, tuple[str, ...]]] = {
    **{("endpoint", key): (MODE, ("realtime", "async")) for key in _INSTANCES},
    ("endpoint", "serverless"): (MODE, ("serverless",)),
    ("endpoint", "async"): (MODE, ("async",)),
    ("autoscaling", "target_invocations_per_instance"): (MODE, ("realtime",)),
    ("autoscaling", "target_utilization"): (MODE, ("serverless",)),
    ("rollout", "size_percent"): (TYPE, _STEPPED),
    ("rollout", "size_instances"): (TYPE, _STEPPED),
    ("rollout", "bake_seconds"): (TYPE, _STEPPED),
    ("rollout", "judge"): (TYPE, _STEPPED),
    ("rollout", "final_bake_seconds"): (TYPE, ("all-at-once", "canary", "linear")),
    ("rollout", "rollback_percent"): (TYPE, ("rolling",)),
    ("rollout", "rollback_instances"): (TYPE, ("rolling",)),
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One resolved value and where it came from.

    Attributes:
        key: With dots between tables.
        value: ``None`` if it is not set, or was taken away.
        origin: A table, a variable, a flag, or ``built in``.
    """

    key: str
    value: object
    origin: str


@dataclass(frozen=True, slots=True)
class Layer:
    """What one place says.

    Attributes:
        origin: From a key to what the place is called.
    """

    origin: Callable[[Path], str]
    values: Mapping[Path, object]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The value that won, from the layer of that rank; 0 is the most specific."""

    value: object
    origin: str
    rank: int


def merge(layers: Sequence[Layer]) -> dict[Path, Chosen]:
    """Return for each key what the most specific layer says that says anything.

    Raises:
        SpecError: If a key has no effect in the mode, or with the rollout, that the same layer chose, or a
            less specific one. Where a more specific one chose, the key belongs to what it replaced, and is
            left out.
    """
    chosen: dict[Path, Chosen] = {}
    for rank, layer in enumerate(layers):
        fitting = {
            path: Chosen(value, layer.origin(path), rank)
            for path, value in layer.values.items()
            if not _is_settled(path, chosen)
        }
        chosen |= fitting
    return {path: found for path, found in chosen.items() if _has_effect(path, found, chosen)}


def _is_settled(path: Path, chosen: Mapping[Path, Chosen]) -> bool:
    rivals = {path, *((*path[:-1], key) for pair in _ALTERNATIVES if path[-1] in pair for key in pair)}
    above = (path[:length] for length in range(1, len(path)))
    taken_away = any(place in chosen for place in above)
    is_filled = any(place[: len(path)] == path for place in chosen)
    return taken_away or is_filled or not rivals.isdisjoint(chosen)


def _has_effect(path: Path, found: Chosen, chosen: Mapping[Path, Chosen]) -> bool:
    switch, kinds = _NEEDS.get((path[0], path[-1]), (path, ()))
    kind = chosen.get(switch)
    if not kinds or kind is None or kind.value in kinds or _is_users_name(path):
        return True
    if found.rank > kind.rank or found.value is None:
        return False
    raise SpecError(
        f"{found.origin}: '{dotted(path)}' has no effect with {switch[-1]} '{kind.value}'",
        details=[
            ("rule", f"only with {switch[-1]} {' or '.join(kinds)}"),
            ("set by", kind.origin),
        ],
        hint=f"take it out, or set {'.'.join(switch)}",
    )


def _is_users_name(path: Path) -> bool:
    """Tell whether the last part is a name that the user gave: a variable's, a tag's or a variant's."""
    return path[:-1] in (("endpoint", "environment"), ("tags",), *_VARIANTS)


def leaves(table: tables.SettingsTable) -> dict[Path, object]:
    """Return what ``table`` says, by path; a table that is replaced as a whole is one value."""
    return dict(_leaves((), table))


def _leaves(path: Path, value: object) -> Iterator[tuple[Path, object]]:
    if isinstance(value, Table):
        if not _is_merged(path):
            yield path, _plain(value)
            return
        for name in sorted(value.model_fields_set):
            alias = type(value).model_fields[name].alias or name
            yield from _leaves((*path, alias), getattr(value, name))
    elif isinstance(value, dict) and _is_merged(path):
        for name, item in value.items():
            yield from _leaves((*path, name), item)
    else:
        yield path, [_plain(item) for item in value] if isinstance(value, list) else value


def _plain(value: object) -> object:
    return value.model_dump(by_alias=True, exclude_none=True) if isinstance(value, Table) else value


def _is_merged(path: Path) -> bool:
    return path in _MERGED or path[:-1] in _VARIANTS


def scalars() -> tuple[Path, ...]:
    """Return every key that a flag or a variable can give: one value, and not under a name of the user's."""
    return tuple(
        (*prefix, field.alias or name)
        for prefix, table in (
            ((), tables.SettingsTable),
            (("endpoint",), endpoint.EndpointTable),
            (("rollout",), moving.RolloutTable),
            (("autoscaling",), moving.AutoscalingTable),
        )
        for name, field in table.model_fields.items()
        if not _is_composite(field.annotation)
    )


def _is_composite(annotation: object) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, (BaseModel, list, dict)):
        return True
    inner = getattr(annotation, "__args__", ())
    return getattr(annotation, "__origin__", None) in (list, dict) or any(map(_is_composite, inner))


def tree(chosen: Mapping[Path, Chosen]) -> dict[str, Any]:
    """Return the values as nested tables; what was taken away is ``None``."""
    return nested({path: found.value for path, found in chosen.items()})


def nested(values: Mapping[Path, object]) -> dict[str, Any]:
    """Return ``values`` as nested tables."""
    root: dict[str, Any] = {}
    for path, value in values.items():
        table = root
        for part in path[:-1]:
            table = table.setdefault(part, {})
        table[path[-1]] = value
    return root
