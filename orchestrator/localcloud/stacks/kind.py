"""A kind of resource: what it takes to make one, to change it and to delete it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from orchestrator.localcloud.stacks.forms import Form
from orchestrator.localcloud.stackworld import Made
from orchestrator.localcloud.world import Scope

ALL = "*"
"""All properties but the tags."""

Properties = Mapping[str, Any]
"""The properties of a resource, as its form has fitted them, with its name among them."""


@dataclass(frozen=True, slots=True)
class Hand:
    """What works on resources.

    Attributes:
        client: Returns a boto3 client of the local cloud itself, by its service.
        scope: Where the stack is.
    """

    client: Callable[[str], Any]
    scope: Scope


class Create(Protocol):
    """Makes a resource."""

    def __call__(self, hand: Hand, properties: Properties, /) -> Made:
        """Return what was made."""
        ...


class Update(Protocol):
    """Changes a resource in its place."""

    def __call__(self, hand: Hand, made: Made, old: Properties, new: Properties, /) -> Made:
        """Return what it is then."""
        ...


class Delete(Protocol):
    """Deletes a resource; whether it is there does not matter."""

    def __call__(self, hand: Hand, made: Made, properties: Properties, /) -> None:
        """Delete it."""
        ...


def settled_at_once(_hand: Hand, _made: Made) -> bool:
    """Say that nothing has to be waited for."""
    return True


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of resource.

    Attributes:
        name: Such as ``AWS::S3::Bucket``.
        form: Returns the form of its properties; models of services are large, and read when they are needed.
        update: ``None`` if any change takes another one in its place.
        attributes: What ``Fn::GetAtt`` gives.
        required: The properties that it must have.
        replacing: The properties whose change takes another one in its place; `ALL` for all but tags.
        named: The property that is its name, which is generated if it is absent; empty if it has none.
        name_length: The most characters that a generated name may have.
        settled: Tells whether it has come to be, or to be what it was changed to; raises if it failed.
        gone: Tells whether it is gone.
        find: Returns what there is of that name already, to take it into a stack; ``None`` if that cannot be.
    """

    name: str
    form: Callable[[], Form]
    create: Create
    delete: Delete
    update: Update | None = None
    attributes: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    replacing: frozenset[str] = field(default_factory=frozenset)
    named: str = ""
    name_length: int = 64
    settled: Callable[[Hand, Made], bool] = settled_at_once
    gone: Callable[[Hand, Made], bool] = settled_at_once
    find: Callable[[Hand, str], Made | None] | None = None

    def replaces(self, name: str) -> bool:
        """Tell whether a change of a property takes another one in its place."""
        return self.update is None or name in self.replacing or (ALL in self.replacing and name != "Tags")
