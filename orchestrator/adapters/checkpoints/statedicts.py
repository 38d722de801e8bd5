"""State dicts inside of what ``torch.save`` has saved: finding them, choosing one, and the names in it.

A state dict maps text to tensors. In a training checkpoint it lies somewhere below, under a key that every
framework chooses anew, beside optimizer states that look the same. So it is found by what it holds; only what
is known to be no model is left out.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice

from orchestrator.adapters.checkpoints.rebuilding import StrangeTensor, Tensor, Unknown
from orchestrator.adapters.checkpoints.tensors import MAX_NAME_BYTES
from orchestrator.core.errors import ArtifactError

MAX_DEPTH = 4
MAX_FOUND = 50
MAX_UNFOLDED = 100_000
_MAX_PREFIX = 1000
WRAPPERS = ("module.", "_orig_mod.")
"""What ``DataParallel`` and ``DistributedDataParallel``, and ``torch.compile``, put before every name."""

_MODULE_STATE = frozenset({"_parameters", "_buffers", "_modules"})
_NO_MODEL = re.compile(
    r"optim.*|(lr_)?sched.*|.*rng_?states?|rng|callbacks|loops|(grad_)?scaler|amp", re.IGNORECASE
)
# What torch itself puts beside the tensors, in the mapping's attributes or as an entry.
_BESIDE = ("_metadata", "_extra_state")


@dataclass(frozen=True, slots=True)
class StateDict:
    """One state dict.

    Attributes:
        key: Where it lies, with ``.`` between keys; empty at the top.
        others: The names of its entries that are no tensors.
    """

    key: str
    tensors: Mapping[str, Tensor | StrangeTensor]
    others: tuple[str, ...] = ()


def find(value: object) -> tuple[StateDict, ...]:
    """Return the state dicts in ``value``, those that lie highest first.

    Mappings that hold nothing but tensors come before all others: only where there are none is one taken that
    holds something else as well.
    """
    found = [state for state, _ in zip(_search(value, "", 0, set()), range(MAX_FOUND), strict=False)]
    pure = tuple(state for state in found if not state.others)
    return pure or tuple(found)


def modules(value: object) -> tuple[StateDict, ...]:
    """Return the pickled modules in ``value`` as `of_module` shows them, each with the key where it lies."""
    return tuple(islice(_search_modules(value, "", 0, set()), MAX_FOUND))


def needs_loading(value: object, key: str | None) -> bool:
    """Tell whether the weights in ``value``, or those under ``key``, are in an object and no mapping.

    An object may be a whole module, whose weights nobody knows but itself. A state dict that lies beside one
    is preferred, for it takes no code, but not what merely has a tensor among other things.
    """
    if key is not None:
        return at(value, key) is None and any(map(_is_object, below(value, key)))
    return _is_object(value) or (all(state.others for state in find(value)) and bool(modules(value)))


def at(value: object, key: str) -> StateDict | None:
    """Return the state dict that lies under ``key``, with ``.`` between keys; ``None`` if there is none."""
    return next((state for place in below(value, key) if (state := _as_state_dict(place, key))), None)


def of_module(module: object) -> StateDict | None:
    """Return what ``state_dict()`` of a pickled module would hold; ``None`` if it is no module.

    Read from its attributes (``torch.nn.Module.__dict__``), which is right for every module that does not
    override ``state_dict``. Good for showing; to package it, the module itself is asked.
    """
    tensors: dict[str, Tensor | StrangeTensor] = {}
    waiting = [("", module)]
    # Counted, because a few modules that hold one another could be unfolded without end.
    left = MAX_UNFOLDED
    while waiting and left > 0:
        prefix, one = waiting.pop()
        state = one.state if isinstance(one, Unknown) else None
        if isinstance(state, dict) and state.keys() >= _MODULE_STATE and len(prefix) < _MAX_PREFIX:
            for kind in ("_parameters", "_buffers"):
                tensors |= {f"{prefix}{name}": entry for name, entry in _tensors(state[kind]).items()}
            children = _items(state["_modules"]).items()
            waiting += [(f"{prefix}{name}.", child) for name, child in reversed(children)]
            left -= sum(len(_items(state[kind])) for kind in _MODULE_STATE)
        left -= 1
    return StateDict("", tensors) if tensors else None


def choose(path: str, value: object, key: str | None) -> StateDict:
    """Return the one state dict in ``value``, or the one under ``key``.

    Raises:
        ArtifactError: If there is none, or are several and no key.
    """
    if key is not None:
        if state := at(value, key):
            return state
        raise _absent(path, value, key)
    found = find(value)
    if not found:
        raise ArtifactError(
            f"'{path}' holds no state_dict: {describe(value)}",
            details=[
                ("rule", "a state_dict maps names to tensors, at the top or below keys such as 'state_dict'")
            ],
            hint="in your training code: torch.save(model.state_dict(), 'model.pt')",
        )
    if len(found) > 1:
        raise _several(path, "state_dicts", found)
    return found[0]


def choose_module(path: str, value: object, key: str | None) -> str:
    """Return the key of the one module in ``value``: ``key`` itself if there is one, empty for the top.

    Raises:
        ArtifactError: If there are several and no key.
    """
    found = modules(value)
    if key is None and len(found) > 1:
        raise _several(path, "modules", found)
    return found[0].key if key is None and found else key or ""


def _several(path: str, what: str, found: tuple[StateDict, ...]) -> ArtifactError:
    return ArtifactError(
        f"'{path}' holds {len(found)} {what}",
        details=[("found", ", ".join(repr(state.key) for state in found))],
        hint=f"say which one in orchestrator.toml: [model] state_dict_key = '{found[0].key}'",
    )


def _absent(path: str, value: object, key: str) -> ArtifactError:
    keys = ", ".join(repr(state.key) for state in (*find(value), *modules(value))) or "none"
    return ArtifactError(
        f"'{path}' holds no state_dict under '{key}'",
        details=[("found", keys), ("rule", "model.state_dict_key in orchestrator.toml says where it lies")],
        hint=f"orchestrator inspect {path}",
    )


def describe(value: object) -> str:
    """Return in a few words what ``value`` is, for an error.

    >>> describe({"epoch": 3, 1: 2}), describe([1, 2]), describe("x")
    ("a dict with 'epoch', 1", 'a list', 'a str')
    """
    match value:
        case Unknown():
            return f"an object of the class {value}"
        case Tensor() | StrangeTensor():
            return "a single tensor"
        case dict() if value:
            shown = [repr(key)[:40] for key in value if isinstance(key, str | int)][:8]
            return f"a dict with {', '.join(shown)}"
        case dict():
            return "an empty dict"
    return f"a {type(value).__name__}"


def stripped(path: str, names: tuple[str, ...], prefix: str | None) -> str:
    """Return what every name loses: ``prefix``, or without one what a wrapper has put before all of them.

    Raises:
        ArtifactError: If a name does not begin with ``prefix``, or is nothing else.
    """
    if prefix is None:
        return _wrapping(names)
    if odd := [name for name in names if not name.startswith(prefix) or name == prefix]:
        raise ArtifactError(
            f"'{path}' has the tensor '{odd[0]}', whose name does not begin with '{prefix}'",
            details=[("rule", "model.strip_prefix is taken off every name, or off none")],
            hint=f"orchestrator inspect {path}",
        )
    return prefix


def _wrapping(names: tuple[str, ...]) -> str:
    prefix = ""
    # No name that is packaged is longer, and a stranger's may be nothing but a million prefixes.
    while len(prefix) < MAX_NAME_BYTES:
        more = next((wrapper for wrapper in WRAPPERS if _all_begin(names, prefix + wrapper)), "")
        if not more:
            break
        prefix += more
    return prefix


def _all_begin(names: tuple[str, ...], prefix: str) -> bool:
    return bool(names) and all(name.startswith(prefix) and name != prefix for name in names)


def _items(value: object) -> dict[object, object]:
    if isinstance(value, Unknown):
        return value.items
    return value if isinstance(value, dict) else {}


def _tensors(value: object) -> dict[str, Tensor | StrangeTensor]:
    return {
        name: entry
        for name, entry in _items(value).items()
        if isinstance(name, str) and isinstance(entry, Tensor | StrangeTensor)
    }


def _as_state_dict(value: object, key: str) -> StateDict | None:
    items = {name: entry for name, entry in _items(value).items() if isinstance(name, str)}
    tensors = _tensors(value)
    if not tensors:
        return None
    others = [name for name in items if name not in tensors and not name.endswith(_BESIDE)]
    if len(items) < len(_items(value)):
        others.append("what has a key that is no text")
    return StateDict(key, tensors, tuple(others))


def _search(value: object, key: str, depth: int, seen: set[int]) -> Iterator[StateDict]:
    # What is saved under two names is one object: the first name is enough.
    if id(value) in seen or depth > MAX_DEPTH:
        return
    seen.add(id(value))
    state = _as_state_dict(value, key)
    if state and not state.others:
        yield state
        return
    lower = [found for name, entry in _entries(value, key) for found in _search(entry, name, depth + 1, seen)]
    yield from lower
    if state and not lower:
        yield state


def _search_modules(value: object, key: str, depth: int, seen: set[int]) -> Iterator[StateDict]:
    if id(value) in seen or depth > MAX_DEPTH:
        return
    seen.add(id(value))
    if module := of_module(value):
        yield replace(module, key=key)
        return
    for name, entry in _entries(value, key):
        yield from _search_modules(entry, name, depth + 1, seen)


def _entries(value: object, key: str) -> Iterator[tuple[str, object]]:
    """Yield what may be or hold a model, with its key."""
    for name, entry in _items(value).items():
        if isinstance(name, str) and not _NO_MODEL.fullmatch(name):
            yield (f"{key}.{name}" if key else name), entry


def _is_object(value: object) -> bool:
    """Tell whether it is an object of some class, such as a whole module, and no mapping."""
    return isinstance(value, Unknown) and not value.items


def below(value: object, key: str) -> Iterator[object]:
    """Yield what lies under ``key``, with ``.`` between keys, of which each may have dots itself."""
    items = _items(value)
    if key in items:
        yield items[key]
    parts = key.split(".")
    for length in range(1, len(parts)):
        first = ".".join(parts[:length])
        if first in items:
            yield from below(items[first], ".".join(parts[length:]))
