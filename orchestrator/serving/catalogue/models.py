"""Several models in one server: loaded and unloaded through the API that multi-model endpoints use.

The container keeps a model whose `model_fn` has raised MemoryError in its list, without workers; here nothing
stays of one that did not load.
"""

import asyncio
import functools
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from orchestrator.core.errors import OrchestratorError
from orchestrator.serving import answers
from orchestrator.serving.catalogue import registrations
from orchestrator.serving.catalogue.descriptions import VERSION, Facts
from orchestrator.serving.catalogue.paths import Paths, Shown
from orchestrator.serving.catalogue.registrations import RefusedError, Registration
from orchestrator.serving.catalogue.tenants import Pool, Tenant, proportional_bytes
from orchestrator.serving.contract import Contract
from orchestrator.serving.crew.process import LoadError, ending
from orchestrator.serving.messages import Request, Response
from orchestrator.serving.ports import Asked, Observer, OnPart, Situation

# What a worker says of itself, and what is said of one that was killed; 137 is a shell's number for SIGKILL.
_NO_MEMORY = re.compile(
    r"([\w.]+\.)?_?(Array)?MemoryError(:.*)?"
    rf"|the worker ended with ({re.escape(ending(-9))}|{re.escape(ending(137))}) while loading the model",
    re.DOTALL,
)

Start = Callable[[str, Path], AbstractAsyncContextManager[Pool]]
"""Given the name and the folder of a model, starts its workers, which end with the block."""


class NoRoomError(Exception):
    """The loaded models and the new one would have more memory than they may."""


class Models:
    """The models of a multi-model server: `ports.Workers` for ``/invocations``, and the room for other paths.

    Used as an asynchronous context, at the end of which every model is unloaded.

    Args:
        start: Starts the workers of one model.
        contract: The container's.
        observer: Is told of models that come and go: ``model-loaded``, ``model-failed``, ``model-unloaded``.
        base: What a relative folder is relative to.
        max_memory_bytes: Of all workers, shared pages counted once. A model that would need more is not kept,
            and SageMaker, told so by a 507, unloads others.
    """

    startup: str | None = None

    def __init__(
        self,
        start: Start,
        contract: Contract,
        observer: Observer,
        *,
        base: Path,
        max_memory_bytes: int | None = None,
    ) -> None:
        self._start = start
        self._contract = contract
        self._observer = observer
        self._base = base
        self._max_memory_bytes = max_memory_bytes
        self._tenants: dict[str, Tenant] = {}
        # Also those that are leaving, which have no name any more.
        self._tasks: set[asyncio.Task[None]] = set()
        self._paths = Paths(self, contract)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def is_ready(self) -> bool:
        """Always: one model that is being started again must not cost the others their instance."""
        return True

    @property
    def can_change(self) -> bool:
        """Whether TS_ENABLE_MODEL_API is set; else the container answers 405: the trap ``model-api-off``."""
        return self._contract.model_api

    def shown(self) -> Mapping[str, Shown]:
        """Return the models that are loaded, by name."""
        loaded = {name: tenant for name, tenant in self._tenants.items() if tenant.has_loaded}
        return {name: Shown(tenant.facts, tenant, tenant.look) for name, tenant in loaded.items()}

    def look(self) -> Situation:
        """Return how all workers are at this moment."""
        situations = [tenant.look() for tenant in self._tenants.values()]
        workers = tuple(state for situation in situations for state in situation.workers)
        return Situation(workers, sum(situation.waiting for situation in situations))

    async def ask(self, request: Request, on_part: OnPart) -> Response:
        """Return the answer of the model that the query or the form of ``request`` names."""
        return await self._paths.ask(request, on_part)

    async def answer(self, asked: Asked, on_part: OnPart) -> Response | None:
        """Return the answer to a request for one of TorchServe's paths."""
        return await self._paths.answer(asked, on_part)

    async def register(self, asked: Asked) -> Response:
        """Load a model, and answer when it has loaded or nothing is left of it.

        Raises:
            RefusedError: If it cannot be done.
        """
        wish = registrations.read(asked)
        folder = self._base / wish.url
        if not _is_folder(folder):
            raise registrations.not_found(wish.url)
        registrations.check_name(wish.name)
        if wish.name in self._tenants:
            message = f"Model version {VERSION} is already registered for model {wish.name}"
            raise RefusedError(409, "ConflictStatusException", message)
        tenant = self._moved_in(wish, folder)
        if not await tenant.settled():
            return _failed(wish.name, tenant.task)
        self._observer.happened("model-loaded", text=f"model '{wish.name}' is loaded", model=wish.name)
        workers = self._contract.workers
        status = f'Model "{wish.name}" Version: {VERSION} registered with {workers} initial workers'
        return answers.found({"status": status})

    async def unregister(self, name: str) -> Response:
        """Let the model answer what is in flight, end its workers, and say so."""
        await self._tenants.pop(name).leave()
        return answers.found({"status": f'Model "{name}" unregistered'})

    def _moved_in(self, wish: Registration, folder: Path) -> Tenant:
        facts = Facts(wish.name, wish.url, datetime.now(UTC), is_startup=False, batch_delay=wish.batch_delay)
        start = functools.partial(self._start, wish.name, folder)
        seconds = self._contract.response_timeout_seconds
        tenant = Tenant(facts, start, self._admit, drain_seconds=seconds)
        self._tenants[wish.name] = tenant
        self._tasks.add(tenant.task)
        tenant.task.add_done_callback(lambda task: self._moved_out(tenant, task))
        return tenant

    def _moved_out(self, tenant: Tenant, task: "asyncio.Task[None]") -> None:
        name = tenant.facts.name
        self._tasks.discard(task)
        if self._tenants.get(name) is tenant:
            del self._tenants[name]
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._observer.happened("model-unloaded", text=f"model '{name}' is unloaded", model=name)
        else:
            self._observer.happened("model-failed", text=f"model '{name}' is not loaded: {error}", model=name)

    def _admit(self, pool: Pool) -> None:
        """Check that there is room for the model of ``pool``, which has just loaded.

        Raises:
            NoRoomError: If there is not.
        """
        if self._max_memory_bytes is None:
            return
        used = proportional_bytes([*self.look().workers, *pool.states()])
        if used > self._max_memory_bytes:
            raise NoRoomError(f"all models would have {used} bytes of memory, of {self._max_memory_bytes}")


def _failed(name: str, task: "asyncio.Task[None]") -> Response:
    """Return the answer for a model that has not loaded; a bug of ours is raised again."""
    message = f"Failed to start workers for model {name} version: {VERSION}"
    try:
        task.result()
    except (OrchestratorError, OSError, NoRoomError) as error:
        status = 507 if _is_out_of_memory(error) else 500
        answer = answers.failure(status, "InternalServerException", message)
        return replace(answer, trace=error.traceback) if isinstance(error, LoadError) else answer
    except asyncio.CancelledError:
        # The server ends.
        return answers.failure(500, "InternalServerException", message)
    raise AssertionError("a model that has come to a good end has loaded before")


def _is_out_of_memory(error: Exception) -> bool:
    """Tell whether TorchServe would say 507: MemoryError was raised, or the worker was killed."""
    if isinstance(error, LoadError):
        return _NO_MEMORY.fullmatch(error.error) is not None
    return isinstance(error, NoRoomError)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        # Longer than any path, for one.
        return False
