"""Inference components at work: their fleets, and who answers for them."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.cloudwatch.metrics import NAMESPACE, Gauge
from orchestrator.localcloud.dataplane.admission import COMPONENT_REQUIRED
from orchestrator.localcloud.dataplane.modelerrors import refused
from orchestrator.localcloud.dataplane.pipelines import Launch
from orchestrator.localcloud.dataplane.traffic import Share
from orchestrator.localcloud.deploying.engine import FAILED
from orchestrator.localcloud.faulting.faults import Fault
from orchestrator.localcloud.fleets.exchange import Answer, BrokenAnswerError, Headers, Streamed
from orchestrator.localcloud.fleets.fleet import Fleet, FleetError
from orchestrator.localcloud.fleets.instances import Instance
from orchestrator.localcloud.rules import components
from orchestrator.localcloud.world import Component, Content, Place, Scope, Variant
from orchestrator.localcloud.worlds import Worlds

NAME_UNWANTED = (
    "Inference Component Name header is not allowed for endpoints to which you dont plan to deploy inference "
    "components. Please remove the Inference Component Name header and try again."
)
"""What AWS says to a request that names one, on an endpoint of models."""

NO_CAPACITY = (
    "Inference Component has no capacity to process this request. ApplicationAutoScaling may be in-progress "
    "(if configured) or try to increase the capacity by invoking UpdateInferenceComponentRuntimeConfig API."
)
"""What AWS says where there are no copies."""


_NO_INSTANCES: tuple[Instance, ...] = ()


def group_of(component: str) -> str:
    """Return the log group of an inference component's containers."""
    return f"/aws/sagemaker/InferenceComponents/{component}"


class EmptyFleet:
    """The instances of a variant that names no model: they are there, and no container runs on them.

    Args:
        variant: What inference components are to be on.
    """

    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        self.count = variant.count
        self.answering = 0
        self.instances = _NO_INSTANCES

    async def ask(self, headers: Headers, body: bytes, instance: str | None = None) -> Answer:  # noqa: ARG002 - as every fleet
        """Refuse: whoever asks has not looked whether there is a model.

        Raises:
            BrokenAnswerError: Always.
        """
        raise BrokenAnswerError(COMPONENT_REQUIRED)

    def stream(
        self,
        headers: Headers,  # noqa: ARG002 - as every fleet
        body: bytes,  # noqa: ARG002 - likewise
        instance: str | None = None,  # noqa: ARG002 - likewise
    ) -> AbstractAsyncContextManager[Streamed]:
        """Refuse, as `ask` does.

        Raises:
            BrokenAnswerError: Always.
        """
        raise BrokenAnswerError(COMPONENT_REQUIRED)

    async def look(self, path: str) -> Answer:  # noqa: ARG002 - as every fleet
        """Refuse, as `ask` does.

        Raises:
            BrokenAnswerError: Always.
        """
        return await self.ask((), b"")

    async def resize(self, count: int, changed: Callable[[], None] = lambda: None) -> None:
        """Have so many instances."""
        self.count = count
        changed()

    async def stop(self, *, drain: bool) -> None:
        """End nothing."""


def hosting(launch: Launch) -> Launch:
    """Return what starts fleets as ``launch`` does, and instances without a model as well."""

    async def started(
        place: Place, variant: Variant, *, group: str | None = None, fault: Fault | None = None
    ) -> Fleet:
        if not variant.container:
            return EmptyFleet(variant)
        return await launch(place, variant, group=group, fault=fault)

    return started


def _unmeasured(_: Gauge) -> None:
    """Measure nothing."""


