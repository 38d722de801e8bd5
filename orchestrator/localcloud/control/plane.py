"""SageMaker's control plane: one operation from its JSON to its answer."""

from collections.abc import Callable, Mapping

from orchestrator.localcloud.cloudwatch.alarms import Watcher
from orchestrator.localcloud.control.existence import LOOK_UPS
from orchestrator.localcloud.control.operations import READS, perform
from orchestrator.localcloud.deploying.engine import Engine
from orchestrator.localcloud.faulting.faults import DEPLOYING, Call, Fault, Faults
from orchestrator.localcloud.faulting.past import Past
from orchestrator.localcloud.rules.rollouts import alarms_of
from orchestrator.localcloud.rules.validation import check
from orchestrator.localcloud.world import Content, Place, Scope
from orchestrator.localcloud.worlds import Worlds


class ControlPlane:
    """Answers the operations of `operations`, and sets the engine to work.

    Args:
        worlds: What there is.
        engine: Carries out changes of endpoints.
        alarms: For looking up what a deployment refers to.
        clock: Seconds since 1970.
        after: What to begin once an operation has changed the world, by the operation's name; it takes the
            scope and the request.
    """

    def __init__(
        self,
        worlds: Worlds,
        engine: Engine,
        alarms: Watcher,
        clock: Callable[[], float],
        after: Mapping[str, Callable[[Scope, Content], None]] | None = None,
    ) -> None:
        self._worlds = worlds
        self._engine = engine
        self._alarms = alarms
        self._clock = clock
        self._after = after or {}

    async def act(self, scope: Scope, operation: str, request: Content) -> Content:
        """Carry out an operation that a part of the local cloud asks for, which no fault befalls.

        Raises:
            ApiError: If a rule refuses it. Nothing has changed then.
        """
        return await self._carry_out(scope, operation, check(operation, request), lambda: None)

    async def call(
        self, scope: Scope, operation: str, request: object, faults: Faults, past: Past
    ) -> Content:
        """Return the answer to one operation, with what is to go wrong with it.

        Raises:
            ApiError: If the request is not valid, or a rule refuses it. Nothing has changed then.
        """
        valid: Content = check(operation, request)
        call = Call((operation,), scope.region, str(valid.get("EndpointName", "")))
        if operation in READS and (late := faults.of_read(call)):
            return READS[operation](past.at(scope, late.seconds), valid)
        return await self._carry_out(scope, operation, valid, lambda: faults.of_change(call))

    async def _carry_out(
        self, scope: Scope, operation: str, valid: Content, fault: Callable[[], Fault | None]
    ) -> Content:
        if alarms := alarms_of(valid.get("DeploymentConfig")):
            # First the rules, which cost nothing; they are asked again below, since others may have
            # been served while we looked the alarms up.
            perform(self._worlds.at(scope), operation, valid, self._clock())
            await self._alarms.check_exist(scope, alarms)
        outcome = perform(self._worlds.at(scope), operation, valid, self._clock())
        if look_up := LOOK_UPS.get(operation):
            look_up(self._worlds.at(scope), valid)
        self._worlds.change(outcome.world)
        if operation in DEPLOYING:
            self._engine.deploy(Place(scope, valid["EndpointName"]), fault())
        elif operation == "UpdateEndpointWeightsAndCapacities":
            self._engine.reshape(Place(scope, valid["EndpointName"]))
        elif operation == "DeleteEndpoint":
            self._engine.delete(Place(scope, valid["EndpointName"]))
        if begin := self._after.get(operation):
            begin(scope, valid)
        return outcome.answer
