"""SageMaker's events: what EventBridge is told of endpoints, models, packages and jobs as they change.

Types and details: SageMaker developer guide, automating-sagemaker-with-eventbridge. Moments are in
milliseconds there, and the status of an endpoint is written like ``IN_SERVICE``.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from orchestrator.localcloud.cloudwatch.events import Event, Outbox
from orchestrator.localcloud.rules.describing import describe_endpoint
from orchestrator.localcloud.rules.packages import describe_package
from orchestrator.localcloud.transforms.jobs import describe as describe_job
from orchestrator.localcloud.world import CONFIG, ENDPOINT, MODEL, PACKAGE, TRANSFORM, Endpoint, Record, World

_SOURCE = "aws.sagemaker"
_MILLISECONDS = 1000
_REVIEWED = ("ModelApprovalStatus", "ModelLifeCycle")
_WHO = {"CreatedBy", "LastModifiedBy"}


class Announcing:
    """Turns changes of worlds into events.

    Args:
        outbox: What sends them.
        clock: Seconds since 1970.
    """

    def __init__(self, outbox: Outbox, clock: Callable[[], float]) -> None:
        self._outbox = outbox
        self._clock = clock

    def see(self, before: World, after: World) -> None:
        """Send the events of one change; nobody waits for it, and nothing is done while nobody listens."""
        if self._outbox.is_heard(after.scope):
            for event in events(before, after, self._clock()):
                self._outbox.send(after.scope, event)


def events(before: World, after: World, now: float) -> Iterator[Event]:
    """Yield the events of a change, ``now`` seconds since 1970."""
    for kind, name, world in _made_or_gone(before, after):
        type_ = "SageMaker Model State Change" if kind == MODEL else "SageMaker Endpoint Config State Change"
        yield Event(_SOURCE, type_, after.scope.arn(kind, name), now, _record(kind, name, world))
    if before.endpoints is not after.endpoints:
        yield from _of_endpoints(before, after, now)
    if before.packages is not after.packages:
        yield from _of_packages(before, after, now)
    if before.transforms is not after.transforms:
        yield from _of_jobs(before, after, now)


def _made_or_gone(before: World, after: World) -> Iterator[tuple[str, str, World]]:
    """Yield kind and name of each model and endpoint config that was made or deleted, and where it is."""
    for kind, old, new in ((MODEL, before.models, after.models), (CONFIG, before.configs, after.configs)):
        if old is not new:
            yield from ((kind, name, after) for name in new if name not in old)
            yield from ((kind, name, before) for name in old if name not in new)


def _of_endpoints(before: World, after: World, now: float) -> Iterator[Event]:
    for name, endpoint in after.endpoints.items():
        old = before.endpoints.get(name)
        if old is endpoint:
            continue
        arn = after.scope.arn(ENDPOINT, name)
        if old is None or old.status != endpoint.status:
            yield Event(_SOURCE, "SageMaker Endpoint State Change", arn, now, _endpoint(after, name))
        if _stages(endpoint) != (_stages(old) if old else ()):
            type_ = "SageMaker Endpoint Deployment State Change"
            yield Event(_SOURCE, type_, arn, now, _endpoint(after, name))


def _of_packages(before: World, after: World, now: float) -> Iterator[Event]:
    """Yield the event of each model package that is new, or approved or staged otherwise."""
    for name, package in after.packages.items():
        old = before.packages.get(name)
        if old is None or any(old.content.get(key) != package.content.get(key) for key in _REVIEWED):
            arn = after.scope.arn(PACKAGE, name)
            described = describe_package(after, {"ModelPackageName": arn})
            detail = {key: _written(key, value) for key, value in described.items() if key not in _WHO}
            yield Event(_SOURCE, "SageMaker Model Package State Change", arn, now, detail)


def _written(key: str, value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a member of a model package; its moments are written out, as in the guide's example."""
    if key.endswith("Time") and isinstance(value, int | float):
        return dt.datetime.fromtimestamp(value, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return value


def _of_jobs(before: World, after: World, now: float) -> Iterator[Event]:
    for name, job in after.transforms.items():
        old = before.transforms.get(name)
        if old is None or old.status != job.status:
            arn = after.scope.arn(TRANSFORM, name)
            detail = _detail(describe_job(after, {"TransformJobName": name}))
            said = {**detail, "Tags": dict(after.tags.get(arn, {}))}
            yield Event(_SOURCE, "SageMaker Transform Job State Change", arn, now, said)


def _stages(endpoint: Endpoint) -> tuple[tuple[str, str, str], ...]:
    """Return what is being done to the variants of an endpoint."""
    stages = endpoint.pending.stages if endpoint.pending else {}
    return tuple((name, stage.status, stage.message) for name, stage in stages.items())


def _endpoint(world: World, name: str) -> dict[str, Any]:
    detail = _detail(describe_endpoint(world, {"EndpointName": name}))
    status = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(detail["EndpointStatus"])).upper()
    tags = dict(world.tags.get(world.scope.arn(ENDPOINT, name), {}))
    return {**detail, "EndpointStatus": status, "Tags": tags}


def _record(kind: str, name: str, world: World) -> dict[str, Any]:
    record: Record = world.models[name] if kind == MODEL else world.configs[name]
    word, arn = "Model" if kind == MODEL else "EndpointConfig", world.scope.arn(kind, name)
    return {
        **record.content,
        f"{word}Name": name,
        f"{word}Arn": arn,
        "CreationTime": round(record.created * _MILLISECONDS),
        "Tags": dict(world.tags.get(arn, {})),
    }


def _detail(described: Mapping[str, Any]) -> dict[str, Any]:
    """Return a description with its moments in milliseconds."""
    return {key: _turned(key, value) for key, value in described.items()}


def _turned(key: str, value: object) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, Mapping):
        return _detail(value)
    if isinstance(value, list | tuple):
        return [_turned("", item) for item in value]
    if key.endswith("Time") and isinstance(value, int | float):
        return round(value * _MILLISECONDS)
    return value