class Hosting:
    """Starts, resizes and ends the fleets of inference components, and lets their states follow.

    Args:
        worlds: Where the states are.
        launch: Starts the fleet of one component.
        clock: Seconds since 1970.
        measure: Takes what is to be in CloudWatch.
    """

    def __init__(
        self,
        worlds: Worlds,
        launch: Launch,
        clock: Callable[[], float],
        measure: Callable[[Gauge], None] = _unmeasured,
    ) -> None:
        self._worlds = worlds
        self._launch = launch
        self._clock = clock
        self._measure = measure
        self._fleets: dict[tuple[Scope, str], Fleet] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def after(self) -> Mapping[str, Callable[[Scope, Content], None]]:
        """What an operation begins, by its name in the API."""
        return {
            "CreateInferenceComponent": self.change,
            "UpdateInferenceComponent": self.change,
            "UpdateInferenceComponentRuntimeConfig": self.change,
            "DeleteInferenceComponent": self.delete,
        }

    def share(self, place: Place, name: str) -> Share:
        """Return who answers for an inference component.

        Raises:
            ApiError: If the endpoint has none of that name, or it has no copies.
        """
        world = self._worlds.at(place.scope)
        endpoint, component = world.endpoints.get(place.endpoint), world.components.get(name)
        if endpoint is None or endpoint.serving is None:
            raise refused(f"Endpoint {place.endpoint} of account {place.scope.account} not found.")
        if all(variant.container for variant in endpoint.serving.variants):
            raise refused(NAME_UNWANTED)
        if component is None or component.endpoint != place.endpoint:
            raise refused(f"Inference Component {name} of endpoint {place.endpoint} not found.")
        fleet = self._fleets.get((place.scope, name))
        if fleet is None or component.serving is None or not fleet.count:
            # What an alarm waits for to wake a component that has no copies: SageMaker developer guide,
            # endpoint-auto-scaling-zero-instances.
            dimensions = {"InferenceComponentName": name}
            self._measure(Gauge(place.scope, NAMESPACE, "NoCapacityInvocationFailures", dimensions, 1.0))
            raise refused(NO_CAPACITY)
        return Share(fleet, component.serving, endpoint.serving)

    def fleet(self, scope: Scope, name: str) -> Fleet | None:
        """Return the copies of an inference component, once there are any."""
        return self._fleets.get((scope, name))

    def change(self, scope: Scope, request: Content) -> None:
        """Begin to carry out what was asked of an inference component.

        Raises:
            ApiError: If the local cloud is about to end.
        """
        self._begin(self._change(scope, request["InferenceComponentName"]))

    def delete(self, scope: Scope, request: Content) -> None:
        """Begin to end an inference component's fleet; it is gone once that is."""
        self._begin(self._delete(scope, request["InferenceComponentName"]))

    def revive(self) -> None:
        """Begin to start what served before the local cloud was started again."""
        for world in self._worlds.all():
            for component in world.components.values():
                if component.serving is not None:
                    self._begin(self._change(world.scope, component.name))

    async def close(self) -> None:
        """End every fleet and give up what is under way."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        fleets = [*self._fleets.values()]
        self._fleets.clear()
        await asyncio.gather(*(fleet.stop(drain=False) for fleet in fleets))

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        if self._closed:
            work.close()
            raise ApiError("ServiceShuttingDown", "the local cloud is about to end")
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _change(self, scope: Scope, name: str) -> None:
        """Resize the fleet if only its copies change; otherwise start another and let it take over."""
        component = self._worlds.at(scope).components[name]
        try:
            wanted = components.started_as(self._worlds.at(scope), component)
            fleet = self._fleets.get((scope, name))
            if fleet is not None and replace(fleet.variant, count=wanted.count) == wanted:
                await fleet.resize(wanted.count)
            else:
                await self._replace(scope, component, wanted)
        except Exception as error:  # noqa: BLE001 - written down in `_reason` unless it is expected
            reason = _reason(error, name)
            self._worlds.put(components.failed(self._worlds.at(scope), name, reason, self._clock()))
            return
        self._worlds.put(components.arrived(self._worlds.at(scope), name, wanted, self._clock()))

    async def _replace(self, scope: Scope, component: Component, wanted: Variant) -> None:
        place = Place(scope, component.endpoint)
        new = await self._launch(place, wanted, group=group_of(component.name))
        old = self._fleets.get((scope, component.name))
        self._fleets[scope, component.name] = new
        if old is not None:
            await old.stop(drain=True)

    async def _delete(self, scope: Scope, name: str) -> None:
        # First nobody is sent there any more, then what is there is answered.
        fleet = self._fleets.pop((scope, name), None)
        if fleet is not None:
            await fleet.stop(drain=True)
        self._worlds.put(components.gone(self._worlds.at(scope), name))


def _reason(error: Exception, name: str) -> str:
    if isinstance(error, ApiError):
        return error.message
    if not isinstance(error, FleetError):
        # Whatever nobody thought of: without an end the component could not even be deleted.
        logging.getLogger(__name__).error("a change of inference component %s broke", name, exc_info=error)
        return FAILED
    return error.reason or (
        f"The container of inference component {name} did not pass the ping health check. Please check "
        "CloudWatch logs for this inference component."
    )
