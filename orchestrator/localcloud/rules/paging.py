"""Lists: filters, order and pages, the same for every kind of resource."""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from orchestrator.localcloud.apierrors import invalid
from orchestrator.localcloud.world import Content

# SageMaker API reference, ListEndpoints: newest first; the size of a page is from experience.
_PAGE = 10
_TIMES = ("CreationTime", "LastModifiedTime")


@dataclass(frozen=True, slots=True)
class Listing:
    """How one kind of resource is listed.

    Attributes:
        member: Of the answer, that holds the lines.
        name: Member of a line that names the resource.
        status: Member of a line with its status; empty if it has none.
        key: Member of a line that no two have the same; empty if that is the name.
    """

    member: str
    name: str
    status: str = ""
    key: str = ""

    def sort(self, request: Content) -> str:
        """Return the member of a line that a request sorts by."""
        return {"Name": self.name, "Status": self.status}.get(request.get("SortBy", ""), "CreationTime")

    def fits(self, line: Content, request: Content) -> bool:
        """Tell whether a line passes the filters of a request."""
        return (
            request.get("NameContains", "").lower() in line[self.name].lower()
            and request.get("StatusEquals") in {None, line.get(self.status)}
            and all(line.get(time, 0.0) <= request.get(f"{time}Before", float("inf")) for time in _TIMES)
            and all(line.get(time, 0.0) >= request.get(f"{time}After", float("-inf")) for time in _TIMES)
        )


def page(listing: Listing, lines: Iterable[Content], request: Content) -> Content:
    """Return the page of ``lines`` that ``request`` asks for.

    A token is the place of the last line that was shown, not its number, so that a page loses and
    repeats nothing when resources come and go between two calls.

    Raises:
        ApiError: If the token is none, or of a list in another order.
    """
    sort, key = listing.sort(request), listing.key or listing.name

    def place(line: Content) -> list[Any]:
        return [line[sort], line[key]]

    descending = request.get("SortOrder", "Descending") == "Descending"
    found = sorted((line for line in lines if listing.fits(line, request)), key=place, reverse=descending)
    if token := request.get("NextToken"):
        seen = _read(token, sort)
        found = [line for line in found if (place(line) < seen if descending else place(line) > seen)]
    size = request.get("MaxResults", _PAGE)
    shown: dict[str, Any] = {listing.member: found[:size]}
    if len(found) > size:
        shown["NextToken"] = _token([sort, *place(found[size - 1])])
    return shown


def _token(place: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _read(token: str, sort: str) -> list[Any]:
    """Return the place a token stands for; it must come from a list of the same order."""
    try:
        sorted_by, value, key = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError, RecursionError) as error:
        raise invalid("Invalid pagination token.") from error
    if sorted_by != sort or not isinstance(value, (float, int) if sort == "CreationTime" else str):
        raise invalid("The pagination token belongs to a list of another order.")
    return [value, str(key)]
