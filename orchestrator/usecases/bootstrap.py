"""Set an account up: bring its stacks to what the templates say, and tell what became of them.

A change is drafted, which changes nothing, and carried out, which waits until the stack has settled. Drafting
again is how an interrupted run goes on: CloudFormation remembers what it was asked for.
"""

import contextlib
from collections.abc import Collection
from dataclasses import dataclass, replace

from orchestrator.core import stacks
from orchestrator.core.errors import CloudError, ConflictError, RefusedError, UnhealthyError
from orchestrator.core.resources import Pairs
from orchestrator.core.stacks import STACK_TAG, Action, Change, Proposal, Stack, Standing
from orchestrator.usecases import settling
from orchestrator.usecases.settling import UNCHANGED, Site


@dataclass(frozen=True, slots=True)
class Wanted:
    """A stack as it is to be.

    Attributes:
        subject: Which template it is of: ``account`` or ``endpoint``.
        parameters: Those that somebody has a wish about; the others stay as the stack has them.
        bare: The template without what is to be changed of resources that are taken over, if any may be.
    """

    name: str
    subject: str
    template: str
    parameters: Pairs = ()
    tags: Pairs = ()
    bare: str | None = None

    def proposal(self, found: Stack | None) -> Proposal:
        """Return what to ask CloudFormation for, if the stack is as it was ``found``."""
        is_new = stacks.standing(found) is Standing.ABSENT
        given = {key for key, _ in self.parameters}
        had = set() if found is None or is_new else {key for key, _ in found.parameters}
        kept = tuple(key for key in stacks.parameters_of(self.template) if key in had - given)
        tags = tuple(sorted({**dict(self.tags), STACK_TAG: self.subject}.items()))
        return Proposal(self.name, self.template, self.parameters, kept, tags, is_new)


@dataclass(frozen=True, slots=True)
class Draft:
    """A change of one stack that was decided and not carried out.

    Attributes:
        before: The stack as it was; ``None`` if it is to be created.
        changes: What happens to its resources.
        is_shared: Whether somebody has drafted its creation before: then there is a stack without resources.
    """

    wanted: Wanted
    before: Stack | None
    proposal: Proposal
    changes: tuple[Change, ...]
    is_shared: bool = False

    @property
    def protects(self) -> bool:
        """Whether the stack could be deleted by mistake until now."""
        return self.before is None or not self.before.protected

    @property
    def takes_over(self) -> bool:
        """Whether something that is there already becomes the stack's."""
        return any(change.action is Action.TAKE_OVER for change in self.changes)

    @property
    def nothing_to_do(self) -> bool:
        """Whether the stack is as it is to be."""
        return not self.changes and not self.protects


@dataclass(frozen=True, slots=True)
class Remains:
    """A stack whose creation failed: it has to be deleted before it can be made.

    Attributes:
        causes: What failed, in AWS's words.
    """

    stack: Stack
    causes: tuple[str, ...]


def remains(name: str, site: Site) -> Remains | None:
    """Return what a creation that failed has left of a stack; ``None`` if nothing is in the way."""
    found = site.stacks.find(name)
    if found is None or stacks.standing(found) is not Standing.NEVER_MADE:
        return None
    return Remains(found, settling.sentences(stacks.causes(site.stacks.events(found))))


def clear(left: Remains, site: Site) -> None:
    """Delete what a creation that failed has left of a stack.

    Raises:
        UnhealthyError: If it cannot be deleted.
    """
    stack, seen = left.stack, settling.seen(left.stack, site)
    settled = _delete(stack, seen, site)
    if settled is not None:
        raise UnhealthyError(
            f"stack '{stack.name}' cannot be deleted",
            details=settling.causes(stacks.causes(site.stacks.events(settled), seen)),
            hint=f"aws cloudformation describe-stack-events --stack-name {stack.name}",
        )


def _delete(stack: Stack, seen: Collection[str], site: Site) -> Stack | None:
    """Delete a stack and wait for it; return it if it is there nevertheless."""
    site.stacks.delete(stack)
    settled = settling.settle(stack.name, site, seen, until=lambda now: not settling.moves(now))
    return None if settled is None or settled.identity != stack.identity else settled


