"""Whether a dashboard's body is one: what CloudWatch would refuse, as far as it is documented.

CloudWatch API reference, "Dashboard Body Structure and Syntax".
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.localcloud.apierrors import ApiError

_TYPES = ("alarm", "explorer", "log", "metric", "text")
# The grid is 24 columns wide: the largest x and width, and the least.
_BOUNDS = {"x": (0, 23), "width": (1, 24), "height": (1, 1000)}


def check_dashboard(request: Mapping[str, Any]) -> None:
    """Check the body of a dashboard.

    Raises:
        ApiError: That says where the first thing is that it cannot be.
    """
    try:
        body = json.loads(request.get("DashboardBody") or "")
    except ValueError as error:
        raise _invalid("", f"The field DashboardBody must be a valid JSON object: {error}") from error
    for where, problem in _problems(body):
        raise _invalid(where, problem)


def _problems(body: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - JSON
    if not isinstance(body, dict):
        yield "", "it must be an object"
        return
    widgets = body.get("widgets", [])
    if not isinstance(widgets, list):
        yield "/widgets", "it must be a list"
        return
    for number, widget in enumerate(widgets):
        where = f"/widgets/{number}"
        if not isinstance(widget, dict) or widget.get("type") not in _TYPES:
            yield where, f"the type of a widget is one of {', '.join(_TYPES)}"
        elif not isinstance(widget.get("properties"), dict):
            yield where, "a widget has properties"
        else:
            yield from _out_of_bounds(widget, where)
            yield from _empty(widget, where)


def _out_of_bounds(widget: Mapping[str, Any], where: str) -> Iterator[tuple[str, str]]:
    for name, (least, most) in _BOUNDS.items():
        value = widget.get(name, least)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            yield f"{where}/{name}", f"it must be a whole number from {least} to {most}"


def _empty(widget: Mapping[str, Any], where: str) -> Iterator[tuple[str, str]]:
    properties = widget["properties"]
    if widget["type"] == "metric" and not (properties.get("metrics") or properties.get("annotations")):
        yield f"{where}/properties", "a widget of metrics has metrics or annotations"
    if widget["type"] == "text" and "markdown" not in properties:
        yield f"{where}/properties", "a widget of text has markdown"


def _invalid(where: str, problem: str) -> ApiError:
    words = f"The dashboard body is not valid: {where}: {problem}" if where else problem
    return ApiError("InvalidParameterInput", words)
