"""CloudFormation in memory: stacks of templates whose resources it is told, each step as long as one look."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from orchestrator.core.errors import CloudError, ConflictError, RefusedError
from orchestrator.core.resources import Pairs
from orchestrator.core.stacks import Action, Answer, Change, Event, Proposal, Stack

STACK = "AWS::CloudFormation::Stack"
Template = Mapping[str, str]
"""The types of a template's resources, by name."""


@dataclass
class FakeStacks:
    """The `Stacks` port in memory.

    Attributes:
        templates: What is in each template, by its text.
        defaults: The value that a parameter has if nobody gives one.
        failures: Why a resource cannot be made or changed, by its name.
        refusal: Raised by every call, if it is set.
        there: The names of resources that are there without a stack, which are taken over.
        looks: How many looks a change takes.
        called: The calls that change something, in order.
    """

    templates: dict[str, Template]
    defaults: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    refusal: CloudError | None = None
    there: set[str] = field(default_factory=set)
    looks: int = 2
    called: list[str] = field(default_factory=list)
    stacks: dict[str, Stack] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)
    moving: dict[str, list[Stack | None]] = field(default_factory=dict)
    told: dict[str, list[Event]] = field(default_factory=dict)
    proposals: dict[tuple[str, str], tuple[Proposal, int]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def find(self, name: str) -> Stack | None:
        self._answer()
        if following := self.moving.get(name):
            self._enter(name, following.pop(0))
        return self.stacks.get(name)

    def propose(self, proposal: Proposal) -> None:
        self._answer()
        self.called.append(f"propose {proposal.stack}")
        found = self.stacks.get(proposal.stack)
        if found is None:
            self._enter(proposal.stack, self._stack(proposal, "REVIEW_IN_PROGRESS"))
        elif proposal.is_new != (found.status == "REVIEW_IN_PROGRESS"):
            raise RefusedError(f"stack {proposal.stack} is in {found.status} state")
        self.proposals[proposal.stack, proposal.name] = (proposal, self.looks)

    def answer(self, proposal: Proposal) -> Answer:
        self._answer()
        if (proposal.stack, proposal.name) not in self.proposals:
            raise ConflictError(f"stack '{proposal.stack}' is no longer what the change was made for")
        found, left = self.proposals[proposal.stack, proposal.name]
        if left > 1:
            self.proposals[proposal.stack, proposal.name] = (found, left - 1)
            return Answer(None)
        return Answer(self._changes(proposal))

    def carry_out(self, proposal: Proposal, *, retains: bool) -> None:
        self._answer()
        self.called.append(f"carry out {proposal.stack}{' retaining' if retains else ''}")
        if (proposal.stack, proposal.name) not in self.proposals:
            raise ConflictError(f"stack '{proposal.stack}' is no longer what the change was made for")
        verb = "CREATE" if proposal.is_new else "UPDATE"
        changed = [change for change in self._changes(proposal) if change.action is not Action.REMOVE]
        failed = [change for change in changed if change.name in self.failures]
        before = self.stacks[proposal.stack]
        self.proposals = {key: value for key, value in self.proposals.items() if key[0] != proposal.stack}
        self.tokens[proposal.stack] = f"{proposal.name}-{next(self.numbers)}"
        self._enter(proposal.stack, self._stack(proposal, f"{verb}_IN_PROGRESS"))
        for change in changed:
            reason = self.failures.get(change.name, "")
            status = f"{verb}_{'FAILED' if reason else 'COMPLETE'}"
            self._tell(proposal.stack, change.name, change.kind, status, reason)
        back = "ROLLBACK" if proposal.is_new else "UPDATE_ROLLBACK"
        if failed:
            ends = [replace(before, status=f"{back}_IN_PROGRESS"), replace(before, status=f"{back}_COMPLETE")]
        else:
            self.made[proposal.stack] = proposal.template
            ends = [self._stack(proposal, f"{verb}_COMPLETE")]
        self.moving[proposal.stack] = [*[self.stacks[proposal.stack]] * (self.looks - 1), *ends]

    def withdraw(self, proposal: Proposal) -> None:
        self._answer()
        self.proposals.pop((proposal.stack, proposal.name), None)

    def events(self, stack: Stack) -> tuple[Event, ...]:
        self._answer()
        return tuple(self.told.get(stack.identity, ()))

    def delete(self, stack: Stack) -> None:
        self._answer()
        self.called.append(f"delete {stack.name}")
        self._enter(stack.name, replace(stack, status="DELETE_IN_PROGRESS"))
        if stack.name in self.failures:
            reason = self.failures[stack.name]
            self.moving[stack.name] = [replace(stack, status="DELETE_FAILED", reason=reason)]
        else:
            self.moving[stack.name] = [None]
            self.made.pop(stack.name, None)

    def protect(self, name: str) -> None:
        self._answer()
        self.called.append(f"protect {name}")
        self.stacks[name] = replace(self.stacks[name], protected=True)

    def _answer(self) -> None:
        if self.refusal is not None:
            raise self.refusal

    def _enter(self, name: str, stack: Stack | None) -> None:
        if stack is None:
            del self.stacks[name]
            return
        had = self.stacks.get(name)
        self.stacks[name] = stack
        if had is None or had.status != stack.status:
            self._tell(name, name, STACK, stack.status, stack.reason)

    def _tell(self, stack: str, name: str, kind: str, status: str, reason: str) -> None:
        identity = self.stacks[stack].identity
        token = self.tokens.get(stack, "")
        event = Event(f"{next(self.numbers)}", name, kind, status, reason, kind == STACK, token)
        self.told.setdefault(identity, []).append(event)

    def _stack(self, proposal: Proposal, status: str) -> Stack:
        had = self.stacks.get(proposal.stack)
        return Stack(
            name=proposal.stack,
            identity=f"stack/{proposal.stack}/{next(self.numbers)}" if had is None else had.identity,
            status=status,
            parameters=self._parameters(proposal),
            outputs=(("Made", proposal.stack),) if status.endswith("_COMPLETE") else (),
            tags=proposal.tags,
            protected=had is not None and had.protected,
        )

    def _parameters(self, proposal: Proposal) -> Pairs:
        had = self.stacks.get(proposal.stack)
        kept = dict(had.parameters) if had is not None else {}
        given = {key: value for key, value in kept.items() if key in proposal.kept}
        return tuple(sorted({**self.defaults, **given, **dict(proposal.parameters)}.items()))

    def _changes(self, proposal: Proposal) -> tuple[Change, ...]:
        wanted = self.templates[proposal.template]
        had = self.templates[self.made[proposal.stack]] if proposal.stack in self.made else {}
        found = self.stacks[proposal.stack]
        differs = self._parameters(proposal) != found.parameters or proposal.tags != found.tags
        added = [
            Change(Action.TAKE_OVER if name in self.there else Action.ADD, name, kind)
            for name, kind in wanted.items()
            if name not in had
        ]
        changed = [
            Change(Action.MODIFY, name, kind, f"{proposal.stack}-{name}", ("RetentionInDays",))
            for name, kind in wanted.items()
            if name in had and differs
        ]
        removed = [
            Change(Action.REMOVE, name, kind, f"{proposal.stack}-{name}")
            for name, kind in had.items()
            if name not in wanted
        ]
        return (*added, *changed, *removed)
