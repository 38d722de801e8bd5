"""CloudFormation's stacks: what is asked of them, what is seen of them, and what their states mean.

Knows the life of a stack as CloudFormation's user guide tells it ("Stack status codes"); must not know what
is in one.
"""

import enum
import hashlib
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrator.core.resources import Pairs

STACK_TAG = "orchestrator:stack"
"""On every stack that the orchestrator has made, and what is in it; says which template it is of."""

_REVIEW = "REVIEW_IN_PROGRESS"
_READY = frozenset(
    {
        "CREATE_COMPLETE",
        "UPDATE_COMPLETE",
        "UPDATE_ROLLBACK_COMPLETE",
        "UPDATE_FAILED",
        "IMPORT_COMPLETE",
        "IMPORT_ROLLBACK_COMPLETE",
    }
)
_NEVER_MADE = frozenset({"CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"})
_AS_BEFORE = frozenset({"ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"})
_AS_ASKED = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})
# IAM's words, which CloudFormation repeats in the reason of an event.
_NOT_AUTHORIZED = re.compile(r"not authorized to perform:? ([a-z0-9-]+:[A-Za-z*]+)")


class Standing(enum.Enum):
    """What can be done with a stack."""

    ABSENT = enum.auto()
    """It can be created: there is none, or one of which there is nothing but change sets."""
    READY = enum.auto()
    """It can be updated."""
    NEVER_MADE = enum.auto()
    """Its creation failed: all that CloudFormation does with it is deleting it."""
    MOVING = enum.auto()
    """Something is being done with it."""
    STUCK = enum.auto()
    """Somebody has to look at it: it could neither be brought back nor deleted."""


class Ending(enum.Enum):
    """What became of a change of a stack."""

    ARRIVED = enum.auto()
    AS_BEFORE = enum.auto()
    BROKEN = enum.auto()


