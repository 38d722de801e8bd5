"""The part of JSONPath that SageMaker documents for batch transform, and nothing else of it.

The table "Supported JSONPath operators" of the developer guide (batch-transform-data-processing) is all there
is: ``$``, ``.name``, ``*``, ``['name','name']``, ``[1,-1]`` and ``[start:end]``, where the end is part of the
slice ("the colon tells SageMaker to include all of the elements between two values, inclusive"). The API
reference adds indexes and one slice together, ``$[0,5:]``. An index that is not there is an error.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.localcloud.transforms.errors import TransformError

# `$.field1.['child1','child2']`, with both a dot and brackets, is an example of the developer guide.
_STEP = re.compile(
    r"""\.?\[\s*(?:(?P<names>'[^']*'(?:\s*,\s*'[^']*')*)|(?P<star>\*)|(?P<places>[-\d:,\s]+))\s*\]"""
    r"""|\.(?:(?P<name>[^.\[\]*'\s,:()?@]+)|(?P<all>\*))"""
)
_NAME = re.compile(r"'([^']*)'")
_INDEX = re.compile(r"-?\d+")
_SLICE = re.compile(r"(-?\d+)?:(-?\d+)?")


@dataclass(frozen=True, slots=True)
class Names:
    """Members of an object; more than one make an object again."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Slice:
    """Elements of an array from one to another, both included; ``None`` for the first or the last."""

    start: int | None
    end: int | None


@dataclass(frozen=True, slots=True)
class Places:
    """Elements of an array; all but a single index make an array again."""

    places: tuple[int | Slice, ...]


@dataclass(frozen=True, slots=True)
class Everything:
    """All members of an object, or elements of an array, as an array."""


@dataclass(frozen=True, slots=True)
class Path:
    """A JSONPath.

    Attributes:
        text: As it was written.
    """

    text: str
    steps: tuple[Names | Places | Everything, ...]

    @property
    def is_whole(self) -> bool:
        """Whether it selects everything."""
        return not self.steps

    @property
    def is_of_columns(self) -> bool:
        """Whether it can be applied to a row of CSV: "only index based JSONPaths can be applied"."""
        return self.is_whole or (len(self.steps) == 1 and isinstance(self.steps[0], Places))


def parse(text: str) -> Path:
    """Return a path as it can be applied.

    >>> parse("$[0,5:]").steps
    (Places(places=(0, Slice(start=5, end=None))),)

    Raises:
        TransformError: If it is none, or has operators that SageMaker does not support.
    """
    if not text.startswith("$"):
        raise TransformError(f"Invalid JsonPath: {text}")
    steps, position = [], 1
    while position < len(text):
        found = _STEP.match(text, position)
        if found is None:
            raise TransformError(f"Invalid JsonPath: {text}")
        steps.append(_step(text, found))
        position = found.end()
    return Path(text, tuple(steps))


def _step(text: str, found: re.Match[str]) -> Names | Places | Everything:
    if found["star"] or found["all"]:
        return Everything()
    if found["name"]:
        return Names((found["name"],))
    if found["names"]:
        return Names(tuple(_NAME.findall(found["names"])))
    return Places(tuple(_places(text, found["places"].split(","))))


def _places(text: str, parts: Sequence[str]) -> Iterator[int | Slice]:
    slices = 0
    for part in (each.strip() for each in parts):
        if _INDEX.fullmatch(part):
            yield int(part)
        elif found := _SLICE.fullmatch(part):
            slices += 1
            start, end = found.groups()
            yield Slice(None if start is None else int(start), None if end is None else int(end))
        else:
            raise TransformError(f"Invalid JsonPath: {text}")
    if slices > 1:
        # The words of aws/sagemaker-python-sdk#1112.
        written = ",".join(parts)
        raise TransformError(
            f"Invalid JsonPath: {text}: only single range filters of format (eg: [1:5]) are supported. "
            f"Format [{written}] is not supported"
        )


def select(path: Path, value: Any) -> Any:  # noqa: ANN401 - any JSON, of which any part is JSON
    """Return the part of ``value`` that ``path`` names.

    >>> select(parse("$[0,2:]"), ["a", "b", "c", "d"])
    ['a', 'c', 'd']
    >>> select(parse("$['id','SageMakerOutput']"), {"id": 7, "features": [1], "SageMakerOutput": 0.5})
    {'id': 7, 'SageMakerOutput': 0.5}

    Raises:
        TransformError: If it is not there.
    """
    found, is_many = [value], False
    for step in path.steps:
        if isinstance(step, Everything):
            found, is_many = [part for each in found for part in _all(path, each)], True
        else:
            found = [_part(path, step, each) for each in found]
    return found if is_many else found[0]


def _all(path: Path, value: object) -> list[Any]:
    match value:
        case Mapping():
            return list(value.values())
        case list():
            return value
        case _:
            raise _missing(path)


def _part(path: Path, step: Names | Places, value: object) -> Any:  # noqa: ANN401 - JSON
    match step, value:
        case Names(names=names), Mapping() if all(name in value for name in names):
            return value[names[0]] if len(names) == 1 else {name: value[name] for name in names}
        case Places(places=(int(index),)), list():
            return value[_index(path, index, len(value))]
        case Places(places=places), list():
            return [value[index] for place in places for index in _indexes(path, place, len(value))]
        case _:
            raise _missing(path)


def _indexes(path: Path, place: int | Slice, count: int) -> Sequence[int]:
    if isinstance(place, int):
        return (_index(path, place, count),)
    start = _index(path, 0 if place.start is None else place.start, count)
    return range(start, 1 + _index(path, -1 if place.end is None else place.end, count))


def _index(path: Path, index: int, count: int) -> int:
    """Return ``index`` counted from the start.

    "If you specify indexes that aren't within the dimension size, you get an error": DataProcessing.
    """
    if not -count <= index < count:
        raise _missing(path)
    return index % count


def _missing(path: Path) -> TransformError:
    return TransformError(f"JsonPath {path.text} selects what is not in the record")
