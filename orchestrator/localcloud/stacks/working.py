"""Work on one resource at a time: make it, change it, delete it, and write down how it goes."""

import asyncio
import secrets
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.pace import Pace
from orchestrator.localcloud.stacks.forms import fitted
from orchestrator.localcloud.stacks.intrinsics import Sight
from orchestrator.localcloud.stacks.kind import Hand, Kind
from orchestrator.localcloud.stacks.marking import dropped, marked, noted, put
from orchestrator.localcloud.stacks.templates import Declared, Template
from orchestrator.localcloud.stacks.viewing import made_of, sight
from orchestrator.localcloud.stackworld import Made, Stack, StackResource, Values
from orchestrator.localcloud.world import Scope
from orchestrator.localcloud.worlds import Worlds

_POLL_SECONDS = 1.0
_SUFFIX = 12
_LETTERS = string.ascii_uppercase + string.digits
_LOWER = "AWS::S3::Bucket"
_REFUSALS = (ApiError, ClientError, BotoCoreError, KeyError)
KEPT = {"Retain"}
"""The policies with which a resource stays when its stack lets it go."""


class ResourceFailedError(Exception):
    """A resource could not be made, changed or deleted; its status says why."""

    def __init__(self, logical: str, why: str) -> None:
        super().__init__(f"The following resource(s) failed: [{logical}]: {why}")
        self.logical = logical
        self.why = why


@dataclass(frozen=True, slots=True)
class Ground:
    """What works on resources stands on.

    Attributes:
        client: Returns a boto3 client of the local cloud itself, by its service and scope.
        kinds: By their names.
    """

    worlds: Worlds
    client: Callable[[str, Scope], Any]
    pace: Pace
    kinds: Mapping[str, Kind]


