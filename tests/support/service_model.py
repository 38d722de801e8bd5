"""Requests that an API's own service model allows, as Hypothesis strategies."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from botocore.loaders import Loader
from hypothesis import strategies as st

from orchestrator.core.shapes import problems

_MOST_ITEMS = 3
_DEEPEST = 6
_LARGEST = 10_000
_SAMPLES = [
    "a",
    "Ab-1",
    "s3://bucket/prefix/key",
    "https://bucket/a",
    "arn:aws:iam::123456789012:role/r",
    "arn:aws:sagemaker:eu-west-1:123456789012:model-package/p/1",
    "arn:aws:sns:eu-west-1:123456789012:topic",
    "arn:aws:kms:eu-west-1:123456789012:key/k",
    "sg-1",
    "subnet-1",
    "sha256:" + "a" * 64,
    "text/csv",
    "1",
]
"""Texts of which one fits nearly every pattern."""


@functools.cache
def sagemaker() -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = Loader().load_service_model("sagemaker", "service-2")
    return loaded


def requests(operation: str) -> st.SearchStrategy[Mapping[str, Any]]:
    """Return valid requests of an operation of SageMaker, whatever they would mean."""
    return _values(sagemaker()["operations"][operation]["input"]["shape"], 0)


@functools.cache
def _values(shape: str, depth: int) -> st.SearchStrategy[Any]:
    return _MAKERS[sagemaker()["shapes"][shape]["type"]](shape, sagemaker()["shapes"][shape], depth)


def _structures(shape: str, known: Mapping[str, Any], depth: int) -> st.SearchStrategy[Any]:
    required = set(known.get("required", ()))
    members = {name: _values(member["shape"], depth + 1) for name, member in _open(known, required, depth)}
    optional = {name: values for name, values in members.items() if name not in required}
    return st.fixed_dictionaries({name: members[name] for name in required}, optional=optional)


def _open(known: Mapping[str, Any], required: set[str], depth: int) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the members that are made: deep inside, only those that must be there and can be."""
    return [
        (name, member)
        for name, member in known["members"].items()
        if name in required or (depth < _DEEPEST and _is_possible(member["shape"]))
    ]


@functools.cache
def _is_possible(shape: str, above: tuple[str, ...] = ()) -> bool:
    """Tell whether we know a value of a shape: a text that fits its pattern, and so on inside."""
    known = sagemaker()["shapes"][shape]
    if shape in above:
        return False
    inside = (*above, shape)
    match known["type"]:
        case "string":
            return bool(known.get("enum")) or bool(_texts(shape))
        case "structure":
            return all(
                _is_possible(known["members"][name]["shape"], inside) for name in known.get("required", ())
            )
        case "list":
            return _is_possible(known["member"]["shape"], inside)
        case "map":
            return all(_is_possible(known[part]["shape"], inside) for part in ("key", "value"))
        case _:
            return True


def _lists(shape: str, known: Mapping[str, Any], depth: int) -> st.SearchStrategy[Any]:
    least = known.get("min", 0)
    most = max(least, min(known.get("max", _MOST_ITEMS), _MOST_ITEMS))
    return st.lists(_values(known["member"]["shape"], depth + 1), min_size=least, max_size=most)


def _maps(shape: str, known: Mapping[str, Any], depth: int) -> st.SearchStrategy[Any]:
    keys, values = (_values(known[part]["shape"], depth + 1) for part in ("key", "value"))
    return st.dictionaries(keys, values, min_size=min(known.get("min", 0), 1), max_size=2)


def _strings(shape: str, known: Mapping[str, Any], depth: int) -> st.SearchStrategy[Any]:
    return st.sampled_from(list(known.get("enum") or _texts(shape)))


def _texts(shape: str) -> tuple[str, ...]:
    return tuple(text for text in _SAMPLES if not list(problems(sagemaker(), shape, text)))


def _integers(shape: str, known: Mapping[str, Any], depth: int) -> st.SearchStrategy[Any]:
    least = known.get("min", 0)
    return st.integers(least, max(least, min(known.get("max", _LARGEST), _LARGEST)))


def _floats(shape: str, known: Mapping[str, Any], depth: int) -> st.SearchStrategy[Any]:
    return st.sampled_from([0.0, 0.5, 1.0]).map(lambda value: max(value, known.get("min", value)))


def _moments(shape: str, known: Mapping[str, Any], depth: int) -> st.SearchStrategy[Any]:
    return st.just(1_700_000_000.0)


def _booleans(shape: str, known: Mapping[str, Any], depth: int) -> st.SearchStrategy[Any]:
    return st.booleans()


_MAKERS: Mapping[str, Callable[[str, Mapping[str, Any], int], st.SearchStrategy[Any]]] = {
    "structure": _structures,
    "list": _lists,
    "map": _maps,
    "string": _strings,
    "integer": _integers,
    "long": _integers,
    "float": _floats,
    "double": _floats,
    "timestamp": _moments,
    "boolean": _booleans,
}
