"""Wait until a stack has settled, and say what became of it.

Knows what CloudFormation's states mean to whoever waits; must not know what is in a stack.
"""

import contextlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from orchestrator.core import stacks
from orchestrator.core.errors import (
    ConflictError,
    Detail,
    OrchestratorError,
    RefusedError,
    RolledBackError,
    StillMovingError,
    ThrottledError,
    UnhealthyError,
    UnreachableError,
)
from orchestrator.core.ports import Clock
from orchestrator.core.stacks import Ending, Event, Stack, Stacks
from orchestrator.usecases.edge import Patience

_SHORTEST_SECONDS = 0.1
UNCHANGED: Detail = ("state", "nothing has changed")


class Onlooker(Protocol):
    """Somebody who watches stacks being changed."""

    def happened(self, stack: str, event: Event) -> None:
        """See one event of a stack."""
        ...

    def waiting(self, stack: str, status: str, elapsed_seconds: float) -> None:
        """See that nothing is over yet."""
        ...


@dataclass(frozen=True, slots=True)
class Site:
    """Where stacks are, and who watches them.

    Attributes:
        patience: How often to look at a stack, and for how long.
    """

    stacks: Stacks
    clock: Clock
    onlooker: Onlooker
    patience: Patience


def settle(
    name: str, site: Site, seen: Collection[str] | None, *, until: Callable[[Stack | None], bool]
) -> Stack | None:
    """Look at a stack until something is true of it, and something has happened to it besides what was seen.

    The second since CloudFormation may show the state of before for a moment; ``None`` does not ask for it.
    """
    began, shown = site.clock.now(), set(seen or ())
    status = "not visible yet"
    while True:
        with contextlib.suppress(ThrottledError, UnreachableError):
            found = site.stacks.find(name)
            events = () if found is None else site.stacks.events(found)
            fresh = [event for event in events if event.identity not in shown]
            for event in fresh:
                site.onlooker.happened(name, event)
            shown |= {event.identity for event in fresh}
            has_moved = seen is None or found is None or bool(shown - set(seen))
            if has_moved and until(found):
                return found
            status = "gone" if found is None else found.status
        wait(name, status, began, site)


def wait(name: str, status: str, began: float, site: Site) -> None:
    """Let a moment pass before the next look.

    Raises:
        StillMovingError: If our patience has ended.
    """
    elapsed = site.clock.now() - began
    if elapsed >= site.patience.deadline_seconds:
        raise StillMovingError(
            f"stack '{name}' is not done after {elapsed:.0f} s: {status}",
            details=[("state", "what AWS has begun goes on")],
            hint="orchestrator bootstrap          look again, and go on",
        )
    site.onlooker.waiting(name, status, elapsed)
    # What is quick is seen at once, and what takes minutes is not asked about every second.
    site.clock.sleep(min(site.patience.interval_seconds, max(_SHORTEST_SECONDS, elapsed / 4)))


def judge(name: str, settled: Stack | None, seen: Collection[str], site: Site) -> None:
    """Return if a change of a stack has arrived.

    Args:
        name: The stack's.
        settled: As it is now.
        seen: The identities of the events from before the change.
        site: Where it is.

    Raises:
        RolledBackError: If it failed, and the stack is as it was before.
        UnhealthyError: If it failed, and the stack is neither what it was nor what was asked for.
        ConflictError: If there is no such stack any more.
    """
    if settled is None:
        raise gone(name)
    end = stacks.ending(settled)
    if end is Ending.ARRIVED:
        return
    details = causes(stacks.causes(site.stacks.events(settled), seen))
    again = "orchestrator bootstrap          when that is mended: what is in the way is removed first"
    if end is Ending.AS_BEFORE:
        was = "nothing is there that was not" if settled.status == "ROLLBACK_COMPLETE" else "it is as it was"
        raise RolledBackError(
            f"stack '{name}' could not be changed, and CloudFormation took it back",
            details=[*details, ("state", f"{settled.status}: {was}")],
            hint=again,
        )
    raise UnhealthyError(
        f"stack '{name}' is neither what it was nor what was asked for",
        details=[*details, ("state", settled.status)],
        hint=_way_out(settled) or again,
    )


def causes(failed: Collection[Event]) -> list[Detail]:
    """Return what is told of failures: each resource's own, and the permissions that were missing."""
    failures = [("failed", line) for line in sentences(failed)] or [("AWS", "gave no reason")]
    missing = stacks.missing_actions([event.reason for event in failed])
    return [*failures, *(("missing", action) for action in missing)]


def sentences(failed: Collection[Event]) -> tuple[str, ...]:
    """Return what failed and why, a resource at a time."""
    return tuple(f"{event.name} ({event.kind}): {event.reason or event.status}" for event in failed)


def stuck(found: Stack) -> OrchestratorError:
    """Return what is told of a stack that could neither be brought back nor deleted."""
    return RefusedError(
        f"stack '{found.name}' is {found.status}: somebody has to look at it first",
        details=[("AWS", found.reason or "gave no reason"), UNCHANGED],
        hint=_way_out(found),
    )


def _way_out(found: Stack) -> str | None:
    verb = {"UPDATE_ROLLBACK_FAILED": "continue-update-rollback", "DELETE_FAILED": "delete-stack"}
    known = verb.get(found.status)
    return known and f"aws cloudformation {known} --stack-name {found.name}"


def gone(name: str) -> ConflictError:
    """Return what is told of a stack that is no longer there."""
    return ConflictError(
        f"stack '{name}' was deleted by somebody else meanwhile", hint="run the same command again"
    )


def moves(found: Stack | None) -> bool:
    """Tell whether something is being done with the stack."""
    return found is not None and found.status.endswith("_IN_PROGRESS")


def seen(found: Stack | None, site: Site) -> frozenset[str]:
    """Return the identities of all that has happened to the stack so far."""
    return frozenset(event.identity for event in site.stacks.events(found)) if found else frozenset()