class Worker:
    """Works on the resources of one stack.

    Args:
        ground: What it stands on.
        scope: Where the stack is.
        identity: Of the stack.
        token: The ``ClientRequestToken`` of what is under way.
    """

    def __init__(self, ground: Ground, scope: Scope, identity: str, token: str = "") -> None:
        self._ground = ground
        self.scope = scope
        self.id = identity
        self.token = token
        self._hand = Hand(lambda service: ground.client(service, scope), scope)

    @property
    def stack(self) -> Stack:
        """The stack as it is now."""
        return self._ground.worlds.at(self.scope).stacks[self.id]

    @property
    def has_stack(self) -> bool:
        """Whether the stack is there still; a reset takes it away."""
        return self.id in self._ground.worlds.at(self.scope).stacks

    def edit(self, change: Callable[[Stack], Stack]) -> None:
        """Change the stack."""
        world = self._ground.worlds.at(self.scope)
        self._ground.worlds.put(put(world, change(world.stacks[self.id])))

    def forget(self, logical: str) -> None:
        """Let the stack have a resource no more, which is there still."""
        self.edit(lambda stack: dropped(stack, logical))

    def view(self, found: Template) -> Sight:
        """Return what the functions of its template see now."""
        stack, world = self.stack, self._ground.worlds.at(self.scope)
        return sight(world, stack, found, stack.wanted, lambda name: made_of(self.stack, name))

    def now(self) -> float:
        """Return the present moment."""
        return self._ground.pace.clock()

    async def make(self, declared: Declared, properties: Values, *, adopt: bool = False) -> None:
        """Make a resource, or take over the one that is there.

        Raises:
            ResourceFailedError: If it does not come to be.
        """
        kind = self._kind(declared.kind)
        name = self._name(kind, declared.logical, properties)
        status = "IMPORT" if adopt else "CREATE"
        resource = _declared(declared, properties, f"{status}_IN_PROGRESS", name)
        self._mark(resource)
        try:
            full = self._full(kind, resource)
            made = await asyncio.to_thread(self._found, kind, name) if adopt else None
            if made is None:
                made = await asyncio.to_thread(kind.create, self._hand, full)
            resource = replace(resource, made=made, reason="" if adopt else "Resource creation Initiated")
            self._mark(resource)
            await self._until(kind.settled, made)
        except _REFUSALS as error:
            raise self._failed(replace(resource, status=f"{status}_FAILED"), error) from error
        self._mark(replace(resource, made=made, status=f"{status}_COMPLETE", reason=""))

    async def change(self, old: StackResource, declared: Declared, properties: Values) -> None:
        """Change a resource in its place.

        Raises:
            ResourceFailedError: If it cannot be.
        """
        kind = self._kind(declared.kind)
        new = replace(_declared(declared, properties, "UPDATE_IN_PROGRESS", old.name), made=old.made)
        self._mark(new)
        try:
            made = old.made
            if kind.update is not None and properties != old.properties:
                one, other = self._full(kind, old), self._full(kind, new)
                made = await asyncio.to_thread(kind.update, self._hand, old.made, one, other)
                await self._until(kind.settled, made)
        except _REFUSALS as error:
            raise self._failed(replace(new, status="UPDATE_FAILED"), error) from error
        self._mark(replace(new, made=made, status="UPDATE_COMPLETE"))

    async def take_place(self, old: StackResource, declared: Declared, properties: Values) -> None:
        """Make a resource that takes the place of another one, which stays for now.

        Raises:
            ResourceFailedError: If it does not come to be.
        """
        kind = self._kind(declared.kind)
        reason = "Requested update requires the creation of a new physical resource; hence creating one."
        waiting = replace(old, status="UPDATE_IN_PROGRESS", reason=reason)
        self._mark(waiting)
        try:
            same = old.kind == declared.kind and kind.named and properties.get(kind.named)
            if same and same == old.properties.get(kind.named):
                raise ApiError(
                    "ValidationError",
                    "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
                    f"Rename {same} and update the stack again.",
                )
            name = self._name(kind, declared.logical, properties)
            new = _declared(declared, properties, "UPDATE_IN_PROGRESS", name)
            made = await asyncio.to_thread(kind.create, self._hand, self._full(kind, new))
            # From here on both are there, whatever comes of the new one.
            waiting = replace(new, made=made, reason="Resource creation Initiated")
            self._mark(waiting)
            await self._until(kind.settled, made)
        except _REFUSALS as error:
            raise self._failed(replace(waiting, status="UPDATE_FAILED"), error) from error
        self._mark(replace(waiting, status="UPDATE_COMPLETE", reason=""))

    async def drop(self, resource: StackResource, *, kept: bool, is_member: bool = True) -> None:
        """Delete a resource, or let it go if it is to be kept.

        Args:
            resource: It.
            kept: Whether it is to be kept.
            is_member: Whether the stack has it still, and not another one in its place.

        Raises:
            ResourceFailedError: If it cannot be deleted.
        """
        write = self._mark if is_member else self._note
        kind = self._kind(resource.kind)
        if kept:
            write(replace(resource, status="DELETE_SKIPPED", reason=""))
        elif not resource.made.physical:
            write(replace(resource, status="DELETE_COMPLETE", reason=""))
        else:
            write(replace(resource, status="DELETE_IN_PROGRESS", reason=""))
            try:
                full = self._full(kind, resource)
                await asyncio.to_thread(kind.delete, self._hand, resource.made, full)
                await self._until(kind.gone, resource.made)
            except _REFUSALS as error:
                raise self._failed(replace(resource, status="DELETE_FAILED"), error, write) from error
            write(replace(resource, status="DELETE_COMPLETE", reason=""))
        if is_member:
            self.forget(resource.logical)

    def restore(self, resource: StackResource) -> None:
        """Let the stack have a resource as it was."""
        self._mark(replace(resource, status="UPDATE_COMPLETE", reason=""))

    def _kind(self, name: str) -> Kind:
        return self._ground.kinds[name]

    def _name(self, kind: Kind, logical: str, properties: Values) -> str:
        """Return the name that a resource is to get; empty if its kind has none."""
        if not kind.named:
            return ""
        if given := properties.get(kind.named):
            return str(given)
        tail = "".join(secrets.choice(_LETTERS) for _ in range(_SUFFIX))
        head = f"{self.stack.name}-{logical}"[: kind.name_length - _SUFFIX - 1].rstrip("-")
        name = f"{head}-{tail}"
        return name.lower() if kind.name == _LOWER else name

    def _full(self, kind: Kind, resource: StackResource) -> dict[str, Any]:
        """Return a resource's properties as requests have them, with its name."""
        full: dict[str, Any] = fitted(kind.form(), dict(resource.properties), resource.kind)
        return {**full, kind.named: resource.name} if kind.named else full

    def _found(self, kind: Kind, name: str) -> Made | None:
        return kind.find(self._hand, name) if kind.find is not None else None

    async def _until(self, settled: Callable[[Hand, Made], bool], made: Made) -> None:
        while not await asyncio.to_thread(settled, self._hand, made):
            await self._ground.pace.wait(_POLL_SECONDS)

    def _mark(self, resource: StackResource) -> None:
        self.edit(lambda stack: marked(stack, resource, self.now(), self.token))

    def _note(self, resource: StackResource) -> None:
        self.edit(lambda stack: noted(stack, resource, self.now(), self.token))

    def _failed(
        self,
        resource: StackResource,
        error: Exception,
        write: Callable[[StackResource], None] | None = None,
    ) -> ResourceFailedError:
        said = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        (write or self._mark)(replace(resource, reason=said))
        return ResourceFailedError(resource.logical, said)


def _declared(declared: Declared, properties: Values, status: str, name: str) -> StackResource:
    return StackResource(
        declared.logical,
        declared.kind,
        status,
        properties,
        Made(""),
        name,
        declared.kept,
        declared.replaced,
        declared.metadata,
    )
