"""Bring up who answers for a model folder: interpreter, spawner, workers.

One spawner is kept for as long as workers start from the same interpreter, environment and modules, so that
a reload, or one model of several, does not pay for importing torch again.
"""

import contextlib
import sys
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from orchestrator.core.errors import SpecError
from orchestrator.serving.catalogue.models import Models
from orchestrator.serving.contract import (
    CODE_FOLDER,
    Contract,
    Fidelity,
    count,
    worker_environment,
)
from orchestrator.serving.contract import read as contract_of
from orchestrator.serving.crew.batches import Batching
from orchestrator.serving.crew.pool import Pool, Site, running
from orchestrator.serving.crew.spawning import Origin, Spawner, preload, spawning
from orchestrator.serving.messages import Assignment
from orchestrator.serving.ports import Observer, Situation
from orchestrator.serving.preparing import environments
from orchestrator.serving.preparing.folders import ModelFolder, linked
from orchestrator.serving.traps import refused

MODEL_MEMORY_MB = "ORCHESTRATOR_MODEL_MEMORY_MB"
"""The variable that limits the memory of all models of a multi-model server; without it there is no limit."""

_REQUIREMENTS = "requirements.txt"
_MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Served:
    """A model folder and the container's environment.

    Attributes:
        folder: The unpacked archive.
        environment: All of it, such as SAGEMAKER_PROGRAM.
    """

    folder: Path
    environment: Mapping[str, str]


@dataclass(frozen=True)
class InPlace:
    """A model folder that is served where it lies: the simplest `Source`.

    Attributes:
        folder, environment: See `Served`.
    """

    folder: Path
    environment: Mapping[str, str]

    def watched(self) -> Collection[Path]:
        """Return the folder."""
        return [self.folder]

    @contextlib.contextmanager
    def built(self) -> Iterator[Served]:
        """Yield the folder itself."""
        yield Served(self.folder, self.environment)


@dataclass(frozen=True, slots=True)
class House:
    """The rules of one server, the same for all that it ever serves.

    Attributes:
        cores: The processors of this machine.
        fidelity: How closely to follow the container.
        workers: In place of what the environment says; ``None`` leaves it to that.
        installs: Whether ``code/requirements.txt`` is installed.
        cache: Where the environments for that are kept; ``None`` is `environments.default_cache`.
    """

    cores: int
    fidelity: Fidelity = Fidelity.HELPFUL
    workers: int | None = None
    installs: bool = True
    cache: Path | None = None


@dataclass(slots=True)
class _Shared:
    """A spawner, what ends it, and how many pools use it now."""

    origin: Origin
    spawner: Spawner
    open: contextlib.AsyncExitStack
    users: int = 0


