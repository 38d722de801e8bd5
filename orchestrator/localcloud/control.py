"""SageMaker's control plane: one operation from its JSON to its answer."""

import asyncio
from collections.abc import Callable

from orchestrator.localcloud.artifacts import check_model
from orchestrator.localcloud.clients import Clients
from orchestrator.localcloud.engine import Engine
from orchestrator.localcloud.fleet import Place
from orchestrator.localcloud.operations import perform
from orchestrator.localcloud.validation import check
from orchestrator.localcloud.world import Content, Scope, Worlds


class ControlPlane:
    """Answers the operations of `operations`, and sets the engine to work.

    Args:
        worlds: What there is.
        engine: Carries out changes of endpoints.
        clients: For looking up what a model refers to.
        clock: Seconds since 1970.
    """

    def __init__(self, worlds: Worlds, engine: Engine, clients: Clients, clock: Callable[[], float]) -> None:
        self._worlds = worlds
        self._engine = engine
        self._clients = clients
        self._clock = clock

    async def call(self, scope: Scope, operation: str, request: object) -> Content:
        """Return the answer to one operation.

        Raises:
            ApiError: If the request is not valid, or a rule refuses it. Nothing has changed then.
        """
        valid: Content = check(operation, request)
        if operation == "CreateModel":
            # First the rules, which cost nothing; they are asked again below, since others may have
            # been served while we looked the artifact up.
            perform(self._worlds.at(scope), operation, valid, self._clock())
            await asyncio.to_thread(check_model, self._clients, scope, valid)
        outcome = perform(self._worlds.at(scope), operation, valid, self._clock())
        self._worlds.put(outcome.world)
        if operation in {"CreateEndpoint", "UpdateEndpoint"}:
            self._engine.deploy(Place(scope, valid["EndpointName"]))
        elif operation == "DeleteEndpoint":
            self._engine.delete(Place(scope, valid["EndpointName"]))
        return outcome.answer
