"""CloudFormation in moto's place: one operation from its form to its answer.

Texts and error codes are AWS's where its documentation or public reports show them.
"""

import asyncio
from dataclasses import replace

from botocore.exceptions import ClientError

from orchestrator.localcloud.apierrors import ApiError, unsupported
from orchestrator.localcloud.clients import Clients
from orchestrator.localcloud.pace import Pace
from orchestrator.localcloud.stacks.asking import body_of, check_name, check_taken, checked, in_s3, wanted
from orchestrator.localcloud.stacks.carrying import Carrier, Order, order_of
from orchestrator.localcloud.stacks.catalogue import KINDS
from orchestrator.localcloud.stacks.changesets import (
    EXECUTED,
    adoptable,
    change_set,
    changeset,
    describe_change_set,
    waiting,
)
from orchestrator.localcloud.stacks.kind import Hand
from orchestrator.localcloud.stacks.marking import (
    MOVING,
    check_free,
    check_settled,
    found,
    identity,
    put,
    turned,
)
from orchestrator.localcloud.stacks.pages import Answer, Request
from orchestrator.localcloud.stacks.planning import Proposal, propose
from orchestrator.localcloud.stacks.showing import READS, summary_of
from orchestrator.localcloud.stacks.templates import Template
from orchestrator.localcloud.stacks.viewing import exported, users
from orchestrator.localcloud.stacks.working import Ground
from orchestrator.localcloud.stackworld import Stack, Wanted
from orchestrator.localcloud.world import Scope
from orchestrator.localcloud.worlds import Worlds

_REVIEW_SECONDS = 1.0
_REVIEWED = "REVIEW_IN_PROGRESS"
_DELETABLE_MOVING = {"CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"}
_INITIATED = "User Initiated"


