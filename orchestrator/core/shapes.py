"""Values checked against the shapes of an API, as the service models that AWS publishes describe them.

The rules are read from the model that clients ship, so there is no table of ours to maintain. The model is an
argument: plain content, as in ``{"shapes": {"EndpointName": {"type": "string", "max": 63, ...}}}``. Whoever
asks puts what is found into words.
"""

import enum
import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Model = Mapping[str, Any]
Shape = Mapping[str, Any]

# The models' patterns are Java's. Python has no \p classes; these stand-ins accept the same letters,
# separators and digits, and besides only characters that the same bracket names anyway. Marks, symbols and
# punctuation are told apart in ASCII only.
_BEYOND_ASCII = r"\xa1-\U0010ffff"
_JAVA_CLASSES = {
    r"\p{L}": r"\w",
    r"\p{Z}": r"\s",
    r"\p{N}": r"\d",
    r"\p{M}": _BEYOND_ASCII,
    r"\p{S}": rf"$+<=>\^`|~{_BEYOND_ASCII}",
    r"\p{P}": rf"!-#%-*,-/:;?@\[-\]_{{}}{_BEYOND_ASCII}",
    r"\p{Alnum}": "a-zA-Z0-9",
    r"\p{Print}": r"[^\x00-\x1f\x7f]",
    # A pair of surrogates is one character here, and beyond what a bracket of the first plane names.
    r"\uD800\uDC00-\uDBFF\uDFFF": r"\U00010000-\U0010FFFF",
}
# Java lets an end be there several times, as in "(...)${1,128}"; the length is a rule of its own.
_REPEATED_END = re.compile(r"\$\{\d+,\d+\}")
_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float),
    "blob": (bytes,),
    "boolean": (bool,),
    "list": (list,),
    "map": (dict,),
    "structure": (dict,),
}


class Rule(enum.Enum):
    """What does not hold."""

    REQUIRED = "required"
    TYPE = "type"
    KNOWN = "known"
    MINIMUM = "minimum"
    MAXIMUM = "maximum"
    MIN_LENGTH = "min length"
    MAX_LENGTH = "max length"
    ENUM = "enum"
    PATTERN = "pattern"


@dataclass(frozen=True, slots=True)
class Member:
    """A step of a path: a structure's member.

    Attributes:
        owner: The name of the structure's shape.
    """

    owner: str
    name: str


@dataclass(frozen=True, slots=True)
class Item:
    """A step of a path: an item of a list, the first being 1."""

    number: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A step of a path: an entry of a map, or its key alone."""

    key: str
    is_key: bool = False


Path = tuple[Member | Item | Entry, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """A rule that does not hold.

    Attributes:
        path: Where, from the outside in.
        value: What stands there; ``None`` where something is absent.
        bound: The rule's own value: a limit, the values of an enum, a pattern, or the name of a type.
    """

    path: Path
    value: object
    rule: Rule
    bound: object


@dataclass(frozen=True, slots=True)
class Violation:
    """A value of the spec that AWS would refuse.

    Attributes:
        key: The spec's key, such as ``endpoint.volume_gb``.
        rule: In words, such as ``at most 512``.
        source: Where the rule is from.
    """

    key: str
    value: str
    rule: str
    source: str


def problems(model: Model, shape: str, value: object, path: Path = ()) -> Iterator[Problem]:
    """Yield every rule of the shape of that name, and of those in it, that ``value`` does not follow.

    What has the wrong type is not looked into. Members that are ``None`` are absent.

    >>> model = {"shapes": {"Name": {"type": "string", "max": 3}}}
    >>> [problem.bound for problem in problems(model, "Name", "digits")]
    [3]
    """
    known = model["shapes"][shape]
    kind = known["type"]
    if isinstance(value, bool) != (kind == "boolean") or not isinstance(value, _PYTHON_TYPES[kind]):
        yield Problem(path, value, Rule.TYPE, kind)
    elif isinstance(value, dict) and kind == "structure":
        yield from _structure(model, shape, value, path)
    elif isinstance(value, dict):
        yield from _map(model, known, value, path)
    elif isinstance(value, list):
        yield from _length(known, value, path)
        for number, item in enumerate(value, start=1):
            yield from problems(model, known["member"]["shape"], item, (*path, Item(number)))
    elif isinstance(value, str):
        yield from _text(known, value, path)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from _bounds(known, value, value, path, (Rule.MAXIMUM, Rule.MINIMUM))


def _structure(model: Model, shape: str, value: Mapping[str, object], path: Path) -> Iterator[Problem]:
    known = model["shapes"][shape]
    for name in known.get("required", ()):
        if value.get(name) is None:
            yield Problem((*path, Member(shape, name)), None, Rule.REQUIRED, None)
    for name, member in value.items():
        where = (*path, Member(shape, name))
        if name not in known["members"]:
            yield Problem(where, member, Rule.KNOWN, shape)
        elif member is not None:
            yield from problems(model, known["members"][name]["shape"], member, where)


def _map(model: Model, known: Shape, value: Mapping[str, object], path: Path) -> Iterator[Problem]:
    yield from _length(known, value, path)
    for key, item in value.items():
        yield from problems(model, known["key"]["shape"], key, (*path, Entry(str(key), is_key=True)))
        yield from problems(model, known["value"]["shape"], item, (*path, Entry(str(key))))


def _text(known: Shape, value: str, path: Path) -> Iterator[Problem]:
    yield from _length(known, value, path)
    if known.get("enum") and value not in known["enum"]:
        yield Problem(path, value, Rule.ENUM, tuple(known["enum"]))
    pattern = known.get("pattern")
    if pattern and not _compiled(pattern).fullmatch(value):
        yield Problem(path, value, Rule.PATTERN, pattern)


def _length(known: Shape, value: Any, path: Path) -> Iterator[Problem]:  # noqa: ANN401 - what has a length
    yield from _bounds(known, len(value), value, path, (Rule.MAX_LENGTH, Rule.MIN_LENGTH))


def _bounds(
    known: Shape, measure: float, value: object, path: Path, rules: tuple[Rule, Rule]
) -> Iterator[Problem]:
    most, least = known.get("max"), known.get("min")
    # Written so that NaN, which is neither, is refused.
    if most is not None and not measure <= most:
        yield Problem(path, value, rules[0], most)
    if least is not None and not measure >= least:
        yield Problem(path, value, rules[1], least)


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    for java, python in _JAVA_CLASSES.items():
        pattern = pattern.replace(java, python)
    return re.compile(_REPEATED_END.sub("$", pattern))