def draft(wanted: Wanted, site: Site) -> Draft:
    """Return what would change, as CloudFormation says; its answer is kept until `carry_out` or `discard`.

    A change of our own that an interrupted run has left under way is waited for first.

    Raises:
        ConflictError: If somebody else changes the stack, or has made it and would lose by this.
        RefusedError: If the stack cannot be changed as it is, or CloudFormation refuses to.
    """
    found = _settled(wanted, site)
    proposal = wanted.proposal(found)
    site.stacks.propose(proposal)
    before = None if proposal.is_new else found
    made = Draft(wanted, before, proposal, (), is_shared=proposal.is_new and found is not None)
    try:
        changes = _answered(proposal, site)
    except ConflictError:
        # Ours is gone: what has its name by now is of somebody else who asks for the same.
        raise
    except BaseException:
        discard(made, site)
        raise
    try:
        _check_whose(wanted, found, changes)
    except ConflictError:
        discard(made, site)
        raise
    if not changes:
        discard(made, site)
    return replace(made, changes=changes)


def discard(made: Draft, site: Site) -> None:
    """Leave no trace of a draft that is not carried out."""
    # Whoever may not tidy up still has to hear why this was not carried out.
    with contextlib.suppress(CloudError):
        site.stacks.withdraw(made.proposal)
        ends = made.before is None and not made.is_shared
        found = site.stacks.find(made.wanted.name) if ends else None
        if found is not None and found.status == "REVIEW_IN_PROGRESS":
            _delete(found, settling.seen(found, site), site)


def carry_out(made: Draft, site: Site) -> Stack:
    """Change the stack, wait until it has settled, and return it.

    Raises:
        RolledBackError: If it failed, and is as it was before.
        UnhealthyError: If it failed, and is neither what it was nor what was asked for.
        StillMovingError: If our patience ended before.
        ConflictError: If somebody has changed the stack since the draft.
    """
    name = made.wanted.name
    if made.takes_over and made.wanted.bare is not None:
        return _take_over_and_change(made, made.wanted.bare, site)
    if made.changes:
        begun = site.stacks.find(name)
        seen = settling.seen(begun, site)
        # What was there before this must outlive its failure, whatever CloudFormation counts as created.
        site.stacks.carry_out(made.proposal, retains=made.takes_over)
        settled = settling.settle(name, site, seen, until=lambda now: now is None or not settling.moves(now))
        settling.judge(name, settled, seen, site)
    found = site.stacks.find(name)
    if found is not None and not found.protected:
        site.stacks.protect(name)
        found = site.stacks.find(name)
    if found is None:
        raise settling.gone(name)
    return found


def _take_over_and_change(made: Draft, bare: str, site: Site) -> Stack:
    """Take over what is there as it is, then change it: CloudFormation does not do both at once.

    Whoever is interrupted between the two finds the second left to do.
    """
    site.stacks.withdraw(made.proposal)
    wanted = replace(made.wanted, bare=None)
    carry_out(draft(replace(wanted, template=bare), site), site)
    return carry_out(draft(wanted, site), site)


def _settled(wanted: Wanted, site: Site) -> Stack | None:
    """Return the stack when nothing moves in it any more."""
    found = site.stacks.find(wanted.name)
    if found is not None and stacks.standing(found) is Standing.MOVING:
        if not stacks.is_under_way(wanted.proposal(found), site.stacks.events(found)):
            raise ConflictError(
                f"stack '{wanted.name}' is being changed by somebody else",
                details=[("state", f"{found.status}; nothing has been changed by this command")],
                hint="wait until it has settled, then run the same command again",
            )
        found = settling.settle(wanted.name, site, None, until=lambda now: not settling.moves(now))
    if found is None or stacks.standing(found) in {Standing.ABSENT, Standing.READY}:
        return found
    if stacks.standing(found) is Standing.NEVER_MADE:
        # It was ours, it was under way, and it has failed only now.
        settling.judge(wanted.name, found, (), site)
    raise settling.stuck(found)


def _answered(proposal: Proposal, site: Site) -> tuple[Change, ...]:
    began = site.clock.now()
    while True:
        answer = site.stacks.answer(proposal)
        if answer.refusal:
            raise RefusedError(
                f"stack '{proposal.stack}' cannot be changed like this",
                details=[
                    ("AWS", answer.refusal),
                    *(("missing", action) for action in stacks.missing_actions([answer.refusal])),
                    UNCHANGED,
                ],
            )
        if answer.changes is not None:
            return answer.changes
        settling.wait(proposal.stack, "is being looked at", began, site)


def _check_whose(wanted: Wanted, found: Stack | None, changes: Collection[Change]) -> None:
    """Check that nobody loses what the orchestrator has not made.

    Raises:
        ConflictError: If somebody would.
    """
    lost = [change for change in changes if change.loses]
    if found is None or found.is_ours or not lost:
        return
    raise ConflictError(
        f"stack '{wanted.name}' was not made by the orchestrator, and would lose what it has",
        details=[
            ("loses", ", ".join(f"{change.name} ({change.kind})" for change in lost)),
            UNCHANGED,
        ],
        hint="orchestrator bootstrap --stack-name NAME          make one of another name",
    )
