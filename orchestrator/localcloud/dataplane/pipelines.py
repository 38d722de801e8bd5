"""Variants with several containers, and what starts every kind of variant.

A request goes through all containers, one after the other (SageMaker developer guide, inference-pipelines),
or to the one that it names (multi-container-direct).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from orchestrator.localcloud.dataplane.admission import TARGET_CONTAINER, is_multi_model
from orchestrator.localcloud.dataplane.manymodels import ManyModels
from orchestrator.localcloud.dataplane.modelerrors import CLIENT_ERROR, refused
from orchestrator.localcloud.faulting.faults import Fault
from orchestrator.localcloud.fleets.exchange import Answer, Headers, Streamed, in_one_part
from orchestrator.localcloud.fleets.fleet import Fleet
from orchestrator.localcloud.fleets.images import is_emulated
from orchestrator.localcloud.fleets.instances import Instance
from orchestrator.localcloud.rules.artifacts import place_of
from orchestrator.localcloud.world import Content, Place, Scope, Variant

DIRECT = "Direct"
"""The mode of a model whose requests name the container they are for."""


class Launch(Protocol):
    """Starts the fleet of one variant, with a log group that it says itself."""

    async def __call__(
        self, place: Place, variant: Variant, *, group: str | None = None, fault: Fault | None = None
    ) -> Fleet:
        """Return it once it answers.

        Raises:
            FleetError: If it does not come up.
        """
        ...


class Pipeline:
    """The fleet of a variant with several containers.

    Args:
        variant: Whose container is that of the whole model.
        fleets: One for each container, by its host name, in their order.
    """

    def __init__(self, variant: Variant, fleets: Mapping[str, Fleet]) -> None:
        self.variant = variant
        self._fleets = fleets
        self._is_direct = is_direct(variant.container)

    @property
    def answering(self) -> int:
        """How many requests its containers are answering."""
        return sum(fleet.answering for fleet in self._fleets.values())

    @property
    def count(self) -> int:
        """How many instances it has; each has all containers."""
        return min(fleet.count for fleet in self._fleets.values())

    @property
    def instances(self) -> tuple[Instance, ...]:
        """The processes of all containers."""
        return tuple(instance for fleet in self._fleets.values() for instance in fleet.instances)

    async def ask(self, headers: Headers, body: bytes, instance: str | None = None) -> Answer:
        """Send one request through all containers, or to the one that it names.

        Raises:
            ApiError: If it names none where it must, or one that there is not.
            BrokenAnswerError: If no whole answer came back.
        """
        return await _through(self._way(headers), headers, body, instance)

    @contextlib.asynccontextmanager
    async def stream(
        self, headers: Headers, body: bytes, instance: str | None = None
    ) -> AsyncIterator[Streamed]:
        """Send one request as `ask` does, and pass on the last container's answer in parts.

        Raises:
            ApiError, BrokenAnswerError: As `ask` does.
        """
        *before, last = self._way(headers)
        if before:
            answer = await _through(before, headers, body, instance)
            if answer.status >= CLIENT_ERROR:
                yield in_one_part(answer)
                return
            headers, body = _onward(headers, answer), answer.body
        async with last.stream(headers, body, instance) as streamed:
            yield streamed

    async def look(self, path: str) -> Answer:
        """GET ``path`` of the first container.

        Raises:
            BrokenAnswerError: If no whole answer came back.
        """
        return await next(iter(self._fleets.values())).look(path)

    async def resize(self, count: int, changed: Callable[[], None] = lambda: None) -> None:
        """Return once each container has so many instances.

        Raises:
            FleetError: If one does not come up.
        """
        await asyncio.gather(*(fleet.resize(count, changed) for fleet in self._fleets.values()))

    async def stop(self, *, drain: bool) -> None:
        """End all containers; with ``drain``, after the requests they are answering."""
        await asyncio.gather(*(fleet.stop(drain=drain) for fleet in self._fleets.values()))

    def _way(self, headers: Headers) -> Sequence[Fleet]:
        """Return the containers that a request goes through."""
        name = dict(headers).get(TARGET_CONTAINER)
        if not self._is_direct:
            if name is not None:
                raise refused(
                    "A target container host name needs a model whose containers run in mode Direct."
                )
            return tuple(self._fleets.values())
        if name is None:
            raise refused("The request is missing a target container host name header.")
        if name not in self._fleets:
            raise refused(f"There is no container with the host name {name}.")
        return (self._fleets[name],)


async def _through(fleets: Sequence[Fleet], headers: Headers, body: bytes, instance: str | None) -> Answer:
    """Return what the last of ``fleets`` answers, or the first that does not pass the request on."""
    first, *others = fleets
    answer = await first.ask(headers, body, instance)
    for fleet in others:
        if answer.status >= CLIENT_ERROR:
            break
        answer = await fleet.ask(_onward(headers, answer), answer.body, instance)
    return answer


def _onward(headers: Headers, answer: Answer) -> Headers:
    """Return the headers for the next container: it gets the content type of what it gets."""
    kept = [(name, value) for name, value in headers if name != "content-type"]
    return [*kept, *((name, value) for name, value in answer.headers if name == "content-type")]


@dataclass(frozen=True, slots=True)
class Composing:
    """Starts the fleets of every kind of variant.

    Attributes:
        launch_one: Starts the fleet of a variant with one container and one artifact.
        exists: Tells whether there is such a bucket with such a key.
        most_models: How many models of a multi-model endpoint are loaded at once.
    """

    launch_one: Launch
    exists: Callable[[Scope, str, str], bool]
    most_models: int

    async def launch(
        self, place: Place, variant: Variant, *, group: str | None = None, fault: Fault | None = None
    ) -> Fleet:
        """Return the fleet of ``variant`` once it answers.

        Args:
            place: What it belongs to.
            variant: How many instances of what.
            group: The log group of its containers; without, that of the endpoint.
            fault: What is to go wrong with its containers.

        Raises:
            FleetError: If it does not come up. Nothing of it is left then but its log.
        """
        start = partial(self.launch_one, place, group=group, fault=fault)
        is_served = is_emulated(variant.container.get("Image", ""))
        if is_multi_model(variant) and is_served:
            return self._many(place.scope, variant, start)
        if "Containers" not in variant.container:
            return await start(variant)
        async with AsyncExitStack() as started:
            fleets: dict[str, Fleet] = {}
            for number, container in enumerate(variant.container["Containers"], 1):
                fleet = await start(replace(variant, container=container))
                started.push_async_callback(fleet.stop, drain=False)
                fleets[container.get("ContainerHostname", f"container-{number}")] = fleet
            started.pop_all()
        return Pipeline(variant, fleets)

    def _many(self, scope: Scope, variant: Variant, start: Callable[[Variant], Awaitable[Fleet]]) -> Fleet:
        def load(url: str) -> Awaitable[Fleet]:
            single = {
                name: value
                for name, value in variant.container.items()
                if name not in {"Mode", "MultiModelConfig", "ModelDataSource"}
            }
            return start(replace(variant, container={**single, "ModelDataUrl": url}, count=1))

        return ManyModels(variant, load, lambda url: self.exists(scope, *place_of(url)), self.most_models)


def is_direct(model: Content) -> bool:
    """Tell whether requests name the container of ``model`` that they are for."""
    return bool((model.get("InferenceExecutionConfig") or {}).get("Mode") == DIRECT)
