"""Service Quotas for SageMaker: how many instances of each type endpoints may have.

An increase that is asked for is granted at once. The codes of the quotas are our own; AWS's are others.
"""

import functools
import hashlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from botocore.loaders import Loader

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.defaults import ACCOUNT, REGION
from orchestrator.localcloud.rules.quotas import DEFAULT, quota
from orchestrator.localcloud.world import Content, Outcome, QuotaRequest, Scope, World
from orchestrator.localcloud.worlds import Worlds

TARGET = "ServiceQuotasV20190624."
PATH = "/_local/quotas"
"""Where quotas are set for a rehearsal: there is no call of AWS that lowers one."""

_SERVICE, _NAME = "sagemaker", "Amazon SageMaker"
_PAGE = 100
_MEMBERS = {"account", "instance_type", "region", "value"}
Answering = Callable[[World, Content, float], Outcome]


class Quotas:
    """Answers Service Quotas, and sets quotas for rehearsals.

    Args:
        worlds: What there is.
        clock: Seconds since 1970.
    """

    def __init__(self, worlds: Worlds, clock: Callable[[], float]) -> None:
        self._worlds = worlds
        self._clock = clock

    def call(self, scope: Scope, operation: str, request: Content) -> Content:
        """Return the answer to one operation of `OPERATIONS`.

        Raises:
            ApiError: If it is refused.
        """
        outcome = OPERATIONS[operation](self._worlds.at(scope), request, self._clock())
        self._worlds.change(outcome.world)
        return outcome.answer

    def set(self, order: object) -> dict[str, Any]:
        """Set the quota of an instance type, as ``POST /_local/quotas`` asks for it, and return it.

        Raises:
            ApiError: If it is not right.
        """
        if not isinstance(order, dict) or not {"instance_type", "value"} <= order.keys() <= _MEMBERS:
            raise _refused("a quota has instance_type, value and, if need be, region and account")
        instance_type, value = order["instance_type"], order["value"]
        if instance_type not in _types():
            raise _refused(f"endpoints have no instance type {instance_type!r}")
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise _refused(f"value must be a whole number, 0 or more, not {value!r}")
        scope = Scope(str(order.get("account", ACCOUNT)), str(order.get("region", REGION)))
        world = self._worlds.at(scope)
        self._worlds.change(replace(world, quotas={**world.quotas, instance_type: value}))
        return {**asdict(scope), "instance_type": instance_type, "value": value}

    def shown(self) -> dict[str, Any]:
        """Return what ``GET /_local/quotas`` answers: the quotas that somebody has set."""
        changed = [
            {**asdict(world.scope), "instance_type": name, "value": value}
            for world in self._worlds.all()
            for name, value in world.quotas.items()
        ]
        return {"default": DEFAULT, "quotas": changed}


def is_ours(operation: str, request: object) -> bool:
    """Tell whether the local cloud answers itself; the quotas of other services are moto's."""
    if operation not in OPERATIONS or not isinstance(request, dict):
        return False
    return bool(request.get("ServiceCode", _SERVICE) == _SERVICE)


def _list(world: World, request: Content, _now: float) -> Outcome:
    return Outcome(world, _paged("Quotas", [_quota(world, name) for name in _types()], request))


def _list_defaults(world: World, request: Content, now: float) -> Outcome:
    return replace(_list(World(world.scope), request, now), world=world)


def _get(world: World, request: Content, _now: float) -> Outcome:
    return Outcome(world, {"Quota": _quota(world, _type_of(request))})


def _get_default(world: World, request: Content, _now: float) -> Outcome:
    return Outcome(world, {"Quota": _quota(World(world.scope), _type_of(request))})


def _increase(world: World, request: Content, now: float) -> Outcome:
    name, value = _type_of(request), request.get("DesiredValue")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value % 1 != 0:
        raise ApiError("IllegalArgumentException", f"DesiredValue must be a whole number, not {value!r}")
    if value <= quota(world, name):
        why = "You must provide a quota value greater than the current quota value."
        raise ApiError("IllegalArgumentException", why)
    made = QuotaRequest(uuid.uuid4().hex, name, int(value), now)
    requests = {**world.quota_requests, made.id: made}
    changed = replace(world, quotas={**world.quotas, name: int(value)}, quota_requests=requests)
    return Outcome(changed, {"RequestedQuota": _request(changed, made)})


def _history(world: World, request: Content, _now: float) -> Outcome:
    wanted = request.get("Status", "APPROVED") == "APPROVED"
    found = [_request(world, each) for each in world.quota_requests.values() if wanted]
    return Outcome(world, _paged("RequestedQuotas", found, request))


OPERATIONS: Mapping[str, Answering] = {
    "GetAWSDefaultServiceQuota": _get_default,
    "GetServiceQuota": _get,
    "ListAWSDefaultServiceQuotas": _list_defaults,
    "ListRequestedServiceQuotaChangeHistory": _history,
    "ListServiceQuotas": _list,
    "RequestServiceQuotaIncrease": _increase,
}


@functools.cache
def _types() -> tuple[str, ...]:
    """Return the instance types that endpoints can have, as botocore's model lists them."""
    model = Loader().load_service_model("sagemaker", "service-2")
    return tuple(model["shapes"]["ProductionVariantInstanceType"]["enum"])


@functools.cache
def _codes() -> Mapping[str, str]:
    return {_code(name): name for name in _types()}


def _code(instance_type: str) -> str:
    return f"L-{hashlib.sha256(_title(instance_type).encode()).hexdigest()[:8].upper()}"


def _title(instance_type: str) -> str:
    return f"{instance_type} for endpoint usage"


def _type_of(request: Content) -> str:
    code = str(request.get("QuotaCode", ""))
    if code not in _codes():
        raise ApiError("NoSuchResourceException", f"SageMaker has no quota with the code '{code}'")
    return _codes()[code]


def _quota(world: World, instance_type: str) -> dict[str, Any]:
    return {
        **_named(world, instance_type),
        "Value": float(quota(world, instance_type)),
        "Adjustable": True,
        "GlobalQuota": False,
        "Unit": "None",
    }


def _named(world: World, instance_type: str) -> dict[str, Any]:
    code, scope = _code(instance_type), world.scope
    return {
        "ServiceCode": _SERVICE,
        "ServiceName": _NAME,
        "QuotaArn": f"arn:{scope.partition}:servicequotas:{scope.region}:{scope.account}:{_SERVICE}/{code}",
        "QuotaCode": code,
        "QuotaName": _title(instance_type),
    }


def _request(world: World, made: QuotaRequest) -> dict[str, Any]:
    moments = {"Created": made.created, "LastUpdated": made.created}
    asked = {"Id": made.id, "DesiredValue": float(made.value), "Status": "APPROVED", **moments}
    return {**_named(world, made.instance_type), **asked, "GlobalQuota": False, "Unit": "None"}


def _paged(member: str, items: Sequence[Any], request: Content) -> dict[str, Any]:
    token, most = str(request.get("NextToken") or "0"), request.get("MaxResults") or _PAGE
    if not token.isdecimal() or not isinstance(most, int) or not 1 <= most <= _PAGE:
        raise ApiError("InvalidPaginationTokenException", "NextToken or MaxResults is not valid")
    end = int(token) + most
    following = {"NextToken": str(end)} if len(items) > end else {}
    return {member: list(items[int(token) : end]), **following}


def _refused(why: str) -> ApiError:
    return ApiError("ValidationError", why)
