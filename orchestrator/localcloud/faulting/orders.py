"""Orders of faults: what ``POST /_local/faults`` takes, and who sends it.

Standard library only, so that the command line and tests pay nothing for it.
"""

import contextlib
import difflib
import fnmatch
import http.client
import json
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from orchestrator.core.errors import OrchestratorError
from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.faulting.faults import ALL, OF_CALLS, OF_UPDATES, UPDATE, Fault, Kind
from orchestrator.localcloud.wanted import TOKEN_HEADER

PATH = "/_local/faults"

_COMMON = frozenset({"operation", "kind", "times", "share", "seed", "endpoint", "region"})
# By kind: how many seconds it takes unless it is told, and the most that make sense.
_SECONDS = {
    Kind.LATENCY: (1.0, 3600.0),
    Kind.SLOW_START: (30.0, 3600.0),
    Kind.EVENTUAL_CONSISTENCY: (5.0, 60.0),
}
_LASTING = frozenset({Kind.LATENCY, Kind.REGION_DOWN, Kind.EVENTUAL_CONSISTENCY, Kind.MODEL_ERROR})
_WAIT_SECONDS = 30.0
_FIRST_ERROR = 400
_MOST_A_SECOND = 1e6


def _special(kind: Kind) -> frozenset[str]:
    """Return the members that only some kinds have."""
    has = {
        "seconds": kind in _SECONDS,
        "rate": kind is Kind.THROTTLE,
        "crashes": kind is Kind.CRASH_LOOP,
        "config": kind is Kind.MODEL_ERROR,
    }
    return frozenset(name for name, is_one in has.items() if is_one)


MEMBERS = {kind: _COMMON | _special(kind) for kind in Kind}
"""What a fault of each kind may have."""


def read(order: object) -> Fault:
    """Return the fault that is asked for.

    Raises:
        ApiError: If it is none; what is nearest is named.
    """
    if not isinstance(order, Mapping):
        raise _refused(f"a fault is an object with the members {', '.join(sorted(_COMMON))}")
    kind = _kind(order.get("kind"))
    _check_members(kind, order)
    share = _number(order, "share", 1.0, 1.0)
    lasting = kind in _LASTING or share < 1 or "rate" in order
    return Fault(
        _operation(kind, order),
        kind,
        _whole(order, "times", None if lasting else 1),
        share,
        _seed(order),
        _number(order, "seconds", *_SECONDS[kind]) if kind in _SECONDS else 0.0,
        _number(order, "rate", 1.0, _MOST_A_SECOND) if "rate" in order else None,
        _whole(order, "crashes", None),
        endpoint=_pattern(order, "endpoint"),
        region=_pattern(order, "region"),
        config=_pattern(order, "config"),
    )


def _kind(asked: object) -> Kind:
    if isinstance(asked, str) and asked in set(Kind):
        return Kind(asked)
    raise _refused(f"the kind {asked!r} is none of {', '.join(Kind)}{nearest(asked, list(Kind))}")


def _check_members(kind: Kind, order: Mapping[str, object]) -> None:
    known = MEMBERS[kind]
    for name in order:
        if name not in known:
            raise _refused(
                f"'{name}' is no member of a fault of the kind {kind}, which has "
                f"{', '.join(sorted(known))}{nearest(name, known)}"
            )
    if kind is Kind.REGION_DOWN and "region" not in order:
        raise _refused("region-down needs the name of a region, or a pattern such as 'eu-*'")


def _operation(kind: Kind, order: Mapping[str, object]) -> str:
    """Return the pattern of operations; one that may break everything else has to be said."""
    needs = kind in (OF_CALLS - {Kind.REGION_DOWN}) | {Kind.LATENCY}
    asked = order.get("operation", None if needs else ALL)
    if not isinstance(asked, str) or not asked:
        raise _refused("operation must be the name of one, or a pattern such as '*'")
    if kind in OF_UPDATES and not fnmatch.fnmatchcase(UPDATE, asked):
        raise _refused(f"{kind} befalls {UPDATE} and no other operation, such as '{asked}'")
    return asked