class Stacks:
    """Answers the operations of CloudFormation.

    Args:
        worlds: What there is.
        clients: The local cloud's way to itself.
        pace: How fast its time goes.
    """

    def __init__(self, worlds: Worlds, clients: Clients, pace: Pace) -> None:
        self._worlds = worlds
        self._clients = clients
        self._pace = pace
        self._carrier = Carrier(Ground(worlds, clients.client, pace, KINDS))
        self._changes = {
            "CreateChangeSet": self._create_change_set,
            "CreateStack": self._create_stack,
            "DeleteChangeSet": self._delete_change_set,
            "DeleteStack": self._delete_stack,
            "ExecuteChangeSet": self._execute_change_set,
            "GetTemplateSummary": self._get_template_summary,
            "UpdateStack": self._update_stack,
            "UpdateTerminationProtection": self._protect,
            "ValidateTemplate": self._validate_template,
        }

    async def close(self) -> None:
        """Let everything be as far as it has come."""
        await self._carrier.close()

    async def call(self, scope: Scope, operation: str, request: Request) -> Answer:
        """Return the answer to one operation.

        Raises:
            ApiError: If it is refused. Nothing has changed then.
        """
        world = self._worlds.at(scope)
        check_taken(operation, request)
        if operation in READS:
            return READS[operation](world, request)
        if operation == "DescribeChangeSet":
            return describe_change_set(world, request, self._now())
        if operation not in self._changes:
            raise unsupported(operation)
        return await self._changes[operation](scope, request)

    def _now(self) -> float:
        return self._pace.clock()

    async def _fetched(self, scope: Scope, request: Request) -> str | None:
        """Return the template that is in S3, if the request names one."""
        place = in_s3(request)
        if place is None:
            return None
        s3 = self._clients.client("s3", scope)
        try:
            answer = await asyncio.to_thread(s3.get_object, Bucket=place[0], Key=place[1])
            content: bytes = await asyncio.to_thread(answer["Body"].read)
        except ClientError as error:
            raise ApiError("ValidationError", f"S3 error: {error}") from error
        return content.decode("utf-8", "replace")

    async def _asked(self, scope: Scope, request: Request, stack: Stack | None) -> tuple[Template, Wanted]:
        """Return the template and what else a request asks of a stack.

        Raises:
            ApiError: If it cannot be carried out.
        """
        fetched = await self._fetched(scope, request)
        body = body_of(request, fetched, stack)
        asked = await asyncio.to_thread(checked, body, KINDS)
        return asked, wanted(request, asked, body, stack)

    def _proposed(self, stack: Stack, scope: Scope, asked: Template, wish: Wanted) -> Proposal:
        return propose(self._worlds.at(scope), stack, asked, wish, KINDS)

    async def _create_stack(self, scope: Scope, request: Request) -> Answer:
        name = str(request["StackName"])
        check_name(name)
        if "OnFailure" in request and "DisableRollback" in request:
            raise ApiError(
                "ValidationError", "Both OnFailure and DisableRollback parameters cannot be specified"
            )
        asked, wish = await self._asked(scope, request, None)
        check_free(self._worlds.at(scope), name)
        stack = self._new(scope, name, wish)
        self._proposed(stack, scope, asked, wish)
        order = order_of(request, str(request.get("OnFailure", "ROLLBACK")))
        protected = bool(request.get("EnableTerminationProtection"))
        begun = replace(stack, on_failure=order.on_failure, protected=protected)
        self._put(scope, turned(begun, "CREATE_IN_PROGRESS", self._now(), _INITIATED, order.token))
        self._carrier.create(scope, stack.id, order)
        return {"StackId": stack.id}

    async def _update_stack(self, scope: Scope, request: Request) -> Answer:
        stack = found(self._worlds.at(scope), str(request["StackName"]))
        check_settled(stack)
        asked, wish = await self._asked(scope, request, stack)
        stack = found(self._worlds.at(scope), stack.id)
        check_settled(stack)
        if self._proposed(stack, scope, asked, wish).is_empty and stack.status != "UPDATE_FAILED":
            raise ApiError("ValidationError", "No updates are to be performed.")
        self._begin_update(scope, stack, wish, order_of(request, "ROLLBACK"))
        return {"StackId": stack.id}

    def _begin_update(self, scope: Scope, stack: Stack, wish: Wanted, order: Order) -> None:
        obsolete = {
            key: each if each.execution != "AVAILABLE" else replace(each, execution="OBSOLETE")
            for key, each in stack.changesets.items()
        }
        now = self._now()
        begun = replace(stack, wanted=wish, before=stack.wanted, updated=now, changesets=obsolete)
        self._put(scope, turned(begun, "UPDATE_IN_PROGRESS", now, _INITIATED, order.token))
        self._carrier.update(scope, stack.id, order)

    async def _delete_stack(self, scope: Scope, request: Request) -> Answer:
        try:
            stack = found(self._worlds.at(scope), str(request["StackName"]))
        except ApiError:
            return {}  # nothing is what was asked for
        if not stack.is_there or stack.status == "DELETE_IN_PROGRESS":
            return {}
        if stack.protected:
            why = f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled"
            raise ApiError("ValidationError", why)
        retained = frozenset(request.get("RetainResources") or ())
        if retained and stack.status != "DELETE_FAILED":
            why = "Invalid operation on stack. RetainResources can only be used when it is DELETE_FAILED"
            raise ApiError("ValidationError", why)
        if stack.status.endswith(MOVING) and stack.status not in {*_DELETABLE_MOVING, _REVIEWED}:
            raise ApiError(
                "ValidationError", f"Stack {stack.id} is in {stack.status} state and can not be deleted"
            )
        self._check_unused(scope, stack)
        order = order_of(request, "ROLLBACK")
        self._put(scope, turned(stack, "DELETE_IN_PROGRESS", self._now(), _INITIATED, order.token))
        self._carrier.delete(scope, stack.id, retained, order)
        return {}

    def _check_unused(self, scope: Scope, stack: Stack) -> None:
        world = self._worlds.at(scope)
        for name, (_, owner) in exported(world).items():
            if owner.id == stack.id and (using := users(world, name)):
                why = f"Export {name} cannot be deleted as it is in use by {using[0].name}"
                raise ApiError("ValidationError", why)

    async def _create_change_set(self, scope: Scope, request: Request) -> Answer:
        name, kind = str(request["ChangeSetName"]), str(request.get("ChangeSetType", "UPDATE"))
        check_name(name, "changeSetName")
        if kind == "IMPORT":
            raise unsupported("change sets of the type IMPORT (ImportExistingResources is)")
        stack = self._reviewed(scope, str(request["StackName"]), kind)
        waiting(stack, name)
        asked, wish = await self._asked(scope, request, stack)
        proposal = self._proposed(stack, scope, asked, wish)
        adopts = {}
        if request.get("ImportExistingResources"):
            hand = Hand(lambda service: self._clients.client(service, scope), scope)
            world = self._worlds.at(scope)
            adopts = await asyncio.to_thread(adoptable, world, asked, proposal, KINDS, hand)
        # Others may have been served meanwhile.
        stack = self._reviewed(scope, stack.name, kind)
        others = waiting(stack, name)
        made, now = change_set(scope, request, wish, proposal, adopts), self._now()
        made = replace(made, created=now, ready=now + self._pace.shortened(_REVIEW_SECONDS))
        self._put(scope, replace(stack, changesets={**others, made.id: made}))
        return {"Id": made.id, "StackId": stack.id}

    def _reviewed(self, scope: Scope, name: str, kind: str) -> Stack:
        """Return the stack that a change set is of; for ``CREATE`` a new one."""
        world = self._worlds.at(scope)
        if kind == "UPDATE":
            stack = found(world, name)
            check_settled(stack)
            return stack
        check_name(name)
        there = next((each for each in world.stacks.values() if each.name == name and each.is_there), None)
        if there is None:
            return turned(self._new(scope, name, Wanted("")), _REVIEWED, self._now(), _INITIATED)
        if there.status != _REVIEWED:
            why = f"Stack [{name}] already exists and cannot be created again with the changeSet"
            raise ApiError("ValidationError", why)
        return there

    async def _execute_change_set(self, scope: Scope, request: Request) -> Answer:
        name = str(request["ChangeSetName"])
        stack, each = changeset(self._worlds.at(scope), name, request.get("StackName"))
        if each.execution != "AVAILABLE" or self._now() < each.ready:
            why = f"ChangeSet [{each.id}] cannot be executed in its current status of [{each.status}]"
            raise ApiError("InvalidChangeSetStatus", why)
        order = replace(order_of(request, each.on_failure or "ROLLBACK"), adopts=frozenset(each.adopts))
        # "CloudFormation deletes all other change sets": user guide, "Execute a change set".
        left = {each.id: replace(each, execution=EXECUTED)}
        stack = replace(stack, changesets=left)
        if stack.status != _REVIEWED:
            check_settled(stack)
            self._begin_update(scope, stack, each.wanted, order)
            return {}
        begun = replace(stack, wanted=each.wanted, on_failure=order.on_failure)
        self._put(scope, turned(begun, "CREATE_IN_PROGRESS", self._now(), _INITIATED, order.token))
        self._carrier.create(scope, stack.id, order)
        return {}

    async def _delete_change_set(self, scope: Scope, request: Request) -> Answer:
        try:
            stack, each = changeset(
                self._worlds.at(scope), str(request["ChangeSetName"]), request.get("StackName")
            )
        except ApiError as error:
            if error.code == "ChangeSetNotFound":
                return {}
            raise
        left = {key: other for key, other in stack.changesets.items() if key != each.id}
        self._put(scope, replace(stack, changesets=left))
        return {}

    async def _protect(self, scope: Scope, request: Request) -> Answer:
        stack = found(self._worlds.at(scope), str(request["StackName"]))
        self._put(scope, replace(stack, protected=bool(request["EnableTerminationProtection"])))
        return {"StackId": stack.id}

    async def _validate_template(self, scope: Scope, request: Request) -> Answer:
        return summary_of(await self._read(scope, request), in_full=False)

    async def _get_template_summary(self, scope: Scope, request: Request) -> Answer:
        return summary_of(await self._read(scope, request), in_full=True)

    async def _read(self, scope: Scope, request: Request) -> Template:
        if name := request.get("StackName"):
            request = {"TemplateBody": found(self._worlds.at(scope), str(name)).wanted.body}
        body = body_of(request, await self._fetched(scope, request), None)
        return await asyncio.to_thread(checked, body, KINDS)

    def _new(self, scope: Scope, name: str, wish: Wanted) -> Stack:
        return Stack(identity(scope, "stack", name), name, _REVIEWED, wish, self._now())

    def _put(self, scope: Scope, stack: Stack) -> None:
        self._worlds.change(put(self._worlds.at(scope), stack))
