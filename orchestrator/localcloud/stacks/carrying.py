"""Stacks as they are made, changed and deleted: one thing after the other, and back if one fails."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.stacks.marking import cut_off, turned
from orchestrator.localcloud.stacks.planning import tagged
from orchestrator.localcloud.stacks.settling import (
    backwards,
    drop_or_leave,
    is_replaced,
    settle_outputs,
    undone,
)
from orchestrator.localcloud.stacks.templates import Declared, template
from orchestrator.localcloud.stacks.viewing import present
from orchestrator.localcloud.stacks.working import KEPT, Ground, ResourceFailedError, Worker
from orchestrator.localcloud.stackworld import Stack, StackResource, Values
from orchestrator.localcloud.world import Scope

_START_SECONDS = 1.0
_log = logging.getLogger(__name__)
_FAILURES = (ResourceFailedError, ApiError)


@dataclass(frozen=True, slots=True)
class Order:
    """How an operation is to be carried out.

    Attributes:
        on_failure: ``ROLLBACK``, ``DELETE`` or ``DO_NOTHING``.
        adopts: The resources that are there already and are taken over.
        deletes_kept: Whether a rollback deletes even what is to be kept, if this operation has made it.
        token: The ``ClientRequestToken``.
    """

    on_failure: str = "ROLLBACK"
    adopts: frozenset[str] = frozenset()
    deletes_kept: bool = False
    token: str = ""


def order_of(request: Mapping[str, Any], on_failure: str) -> Order:
    """Return how a request wants an operation carried out.

    Raises:
        ApiError: If it is to end in a way that there is not.
    """
    chosen = "DO_NOTHING" if request.get("DisableRollback") else on_failure
    if chosen not in {"DELETE", "DO_NOTHING", "ROLLBACK"}:
        raise ApiError("ValidationError", f"'{chosen}' is none of DO_NOTHING, ROLLBACK, DELETE")
    token, deletes_kept = request.get("ClientRequestToken"), request.get("RetainExceptOnCreate")
    return Order(chosen, deletes_kept=bool(deletes_kept), token=str(token or ""))


class _Stopped(Exception):  # noqa: N818 - no error: the stack is to be deleted
    """What is under way is to end, since the stack is to be deleted."""


class Carrier:
    """Carries out what is asked of stacks, in the background.

    Args:
        ground: What it stands on.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._running: dict[str, asyncio.Task[None]] = {}
        self._stopping: set[str] = set()

    def create(self, scope: Scope, identity: str, order: Order) -> None:
        """Make a stack, whose status says so already."""
        worker = self._worker(scope, identity, order)
        self._start(worker, self._create(worker, order))

    def update(self, scope: Scope, identity: str, order: Order) -> None:
        """Let a stack become what it wants, whose status says so already."""
        worker = self._worker(scope, identity, order)
        self._start(worker, self._update(worker, order))

    def delete(self, scope: Scope, identity: str, retained: frozenset[str], order: Order) -> None:
        """Delete a stack, whose status says so already; what is being done to it ends first."""
        before = self._running.get(identity)
        if before is not None:
            self._stopping.add(identity)
        worker = self._worker(scope, identity, order)
        self._start(worker, self._delete(worker, retained, before))

    async def close(self) -> None:
        """Let everything be as far as it has come."""
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _worker(self, scope: Scope, identity: str, order: Order) -> Worker:
        return Worker(self._ground, scope, identity, order.token)

    def _start(self, worker: Worker, work: Coroutine[Any, Any, None]) -> None:
        identity = worker.id
        task = self._running[identity] = asyncio.create_task(work)

        def ended(_: object) -> None:
            if self._running.get(identity) is task:
                del self._running[identity]
            if not task.cancelled() and (error := task.exception()) is not None and worker.has_stack:
                # A fault of our own: a stack that said IN_PROGRESS for good could not even be deleted.
                _log.error("stack %s was given up", identity, exc_info=error)
                why = f"the local cloud failed: {type(error).__name__}: {error}"
                worker.edit(lambda stack: cut_off(stack, worker.now(), why))

        task.add_done_callback(ended)

    async def _create(self, worker: Worker, order: Order) -> None:
        await self._ground.pace.wait(_START_SECONDS)
        try:
            await self._each(worker, lambda declared, values: self._made(worker, declared, values, order))
            settle_outputs(self._ground, worker)
        except _Stopped:
            return
        except _FAILURES as error:
            await self._undo_creation(worker, order, str(error))
        else:
            self._turn(worker, "CREATE_COMPLETE")

    async def _made(self, worker: Worker, declared: Declared, values: Values, order: Order) -> None:
        await worker.make(declared, values, adopt=declared.logical in order.adopts)

    async def _undo_creation(self, worker: Worker, order: Order, why: str) -> None:
        if order.on_failure == "DO_NOTHING":
            self._turn(worker, "CREATE_FAILED", why)
            return
        is_deleted = order.on_failure == "DELETE"
        self._turn(worker, "DELETE_IN_PROGRESS" if is_deleted else "ROLLBACK_IN_PROGRESS", why)
        kept = set() if order.deletes_kept else KEPT
        try:
            await self._drop_all(worker, lambda each: each.kept in kept or each.logical in order.adopts)
        except _FAILURES as error:
            self._turn(worker, "DELETE_FAILED" if is_deleted else "ROLLBACK_FAILED", str(error))
            return
        worker.edit(lambda stack: replace(stack, outputs={}))
        if is_deleted:
            self._finish_deletion(worker)
        else:
            self._turn(worker, "ROLLBACK_COMPLETE")

    async def _update(self, worker: Worker, order: Order) -> None:
        await self._ground.pace.wait(_START_SECONDS)
        before, begun = worker.stack, list[StackResource | str]()
        try:
            await self._each(
                worker, lambda declared, values: self._changed(worker, declared, values, order, begun)
            )
            settle_outputs(self._ground, worker)
        except _Stopped:
            return
        except _FAILURES as error:
            if order.on_failure == "DO_NOTHING":
                self._turn(worker, "UPDATE_FAILED", str(error))
            else:
                await self._undo_update(worker, before, begun, order, str(error))
            return
        self._turn(worker, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        replaced = [each for each in begun if isinstance(each, StackResource) and is_replaced(worker, each)]
        await self._clean(worker, replaced)
        worker.edit(lambda stack: replace(stack, before=None))
        self._turn(worker, "UPDATE_COMPLETE")

    async def _changed(
        self,
        worker: Worker,
        declared: Declared,
        values: Values,
        order: Order,
        begun: list[StackResource | str],
    ) -> None:
        """Let one resource become what it is to be; `begun` gets what it was, or its name if it is new."""
        old = worker.stack.resources.get(declared.logical)
        if old is None or not old.made.physical:
            begun.append(declared.logical)
            await self._made(worker, declared, values, order)
            return
        asked = (values, declared.kind, declared.kept, declared.replaced, declared.metadata)
        if asked == (old.properties, old.kind, old.kept, old.replaced, old.metadata):
            return
        begun.append(old)
        kind = self._ground.kinds[declared.kind]
        names = old.properties.keys() | values.keys()
        changed = [name for name in names if old.properties.get(name) != values.get(name)]
        if old.kind != declared.kind or any(map(kind.replaces, changed)):
            await worker.take_place(old, declared, values)
        else:
            await worker.change(old, declared, values)

    async def _undo_update(
        self, worker: Worker, before: Stack, begun: list[StackResource | str], order: Order, why: str
    ) -> None:
        self._turn(worker, "UPDATE_ROLLBACK_IN_PROGRESS", why)
        made = list[StackResource]()
        try:
            for each in reversed(begun):
                if (more := await undone(worker, each)) is not None:
                    made.append(more)
        except _FAILURES as error:
            self._turn(worker, "UPDATE_ROLLBACK_FAILED", str(error))
            return
        self._turn(worker, "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
        kept = set() if order.deletes_kept else KEPT
        for each in made:
            is_member = each.logical not in before.resources
            keeps = each.logical in order.adopts or (is_member and each.kept in kept)
            await drop_or_leave(worker, each, kept=keeps, is_member=is_member)
        wanted = before.before or before.wanted
        worker.edit(lambda stack: replace(stack, wanted=wanted, before=None, outputs=before.outputs))
        self._turn(worker, "UPDATE_ROLLBACK_COMPLETE")

    async def _clean(self, worker: Worker, replaced: list[StackResource]) -> None:
        """Delete what other resources have taken the place of, and what the template has no more."""
        for each in reversed(replaced):
            policy = worker.stack.resources[each.logical].replaced
            await drop_or_leave(worker, each, kept=policy in KEPT, is_member=False)
        found = template(worker.stack.wanted.body)
        staying = present(found, worker.view(found))
        for each in backwards(worker.stack):
            if each.logical not in staying:
                await drop_or_leave(worker, each, kept=each.kept != "Delete", is_member=True)

    async def _delete(
        self, worker: Worker, retained: frozenset[str], before: asyncio.Task[None] | None
    ) -> None:
        if before is not None:
            await asyncio.gather(before, return_exceptions=True)
            self._stopping.discard(worker.stack.id)
        await self._ground.pace.wait(_START_SECONDS)
        try:
            await self._drop_all(worker, lambda each: each.kept != "Delete" or each.logical in retained)
        except _FAILURES as error:
            self._turn(worker, "DELETE_FAILED", str(error))
            return
        self._finish_deletion(worker)

    def _finish_deletion(self, worker: Worker) -> None:
        now = worker.now()
        worker.edit(lambda stack: replace(stack, deleted=now, outputs={}, changesets={}))
        self._turn(worker, "DELETE_COMPLETE")

    async def _drop_all(self, worker: Worker, kept: Callable[[StackResource], bool]) -> None:
        failed = list[str]()
        for each in backwards(worker.stack):
            try:
                await worker.drop(each, kept=kept(each))
            except ResourceFailedError as error:
                failed.append(error.logical)
        if failed:
            listed = ", ".join(failed)
            raise ApiError("ResourcesFailed", f"The following resource(s) failed to delete: [{listed}].")

    async def _each(
        self, worker: Worker, work: Callable[[Declared, Values], Coroutine[Any, Any, None]]
    ) -> None:
        """Work on each resource of the template, with its properties as they come to be by then."""
        stack = worker.stack
        found = template(stack.wanted.body)
        view = worker.view(found)
        for declared in present(found, view).values():
            if stack.id in self._stopping:
                raise _Stopped
            await work(declared, tagged(declared, view, stack.wanted, self._ground.kinds))

    def _turn(self, worker: Worker, status: str, reason: str = "") -> None:
        worker.edit(lambda stack: turned(stack, status, worker.now(), reason, worker.token))
