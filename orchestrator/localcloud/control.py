"""SageMaker's control plane: one operation from its JSON to its answer."""

import asyncio
from collections.abc import Callable, Mapping

from orchestrator.localcloud.alarms import Watcher
from orchestrator.localcloud.artifacts import check_model
from orchestrator.localcloud.clients import Clients
from orchestrator.localcloud.engine import Engine
from orchestrator.localcloud.faults import DEPLOYING, Faults
from orchestrator.localcloud.fleet import Place
from orchestrator.localcloud.operations import perform
from orchestrator.localcloud.rollouts import alarms_of
from orchestrator.localcloud.validation import check
from orchestrator.localcloud.world import Content, Scope, Worlds


class ControlPlane:
    """Answers the operations of `operations`, and sets the engine to work.

    Args:
        worlds: What there is.
        engine: Carries out changes of endpoints.
        clients: For looking up what a model refers to.
        alarms: For looking up what a deployment refers to.
        clock: Seconds since 1970.
        after: What to begin once an operation has changed the world, by the operation's name; it takes the
            scope and the request.
    """

    def __init__(
        self,
        worlds: Worlds,
        engine: Engine,
        clients: Clients,
        alarms: Watcher,
        clock: Callable[[], float],
        after: Mapping[str, Callable[[Scope, Content], None]] | None = None,
    ) -> None:
        self._worlds = worlds
        self._engine = engine
        self._clients = clients
        self._alarms = alarms
        self._clock = clock
        self._after = after or {}

    async def call(self, scope: Scope, operation: str, request: object, faults: Faults) -> Content:
        """Return the answer to one operation.

        Raises:
            ApiError: If the request is not valid, or a rule refuses it. Nothing has changed then.
        """
        valid: Content = check(operation, request)
        if operation == "CreateModel" or alarms_of(valid.get("DeploymentConfig")):
            # First the rules, which cost nothing; they are asked again below, since others may have
            # been served while we looked things up.
            perform(self._worlds.at(scope), operation, valid, self._clock())
            await self._look_up(scope, operation, valid)
        outcome = perform(self._worlds.at(scope), operation, valid, self._clock())
        self._worlds.put(outcome.world)
        if operation in DEPLOYING:
            self._engine.deploy(Place(scope, valid["EndpointName"]), faults.of_change(operation))
        elif operation == "UpdateEndpointWeightsAndCapacities":
            self._engine.reshape(Place(scope, valid["EndpointName"]))
        elif operation == "DeleteEndpoint":
            self._engine.delete(Place(scope, valid["EndpointName"]))
        if begin := self._after.get(operation):
            begin(scope, valid)
        return outcome.answer

    async def _look_up(self, scope: Scope, operation: str, request: Content) -> None:
        if operation == "CreateModel":
            await asyncio.to_thread(check_model, self._clients, scope, request)
        await self._alarms.check_exist(scope, alarms_of(request.get("DeploymentConfig")))
