"""CloudWatch in moto's place: its API goes to the shelves, whatever protocol a client speaks.

moto parses requests and writes answers for all three protocols of CloudWatch by botocore's model; what is
between is ours. The shelves hang on moto's backends, so that they are wiped and kept as these are.
Names of moto are pinned by ``tests/contract/test_moto_symbols.py``.
"""

import functools
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import botocore.session
from botocore import xform_name
from moto.cloudwatch.exceptions import CloudWatchException
from moto.cloudwatch.models import CloudWatchBackend, cloudwatch_backends
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult, EmptyResult

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.cloudwatch import calls, putting, reading
from orchestrator.localcloud.cloudwatch.dashboards import check_dashboard
from orchestrator.localcloud.cloudwatch.series import Series
from orchestrator.localcloud.cloudwatch.shelf import MOST_HISTORY, Alarm, Shelf
from orchestrator.localcloud.world import Scope

Call = Callable[[Shelf, Mapping[str, Any]], dict[str, Any]]

_CALLS: Mapping[str, Call] = {
    "put_metric_data": putting.put_metric_data,
    "get_metric_data": lambda shelf, request: reading.get_metric_data(shelf.series, request),
    "get_metric_statistics": lambda shelf, request: reading.get_metric_statistics(shelf.series, request),
    "list_metrics": lambda shelf, request: reading.list_metrics(shelf.series, request, time.time()),
    "put_metric_alarm": calls.put_metric_alarm,
    "put_composite_alarm": calls.put_composite_alarm,
    "describe_alarms": calls.describe_alarms,
    "describe_alarms_for_metric": calls.describe_alarms_for_metric,
    "describe_alarm_history": calls.describe_alarm_history,
    "delete_alarms": calls.delete_alarms,
    "enable_alarm_actions": calls.enable_alarm_actions,
    "disable_alarm_actions": calls.disable_alarm_actions,
    "set_alarm_state": calls.set_alarm_state,
}
# What moto's own services call their arguments: application autoscaling makes alarms of its own.
_NAMES = {"name": "AlarmName", "description": "AlarmDescription", "metric_data_queries": "Metrics"}


def install() -> None:
    """Let moto's CloudWatch be this one; a second time changes nothing."""
    for name, call in _CALLS.items():
        setattr(CloudWatchResponse, name, _answering(name, call))
    if not hasattr(CloudWatchResponse.put_dashboard, "__wrapped__"):
        setattr(CloudWatchResponse, "put_dashboard", _checking(CloudWatchResponse.put_dashboard))  # noqa: B010 - likewise
    setattr(CloudWatchBackend, "put_metric_alarm", _put_by_moto)  # noqa: B010 - mypy takes no assignment
    setattr(CloudWatchBackend, "set_alarm_state", _set_by_moto)  # noqa: B010 - likewise


def shelf_at(scope: Scope) -> Shelf:
    """Return what there is in an account and region."""
    return _shelf(cloudwatch_backends[scope.account][scope.region])


def shelves() -> list[Shelf]:
    """Return the shelves of all accounts and regions in which anybody has used CloudWatch."""
    return [
        _shelf(backend)
        for regions in list(cloudwatch_backends.values())
        for backend in list(regions.values())
    ]


def _shelf(backend: CloudWatchBackend) -> Shelf:
    kept = backend.__dict__
    history = kept.setdefault("alarm_history", deque(maxlen=MOST_HISTORY))
    series = kept.get("series") or kept.setdefault("series", Series())
    return Shelf(Scope(backend.account_id, backend.region_name), kept["alarms"], history, series)


def _checking(original: Callable[[CloudWatchResponse], Any]) -> Callable[[CloudWatchResponse], Any]:
    """Return moto's PutDashboard, which takes any text, behind a look at the text."""

    @functools.wraps(original)
    def answer(self: CloudWatchResponse) -> Any:  # noqa: ANN401 - moto's
        try:
            check_dashboard(self._get_params())
        except ApiError as error:
            raise CloudWatchException(error.code, error.message) from error
        return original(self)

    return answer


def _answering(name: str, call: Call) -> Callable[[CloudWatchResponse], ActionResult]:
    def answer(self: CloudWatchResponse) -> ActionResult:
        backend, request = self.cloudwatch_backend, self._get_params()
        try:
            _check_required(name, request)
            result = call(_shelf(backend), request)
        except ApiError as error:
            if error.code == "UnsupportedOperation":
                raise  # past moto, which knows no such error of CloudWatch
            raise CloudWatchException(error.code, error.message) from error
        if request.get("Tags"):
            backend.tagger.tag_resource(_shelf(backend).arn(request["AlarmName"]), request["Tags"])
        return ActionResult(result) if result else EmptyResult()

    return answer


def _check_required(name: str, request: Mapping[str, Any]) -> None:
    """Check that a request has what it must have; clients see to that, other programs may not."""
    if missing := [member for member in _required(name) if member not in request]:
        raise ApiError("MissingParameter", f"The parameter {missing[0]} is required.")


@functools.cache
def _required(name: str) -> tuple[str, ...]:
    """Return the required members of an operation; no lists, of which empty ones do not show on the wire."""
    model = botocore.session.get_session().get_service_model("cloudwatch")
    operation = next(each for each in model.operation_names if xform_name(each) == name)
    shape = model.operation_model(operation).input_shape
    return tuple(member for member in shape.required_members if shape.members[member].type_name != "list")


def _put_by_moto(self: CloudWatchBackend, **members: Any) -> Alarm:  # noqa: ANN401 - moto's signature
    """Make an alarm for one of moto's own services."""
    request = {
        _NAMES.get(key, "".join(part.title() for part in key.split("_"))): value
        for key, value in members.items()
        if value not in (None, [])
    }
    shelf = _shelf(self)
    calls.put_metric_alarm(shelf, request)
    return shelf.alarms[request["AlarmName"]]


def _set_by_moto(self: CloudWatchBackend, name: str, reason: str, detail: str, state: str) -> None:
    request = {"AlarmName": name, "StateReason": reason, "StateReasonData": detail, "StateValue": state}
    calls.set_alarm_state(_shelf(self), request)