class Staff:
    """Brings up pools; used as an asynchronous context, at the end of which all spawners have ended."""

    def __init__(self, house: House, observer: Observer) -> None:
        self._house = house
        self._observer = observer
        self._shared: list[_Shared] = []
        self._pools: list[Pool] = []
        self._contract: Contract | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for shared in self._shared:
            await shared.open.aclose()

    @property
    def contract(self) -> Contract:
        """What the environment of the latest pool asks; there has to have been one."""
        if self._contract is None:
            raise LookupError("nothing has been served yet")
        return self._contract

    def read(self, served: Served) -> Contract:
        """Return what the environment asks of the container.

        Raises:
            SpecError: If a number in it is none; in strict fidelity also for each trap.
        """
        code = [path.name for path in (served.folder / CODE_FOLDER).glob("*")]
        house, environment = self._house, served.environment
        if house.workers is not None:
            environment = {**environment, "SAGEMAKER_MODEL_SERVER_WORKERS": str(house.workers)}
        contract = contract_of(environment, code=code, cores=house.cores, fidelity=house.fidelity)
        if house.workers is not None:
            # SAGEMAKER_TS_... goes before that variable, but not before an option.
            contract = replace(contract, workers=house.workers)
        for slug, found in contract.traps:
            self._report(slug, found)
        return contract

    def look(self) -> Situation:
        """Return how all workers are at this moment."""
        loaded = [pool.loaded for pool in self._pools if pool.loaded is not None]
        return Situation(
            workers=tuple(state for pool in self._pools for state in pool.states()),
            waiting=sum(pool.waiting for pool in self._pools),
            describes=loaded[-1].describes if loaded else {},
        )

    @contextlib.asynccontextmanager
    async def models(self, served: Served) -> AsyncIterator[Models]:
        """Yield the models of a multi-model container, none of which is loaded yet.

        Raises:
            SpecError: See `read`.
        """
        contract = self._contract = self.read(served)

        def start(name: str, folder: Path) -> contextlib.AbstractAsyncContextManager[Pool]:
            return self.model(ModelFolder.of(folder), name, served, contract)

        limit = served.environment.get(MODEL_MEMORY_MB)
        max_bytes = None if limit is None else count(served.environment, MODEL_MEMORY_MB, 1) * _MEGABYTE
        base = served.folder
        async with Models(start, contract, self._observer, base=base, max_memory_bytes=max_bytes) as models:
            yield models

    @contextlib.asynccontextmanager
    async def pool(self, served: Served) -> AsyncIterator[Pool]:
        """Yield workers for ``served``, of which the first may still have to load its model.

        Raises:
            ArtifactError: If its requirements cannot be installed; in strict fidelity also for a trap.
            SpecError: See `read`.
        """
        contract = self.read(served)
        if contract.multi_model:
            raise SpecError(
                "several models cannot be reloaded", hint="leave out --reload: models are loaded by the API"
            )
        model = ModelFolder.of(served.folder)
        if model.is_nested:
            self._report("one-root-folder", f"'{model.folder.name}/'")
        async with self.model(model, "model", served, contract) as pool:
            self._contract = contract
            yield pool

    @contextlib.asynccontextmanager
    async def model(
        self, model: ModelFolder, name: str, served: Served, contract: Contract
    ) -> AsyncIterator[Pool]:
        """Yield workers for one ``model``, which may be one of several.

        Args:
            model: Where it lies.
            name: What `Context.model_name` says.
            served: Its environment.
            contract: What `read` has made of that.

        Raises:
            ArtifactError: If its requirements cannot be installed.
        """
        batching = Batching(contract.batch_size, contract.batch_delay_seconds)
        origin = await self._origin(model, served, contract)
        async with self._spawner(origin) as spawner:
            with linked(model.folder) as link:
                assignment = Assignment(
                    root=str(model.root),
                    folder=str(model.folder),
                    model_dir=str(link),
                    module=contract.module,
                    default_accept=contract.default_accept,
                    fidelity=self._house.fidelity,
                    name=name,
                    multi_model=contract.multi_model,
                    max_response_bytes=contract.max_response_bytes,
                    batch_size=contract.container_batch_size,
                )
                site = Site(assignment, batching=batching if batching.max_size > 1 else None)
                async with running(site, contract, spawner, self._observer) as pool:
                    self._pools.append(pool)
                    try:
                        yield pool
                    finally:
                        self._pools.remove(pool)

    async def _origin(self, model: ModelFolder, served: Served, contract: Contract) -> Origin:
        variables = worker_environment(served.environment, contract, cores=self._house.cores)
        interpreter = await self._interpreter(model, served, contract)
        return Origin(variables, str(interpreter), preload(model.root))

    @contextlib.asynccontextmanager
    async def _spawner(self, origin: Origin) -> AsyncIterator[Spawner]:
        """Yield the spawner for ``origin``; it is kept until one for another origin is wanted."""
        shared = next((known for known in self._shared if known.origin == origin), None)
        unused: list[_Shared] = []
        if shared is None:
            unused = [known for known in self._shared if not known.users]
            open_ = contextlib.AsyncExitStack()
            # No process is started yet, so nothing else happens before the new one is known.
            shared = _Shared(origin, await open_.enter_async_context(spawning(origin)), open_)
            self._shared = [known for known in self._shared if known.users] + [shared]
        shared.users += 1
        try:
            for known in unused:
                await known.open.aclose()
            yield shared.spawner
        finally:
            shared.users -= 1

    async def _interpreter(self, model: ModelFolder, served: Served, contract: Contract) -> Path:
        listed = model.root / CODE_FOLDER / _REQUIREMENTS
        if contract.multi_model and listed.is_file():
            # Fixed paths: the toolkit looks at /opt/ml/model/code, where no model of several lies.
            self._report("requirements-ignored", f"'{CODE_FOLDER}/{_REQUIREMENTS}'")
        if contract.multi_model or not self._house.installs:
            return Path(sys.executable)
        cache = self._house.cache or environments.default_cache(served.environment)
        return await environments.prepared(listed, cache, served.environment, self._say)

    def _say(self, line: str) -> None:
        self._observer.happened("installing", text=line)

    def _report(self, slug: str, found: str) -> None:
        if self._house.fidelity is Fidelity.STRICT:
            raise refused(slug, found)
        self._observer.happened("trap", trap=slug, found=found)
