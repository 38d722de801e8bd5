"""Show what happens to CloudFormation's stacks: what would change, and what does."""

from collections.abc import Sequence

from orchestrator.cli import render
from orchestrator.cli.boundary import InterruptedByUserError
from orchestrator.cli.terminal import Terminal
from orchestrator.cli.transfer import duration
from orchestrator.core.stacks import Action, Change, Event, Stack
from orchestrator.usecases.bootstrap import Draft

_MARKS = {
    Action.ADD: "+",
    Action.TAKE_OVER: ">",
    Action.MODIFY: "~",
    Action.REPLACE: "!",
    Action.MAY_REPLACE: "!",
    Action.REMOVE: "-",
}
_WORDS = {
    Action.ADD: "to add",
    Action.TAKE_OVER: "to take over",
    Action.MODIFY: "to change",
    Action.REPLACE: "to replace",
    Action.MAY_REPLACE: "perhaps to replace",
    Action.REMOVE: "to remove",
}


class TerminalOnlooker:
    """The `Onlooker` port on a terminal: a line for each resource that is done, or failed."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._shown = ""

    def happened(self, stack: str, event: Event) -> None:
        """Tell what is over, and what goes wrong; the rest only to those who want more."""
        line = f"      {event.status:<20} {event.name} ({event.kind})"
        if event.failed:
            self._terminal.status("")
            self._terminal.say(f"{line}: {event.reason or 'no reason given'}", style="red")
        elif event.status.endswith("_COMPLETE") and not event.of_stack:
            self._terminal.status("")
            self._terminal.say(line)
        else:
            self._terminal.detail(f"{line} of {stack}")

    def waiting(self, stack: str, status: str, elapsed_seconds: float) -> None:
        """Show what is being waited for."""
        self._terminal.status(f"      {stack}: {status}, {duration(elapsed_seconds)}")
        told = f"      {stack}: {status}"
        if not self._terminal.live and told != self._shown:
            self._terminal.detail(told)
            self._shown = told


def text(draft: Draft) -> str:
    """Return what would change in a stack, a resource a line; what is lost is said in so many words."""
    name = draft.wanted.name
    if draft.nothing_to_do:
        return f"stack {name}: nothing to do"
    rows = [_row(change) for change in draft.changes]
    lines = [f"stack {name}{' (new)' if draft.before is None else ''}:"]
    lines += render.table(rows).splitlines() if rows else []
    lines += ["  termination protection: on"] if draft.protects else []
    return "\n".join(lines)


def _row(change: Change) -> tuple[str, str, str]:
    of = f": {', '.join(change.properties)}" if change.properties else ""
    loss = {
        Action.REPLACE: f"replaced, and {change.physical or 'the old one'} given up{of}",
        Action.MAY_REPLACE: f"may be replaced, and {change.physical or 'the old one'} given up{of}",
        Action.REMOVE: f"removed from the stack: {change.physical}",
        Action.TAKE_OVER: "is there already, and taken over",
        Action.MODIFY: f"changed{of}",
        Action.ADD: "",
    }
    return (f"  {_MARKS[change.action]} {change.name}", change.kind, loss[change.action])


def summary(drafts: Sequence[Draft]) -> str:
    """Return what would change in some stacks, counted.

    >>> from orchestrator.core.stacks import Proposal
    >>> from orchestrator.usecases.bootstrap import Wanted
    >>> made = (Change(Action.ADD, "Key", "AWS::KMS::Key"), Change(Action.REMOVE, "Mail", "AWS::SNS::Topic"))
    >>> summary([Draft(Wanted("s", "account", ""), None, Proposal("s", ""), made)])
    '1 to add, 1 to remove'
    """
    actions = [change.action for draft in drafts for change in draft.changes]
    counts = [f"{actions.count(action)} {word}" for action, word in _WORDS.items() if action in actions]
    return ", ".join(counts) or "termination protection"


def interrupted(draft: Draft) -> InterruptedByUserError:
    """Return what is told of a change that nobody waits for any longer."""
    error = InterruptedByUserError()
    error.add_detail("state", f"stack {draft.wanted.name}: what AWS has begun goes on")
    error.hint = "orchestrator bootstrap          look again, and go on: nothing is made twice"
    return error


def document(draft: Draft, outcome: str, stack: Stack | None) -> dict[str, object]:
    """Return a stack for scripts.

    Args:
        draft: What was decided.
        outcome: What became of it.
        stack: As it is now; ``None`` if it is not there.
    """
    return {
        "name": draft.wanted.name,
        "template": draft.wanted.subject,
        "outcome": outcome,
        "status": stack.status if stack is not None else None,
        "changes": [
            {
                "action": str(change.action),
                "resource": change.name,
                "type": change.kind,
                "physical_id": change.physical or None,
                "properties": list(change.properties),
            }
            for change in draft.changes
        ],
        "outputs": {} if stack is None else dict(stack.outputs),
    }
