"""The headers of the data plane, checked as AWS checks them before anybody is asked.

What there is to check stands in the service model of ``sagemaker-runtime``: which header each member of a
request is, its limits and its pattern. botocore itself checks none of them.
"""

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.loaders import Loader

from orchestrator.localcloud.dataplane.modelerrors import refused

# The patterns of the models are Java's.
_JAVA = {r"\p{ASCII}": r"[\x00-\x7f]", r"[\p{Print}]": r"[\x20-\x7e]", r"\z": r"\Z"}
_URI = "uri"


@dataclass(frozen=True, slots=True)
class _Member:
    """A member of a request that is a header or a part of the path."""

    name: str
    shape: Mapping[str, Any]
    pattern: re.Pattern[str]

    def problem(self, value: str) -> str | None:
        """Return the constraint that ``value`` does not satisfy, in AWS's words."""
        if self.shape["type"] == "integer":
            return self._limit(value)
        if len(value) > self.shape.get("max", len(value)):
            return f"have length less than or equal to {self.shape['max']}"
        if len(value) < self.shape.get("min", 0):
            return f"have length greater than or equal to {self.shape['min']}"
        if not self.pattern.fullmatch(value):
            return f"satisfy regular expression pattern: {self.shape['pattern']}"
        return None

    def _limit(self, value: str) -> str | None:
        if not (value.isascii() and value.removeprefix("-").isdecimal()):
            return "be a whole number"
        if int(value) > self.shape["max"]:
            return f"have value less than or equal to {self.shape['max']}"
        if int(value) < self.shape["min"]:
            return f"have value greater than or equal to {self.shape['min']}"
        return None


def check(operation: str, endpoint: str, headers: Mapping[str, str]) -> None:
    """Check the name of the endpoint and the headers of a request, whose names are in lower case.

    Raises:
        ApiError: ``ValidationError`` that lists every constraint that does not hold.
    """
    found = [*_found(operation, "EndpointName", endpoint)]
    for name in _members(operation).keys() & headers.keys():
        found.extend(_found(operation, name, headers[name]))
    if found:
        count = f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected"
        raise refused(f"{count}: {'; '.join(sorted(found))}")


@functools.lru_cache(maxsize=4096)
def _found(operation: str, name: str, value: str) -> Sequence[str]:
    member = _members(operation)[name]
    problem = member.problem(value)
    if problem is None:
        return ()
    where = member.name[:1].lower() + member.name[1:]
    return (f"Value '{value}' at '{where}' failed to satisfy constraint: Member must {problem}",)


@functools.cache
def _members(operation: str) -> Mapping[str, _Member]:
    """Return the members of an operation's request by their headers; the endpoint's name by its own."""
    model = Loader().load_service_model("sagemaker-runtime", "service-2")
    shapes = model["shapes"]
    members = shapes[model["operations"][operation]["input"]["shape"]]["members"]
    return {
        known["locationName"] if known["location"] == _URI else known["locationName"].lower(): _Member(
            name, shapes[known["shape"]], _compiled(shapes[known["shape"]].get("pattern", ""))
        )
        for name, known in members.items()
        if "locationName" in known
    }


def _compiled(pattern: str) -> re.Pattern[str]:
    for java, python in _JAVA.items():
        pattern = pattern.replace(java, python)
    return re.compile(pattern or ".*", re.DOTALL)