def _pattern(order: Mapping[str, object], name: str) -> str:
    asked = order.get(name, ALL)
    if not isinstance(asked, str) or not asked:
        raise _refused(f"{name} must be a name, or a pattern such as '*'")
    return asked


def _number(order: Mapping[str, object], name: str, usual: float, most: float) -> float:
    asked = order.get(name, usual)
    if isinstance(asked, bool) or not isinstance(asked, (int, float)) or not 0 < asked <= most:
        raise _refused(f"{name} must be a number above 0 and at most {most:g}")
    return float(asked)


def _whole(order: Mapping[str, object], name: str, usual: int | None) -> int | None:
    asked = order.get(name, usual)
    if asked is None:
        return None
    if type(asked) is not int or asked < 1:
        raise _refused(f"{name} must be a whole number above 0, or null for all")
    return asked


def _seed(order: Mapping[str, object]) -> int:
    asked = order.get("seed", 0)
    if type(asked) is not int:
        raise _refused("seed must be a whole number")
    return asked


def nearest(asked: object, known: Collection[str]) -> str:
    """Return the end of a refusal that names what is nearest to what was asked for, if anything is near."""
    near = difflib.get_close_matches(str(asked), [str(one) for one in known], n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def _refused(why: str) -> ApiError:
    return ApiError("InvalidFault", why)


class FaultOrders:
    """Orders faults of the local cloud that answers at ``url``.

    Args:
        url: Its address.
        token: What it asks for where it can be reached from elsewhere.
    """

    def __init__(self, url: str, token: str = "") -> None:
        self._place = urlsplit(url).netloc
        self._headers = {"content-type": "application/json", **({TOKEN_HEADER: token} if token else {})}

    def add(self, kind: str, **members: object) -> dict[str, Any]:
        """Let a fault wait, and return it as the local cloud shows it.

        Args:
            kind: What is to go wrong.
            members: Of what and how often, such as ``operation="UpdateEndpoint"`` and ``times=1``.

        Raises:
            OrchestratorError: If it is refused, or nobody answers.
        """
        added: dict[str, Any] = json.loads(self.send("POST", PATH, {"kind": kind, **members}))
        return added

    def all(self) -> list[dict[str, Any]]:
        """Return what waits, oldest first.

        Raises:
            OrchestratorError: If nobody answers.
        """
        found: list[dict[str, Any]] = json.loads(self.send("GET", PATH))["faults"]
        return found

    def lift(self, number: str | None = None) -> None:
        """Take one fault back, or all.

        Raises:
            OrchestratorError: If there is no such fault, or nobody answers.
        """
        self.send("DELETE", PATH if number is None else f"{PATH}/{quote(number, safe='')}")

    def send(self, method: str, path: str, content: object = None) -> bytes:
        """Send an order to a page below ``/_local``, and return what it answers.

        Raises:
            OrchestratorError: If it is refused, or nobody answers.
        """
        # Not urllib: it would ask the proxy that HTTP_PROXY names.
        connection = http.client.HTTPConnection(self._place, timeout=_WAIT_SECONDS)
        try:
            with contextlib.closing(connection):
                connection.request(method, path, json.dumps(content), self._headers)
                answer = connection.getresponse()
                body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise OrchestratorError(
                f"the local cloud at {self._place} does not answer: {error}",
                hint="orchestrator local-cloud status",
            ) from error
        if answer.status >= _FIRST_ERROR:
            raise OrchestratorError(_reason(body) or f"the local cloud answers {answer.status}")
        return body


def _reason(body: bytes) -> str:
    try:
        content = json.loads(body)
    except ValueError:
        return ""
    return str(content.get("message", "")) if isinstance(content, dict) else ""
