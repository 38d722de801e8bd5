"""Multi-model endpoints: many models behind one prefix, and requests that say which of them they are for.

Such an endpoint has a container for each model that is asked for: it starts with the first request for the
model and stays until others are asked for more recently (SageMaker developer guide, multi-model-endpoints).
How many AWS keeps depends on an instance's memory; here it is a number.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.dataplane.admission import TARGET_MODEL
from orchestrator.localcloud.dataplane.modelerrors import refused
from orchestrator.localcloud.fleets.exchange import Answer, BrokenAnswerError, Headers, Streamed
from orchestrator.localcloud.fleets.fleet import Fleet, FleetError
from orchestrator.localcloud.fleets.instances import Instance
from orchestrator.localcloud.world import Variant

# "within 60 seconds": SageMaker developer guide, invoke-multi-model-endpoint; the load goes on after that.
_LOAD_SECONDS = 60.0
_MISSING = (
    "Failed to download model data(bucket: {}, key: {}). Please ensure that there is an object located at "
    "the URL and that the role passed to CreateModel has permissions to download the model."
)


class ManyModels:
    """The fleet of a variant whose requests say which model they are for.

    Args:
        variant: Its container has a prefix in place of an artifact.
        load: Starts the fleet of the model at an address.
        exists: Tells whether there is an object at an address.
        most: How many models are loaded at once, as long as others are idle.
        load_seconds: How long a request waits for its model.
    """

    def __init__(
        self,
        variant: Variant,
        load: Callable[[str], Awaitable[Fleet]],
        exists: Callable[[str], bool],
        most: int,
        load_seconds: float = _LOAD_SECONDS,
    ) -> None:
        self.variant = variant
        self._load = load
        self._exists = exists
        settings = variant.container.get("MultiModelConfig") or {}
        self._most = 0 if settings.get("ModelCacheSetting") == "Disabled" else most
        self._load_seconds = load_seconds
        # The least recently asked for is the first.
        self._models: dict[str, asyncio.Task[Fleet]] = {}
        self._asking: dict[str, int] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._count = variant.count

    @property
    def answering(self) -> int:
        """How many requests it is answering, those among them that wait for their model."""
        return sum(self._asking.values())

    @property
    def count(self) -> int:
        """How many instances it has; each has all of the models."""
        return self._count

    @property
    def instances(self) -> tuple[Instance, ...]:
        """The processes of the models that are loaded."""
        loaded = [task.result() for task in self._models.values() if _is_loaded(task)]
        return tuple(instance for fleet in loaded for instance in fleet.instances)

    async def ask(self, headers: Headers, body: bytes, instance: str | None = None) -> Answer:
        """Send one request to the model that it names.

        Raises:
            ApiError: If it names none, there is no such model, or it is still being loaded.
            BrokenAnswerError: If no whole answer came back, or the model does not load.
        """
        async with self._loaded(headers) as fleet:
            return await fleet.ask(headers, body, instance)

    @contextlib.asynccontextmanager
    async def stream(
        self, headers: Headers, body: bytes, instance: str | None = None
    ) -> AsyncIterator[Streamed]:
        """Send one request to the model that it names, whose answer comes in parts.

        Raises:
            ApiError, BrokenAnswerError: As `ask` does.
        """
        async with self._loaded(headers) as fleet, fleet.stream(headers, body, instance) as answer:
            yield answer

    async def look(self, path: str) -> Answer:
        """Say that no container is asked without a model."""
        raise refused(f"{path} names no target model.")

    async def resize(self, count: int, changed: Callable[[], None] = lambda: None) -> None:
        """Take note of the number of instances: each of them would have the same models."""
        self._count = count
        changed()

    async def stop(self, *, drain: bool) -> None:
        """End all models; with ``drain``, after the requests they are answering."""
        if drain:
            await self._idle.wait()
        for name in tuple(self._models):
            self._unload(name, drain=drain)
        await asyncio.gather(*self._ending, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def _loaded(self, headers: Headers) -> AsyncIterator[Fleet]:
        name = dict(headers).get(TARGET_MODEL)
        if name is None:
            raise refused("The request is missing a target model header, which a multi-model endpoint needs.")
        self._asking[name] = self._asking.get(name, 0) + 1
        self._idle.clear()
        try:
            yield await self._model(name)
        finally:
            self._asking[name] -= 1
            if not self._asking[name]:
                del self._asking[name]
            self._evict()
            if not self._asking:
                self._idle.set()

    async def _model(self, name: str) -> Fleet:
        url = self.variant.container["ModelDataUrl"] + name.removeprefix("/")
        if name not in self._models and not self._exists(url):
            bucket, _, key = url.removeprefix("s3://").partition("/")
            raise refused(_MISSING.format(bucket, key))
        task = self._models.pop(name, None) or asyncio.ensure_future(self._load(url))
        self._models[name] = task
        self._evict()
        done, _ = await asyncio.wait((task,), timeout=self._load_seconds)
        if not done:
            raise ApiError("ModelNotReadyException", f"Model {name} is not ready yet.", status=429)
        error = task.exception()
        if error is None:
            return task.result()
        # The next request for it tries once more.
        if self._models.get(name) is task:
            del self._models[name]
        raise BrokenAnswerError(f"model {name} could not be loaded: {error}") from error

    def _evict(self) -> None:
        """End the least recently asked for models that nobody asks, as long as there are too many."""
        for name in [name for name in self._models if name not in self._asking]:
            if len(self._models) > self._most:
                self._unload(name, drain=True)

    def _unload(self, name: str, *, drain: bool) -> None:
        ending = asyncio.create_task(_end(self._models.pop(name), drain=drain))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)


def _is_loaded(task: asyncio.Task[Fleet]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


async def _end(task: asyncio.Task[Fleet], *, drain: bool) -> None:
    if not task.done():
        task.cancel()
    with contextlib.suppress(FleetError, asyncio.CancelledError):
        fleet = await task
        await fleet.stop(drain=drain)
