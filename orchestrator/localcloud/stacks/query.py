"""The query protocol: forms in, XML out, both by botocore's model of the service."""

import datetime as dt
import functools
import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

import botocore.session
from botocore.model import ServiceModel, Shape

from orchestrator.localcloud.apierrors import ApiError

NAMESPACE = "http://cloudformation.amazonaws.com/doc/2010-05-15/"
_NUMBERS = {"integer", "long"}
_WHOLE = re.compile(r"-?[0-9]{1,19}")


@functools.cache
def model(service: str) -> ServiceModel:
    """Return botocore's model of a service."""
    return botocore.session.get_session().get_service_model(service)


def asked(body: bytes) -> tuple[str, dict[str, Any]]:
    """Return the operation that a form asks for, and its request.

    Raises:
        ApiError: If there is no such operation, or the form is not one of it.
    """
    form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    operation = form.pop("Action", "")
    form.pop("Version", None)
    known = model("cloudformation")
    if operation not in known.operation_names:
        raise ApiError("InvalidAction", f"Could not find operation {operation} for version 2010-05-15")
    shape = known.operation_model(operation).input_shape
    request: dict[str, Any] = _read(shape, _tree(form), "") if shape is not None else {}
    for name in shape.required_members if shape is not None else ():
        if name not in request:
            raise ApiError("ValidationError", f"The parameter {name} is required.")
    return operation, request


def answer(operation: str, content: Mapping[str, Any]) -> str:
    """Return the XML of an operation's answer."""
    shape = model("cloudformation").operation_model(operation).output_shape
    inside = "".join(_written(shape, content)) if shape is not None else ""
    number = uuid.uuid4()
    return (
        f'<{operation}Response xmlns="{NAMESPACE}"><{operation}Result>{inside}</{operation}Result>'
        f"<ResponseMetadata><RequestId>{number}</RequestId></ResponseMetadata></{operation}Response>"
    )


def _tree(form: Mapping[str, str]) -> dict[str, Any]:
    """Return ``A.member.1.B=x`` as ``{"A": {"member": {"1": {"B": "x"}}}}``."""
    root: dict[str, Any] = {}
    for key, value in form.items():
        *above, last = key.split(".")
        place = root
        for step in above:
            place = place.setdefault(step, {})
            if not isinstance(place, dict):
                raise ApiError("MalformedQueryString", f"the form has both '{step}' and something below it")
        place[last] = value
    return root


def _read(shape: Shape, found: Any, where: str) -> Any:  # noqa: ANN401 - as the model says
    match shape.type_name:
        case "structure" if isinstance(found, dict):
            if unknown := found.keys() - shape.members.keys():
                raise ApiError("ValidationError", f"there is no {where}{min(unknown)} in the request")
            return {key: _read(shape.members[key], value, f"{key}.") for key, value in found.items()}
        case "list" if isinstance(found, dict):
            items = found.get("member")
            if not isinstance(items, dict) or not all(map(str.isdecimal, items)):
                raise ApiError("MalformedQueryString", f"{where.rstrip('.')} is not a list")
            return [_read(shape.member, items[key], where) for key in sorted(items, key=int)]
        case "list" if found == "":
            return []
        case "boolean" if found in {"true", "false"}:
            return found == "true"
        case kind if kind in _NUMBERS and isinstance(found, str) and _WHOLE.fullmatch(found):
            return int(found)
        case "string" if isinstance(found, str):
            return found
        case kind:
            raise ApiError("ValidationError", f"{where.rstrip('.') or 'the request'} is not a {kind}")


def _written(shape: Shape, value: Any) -> Iterator[str]:  # noqa: ANN401 - as the model says
    match shape.type_name:
        case "structure":
            for name, member in shape.members.items():
                if (found := value.get(name)) is not None:
                    yield f"<{name}>{''.join(_written(member, found))}</{name}>"
        case "list":
            for item in value:
                yield f"<member>{''.join(_written(shape.member, item))}</member>"
        case "timestamp":
            moment = dt.datetime.fromtimestamp(value, dt.UTC)
            yield moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
        case "boolean":
            yield "true" if value else "false"
        case _:
            # A reader of XML takes a bare return for a newline.
            yield escape(str(value), {"\r": "&#13;"})