class Action(enum.StrEnum):
    """What happens to one resource of a stack."""

    ADD = "add"
    TAKE_OVER = "take-over"
    MODIFY = "modify"
    REPLACE = "replace"
    MAY_REPLACE = "may-replace"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack as it was seen.

    Attributes:
        status: CloudFormation's word.
        protected: Whether it refuses to be deleted.
    """

    name: str
    identity: str
    status: str
    reason: str = ""
    parameters: Pairs = ()
    outputs: Pairs = ()
    tags: Pairs = ()
    protected: bool = False

    @property
    def is_ours(self) -> bool:
        """Whether the orchestrator has made it."""
        return any(key == STACK_TAG for key, _ in self.tags)


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one resource.

    Attributes:
        name: In the template.
        kind: Its type, such as ``AWS::S3::Bucket``.
        physical: What it is called in AWS; empty if it is to be made.
        properties: Which of its properties change.
    """

    action: Action
    name: str
    kind: str
    physical: str = ""
    properties: tuple[str, ...] = ()

    @property
    def loses(self) -> bool:
        """Whether what is there now is gone afterwards, or may be."""
        return self.action in {Action.REPLACE, Action.MAY_REPLACE, Action.REMOVE}


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a resource, or to the stack itself.

    Attributes:
        name: In the template; the stack's own for the stack.
        of_stack: Whether it is about the stack as a whole.
        token: What whoever began the change gave it to be known by.
    """

    identity: str
    name: str
    kind: str
    status: str
    reason: str = ""
    of_stack: bool = False
    token: str = ""

    @property
    def failed(self) -> bool:
        """Whether this is a failure, and not merely a consequence of another one."""
        return self.status.endswith("_FAILED") and "cancelled" not in self.reason.lower()


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change of a stack that is asked for.

    Attributes:
        kept: The names of parameters that stay as the stack has them.
        is_new: Whether the stack is to be created.
    """

    stack: str
    template: str
    parameters: Pairs = ()
    kept: tuple[str, ...] = ()
    tags: Pairs = ()
    is_new: bool = False

    @property
    def name(self) -> str:
        """What its change set is called, and its events' tokens begin with: the same for the same wish.

        What is kept is left out: a stack that is being created has parameters of its own already.
        """
        content = [self.template, sorted(self.parameters), sorted(self.tags)]
        return f"orchestrator-{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What CloudFormation says to a proposal.

    Attributes:
        changes: ``None`` while it has not looked yet; none, if the stack is as it was asked for.
        refusal: Why it cannot be; empty if it can.
    """

    changes: tuple[Change, ...] | None
    refusal: str = ""


class Stacks(Protocol):
    """CloudFormation in one region of one account. All methods raise `CloudError` or one of its kind."""

    def find(self, name: str) -> Stack | None:
        """Return the stack as it is now, or ``None``."""
        ...

    def propose(self, proposal: Proposal) -> None:
        """Ask for a change set, in the place of one of its name; `ConflictError` if one comes between."""
        ...

    def answer(self, proposal: Proposal) -> Answer:
        """Return what became of the change set so far; `ConflictError` if somebody has withdrawn it."""
        ...

    def carry_out(self, proposal: Proposal, *, retains: bool) -> None:
        """Begin to change the stack.

        If it fails, what it has created is removed again; with ``retains``, all but what the template keeps
        when it is removed.
        """
        ...

    def withdraw(self, proposal: Proposal) -> None:
        """Delete the change set, if it is there."""
        ...

    def events(self, stack: Stack) -> tuple[Event, ...]:
        """Return all that has happened to the stack, oldest first."""
        ...

    def delete(self, stack: Stack) -> None:
        """Begin to delete it."""
        ...

    def protect(self, name: str) -> None:
        """Let the stack refuse to be deleted."""
        ...


def standing(stack: Stack | None) -> Standing:
    """Return what can be done with a stack.

    >>> standing(None), standing(Stack("s", "id", "UPDATE_ROLLBACK_FAILED"))
    (<Standing.ABSENT: 1>, <Standing.STUCK: 5>)
    """
    if stack is None or stack.status in {_REVIEW, "DELETE_COMPLETE"}:
        return Standing.ABSENT
    if stack.status in _READY:
        return Standing.READY
    if stack.status in _NEVER_MADE:
        return Standing.NEVER_MADE
    return Standing.MOVING if stack.status.endswith("_IN_PROGRESS") else Standing.STUCK


def ending(stack: Stack) -> Ending:
    """Return what became of a change, once the stack has settled."""
    if stack.status in _AS_ASKED:
        return Ending.ARRIVED
    return Ending.AS_BEFORE if stack.status in _AS_BEFORE else Ending.BROKEN


def causes(events: Sequence[Event], seen: Collection[str] = ()) -> tuple[Event, ...]:
    """Return the failures of the last change of a stack, without what they have led to.

    Args:
        events: Of the stack, oldest first.
        seen: The identities of those that happened before the change.
    """
    since = [event for event in events if event.identity not in seen]
    begun = [place for place, event in enumerate(since) if event.of_stack and _begins(event.status)]
    last = since[begun[-1] :] if begun else since
    return tuple(event for event in last if event.failed and not event.of_stack)


def is_under_way(proposal: Proposal, events: Sequence[Event]) -> bool:
    """Tell whether what happens to a stack at the moment is what is proposed, whoever began it."""
    tokens = [event.token for event in events if event.of_stack]
    return bool(tokens) and tokens[-1].startswith(proposal.name)


def _begins(status: str) -> bool:
    return status in {"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", _REVIEW}


def missing_actions(reasons: Sequence[str]) -> tuple[str, ...]:
    """Return the actions that somebody lacks the permission for, by what AWS says.

    >>> missing_actions(["User: ada is not authorized to perform: iam:CreateRole on resource: role/x"])
    ('iam:CreateRole',)
    """
    found = (match[1] for reason in reasons for match in _NOT_AUTHORIZED.finditer(reason))
    return tuple(dict.fromkeys(found))


def parameters_of(template: str) -> tuple[str, ...]:
    r"""Return the names of the parameters that one of our templates declares.

    Ours are written in YAML's block style, two spaces to the level; this reads no others.

    >>> parameters_of("Parameters:\n  Name:\n    Type: String\nResources: {}\n")
    ('Name',)
    """
    _, _, rest = f"\n{template}".partition("\nParameters:\n")
    block = re.split(r"^\S", rest, maxsplit=1, flags=re.MULTILINE)[0]
    return tuple(re.findall(r"^  (\w+):", block, flags=re.MULTILINE))
