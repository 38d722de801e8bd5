"""What the local cloud knows of CloudFormation, as plain values: stacks and what is in them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Values = Mapping[str, Any]
"""The properties of a resource, or the like: JSON."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a resource is, once it is there.

    Attributes:
        physical: What ``Ref`` gives.
        attributes: What ``Fn::GetAtt`` gives, by name.
    """

    physical: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StackResource:
    """A resource of a stack.

    Attributes:
        logical: Its name in the template.
        kind: Such as ``AWS::S3::Bucket``.
        status: A ``ResourceStatus`` of the API.
        properties: As they were when it was last made or changed.
        made: What it is; without a physical id if it never came to be.
        name: The name it was to get, given or generated; empty if its kind has none.
        kept: What becomes of it when it leaves the stack, a ``DeletionPolicy``.
        replaced: What becomes of it when another takes its place, an ``UpdateReplacePolicy``.
        metadata: As the template has it.
        since: When its status changed, in seconds since 1970.
        reason: Why it has that status, as it is shown.
    """

    logical: str
    kind: str
    status: str
    properties: Values
    made: Made
    name: str = ""
    kept: str = "Delete"
    replaced: str = "Delete"
    metadata: Values = field(default_factory=dict)
    since: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StackEvent:
    """One line of a stack's past.

    Attributes:
        number: It identifies the event among those of its stack.
        token: The ``ClientRequestToken`` of the operation.
    """

    number: str
    logical: str
    physical: str
    kind: str
    status: str
    at: float
    reason: str = ""
    properties: Values | None = None
    token: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a stack is to be, as somebody has asked for it.

    Attributes:
        body: The template, word for word.
        parameters: The values that were given or kept, by name; defaults are among them.
        tags: Of the stack, and of what is made.
        capabilities: What was acknowledged.
        role: The ARN that was named to work with; it has no effect.
    """

    body: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    capabilities: tuple[str, ...] = ()
    role: str = ""


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """What would become of a stack.

    Attributes:
        changes: As they are shown, in the order in which they would be carried out.
        execution: An ``ExecutionStatus`` of the API.
        ready: From when on that is its status; it is being made before. Seconds since 1970.
        adopts: The resources that are there already and would be taken over.
        on_failure: ``OnStackFailure``; empty if it was not said.
    """

    id: str
    name: str
    kind: str
    wanted: Wanted
    status: str
    execution: str
    created: float = 0.0
    ready: float = 0.0
    changes: tuple[Values, ...] = ()
    adopts: tuple[str, ...] = ()
    description: str = ""
    reason: str = ""
    on_failure: str = ""


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack, there or deleted.

    Attributes:
        id: Its ARN.
        wanted: What it is, or was last asked to be.
        before: What it was before the update that is under way.
        outputs: By name: the value, and ``export`` and ``description`` where there are any.
        resources: By logical id, in the order in which they were made.
        updated: Seconds since 1970; 0 if it never was.
        deleted: Seconds since 1970; 0 if it is not.
        on_failure: What becomes of it if it cannot be made: ``ROLLBACK``, ``DELETE`` or ``DO_NOTHING``.
    """

    id: str
    name: str
    status: str
    wanted: Wanted
    created: float
    before: Wanted | None = None
    reason: str = ""
    outputs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    resources: Mapping[str, StackResource] = field(default_factory=dict)
    events: tuple[StackEvent, ...] = ()
    changesets: Mapping[str, ChangeSet] = field(default_factory=dict)
    updated: float = 0.0
    deleted: float = 0.0
    on_failure: str = "ROLLBACK"
    protected: bool = False

    @property
    def is_there(self) -> bool:
        """Whether it can be found by its name."""
        return self.status != "DELETE_COMPLETE"
