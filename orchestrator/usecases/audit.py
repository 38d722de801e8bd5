"""Check that the record of an endpoint is whole: the chain, its head, and the anchor at the endpoint."""

from dataclasses import dataclass

from orchestrator.core import heads, journal
from orchestrator.core.journal import Entry
from orchestrator.usecases.edge import Edge


@dataclass(frozen=True, slots=True)
class Audited:
    """A journal in which nothing was changed, taken out or put in.

    Attributes:
        entries: How many there are.
        last: The last one; ``None`` in an empty journal.
        head_behind: By how many entries the head lags behind: more than 0 after a crash.
        anchored: Up to which entry the endpoint's tag vouches for it; ``None`` if it has no such tag or there
            is no endpoint.
        attempts: How many attempts it tells of.
    """

    entries: int
    last: Entry | None
    head_behind: int
    anchored: int | None
    attempts: int

    @property
    def anchor_behind(self) -> int:
        """How many entries nothing but the head vouches for: what was written since the last deployment."""
        return self.entries - (self.anchored or 0)


def verify(endpoint: str, edge: Edge) -> Audited:
    """Check the journal of ``endpoint``.

    Raises:
        ConflictError: If something was changed, taken out, put in or cut off, naming the entry.
    """
    # In this order each may be further than the one before: somebody may be deploying.
    found = edge.cloud.endpoint(endpoint)
    head = edge.journal.head()
    entries = edge.journal.entries()
    passed = heads.replay(endpoint, entries, head)
    anchored = None if found is None else heads.check_anchor(endpoint, passed, found.tags)
    return Audited(
        entries=len(entries),
        last=entries[-1] if entries else None,
        head_behind=len(entries) - (0 if head is None else head.number),
        anchored=anchored,
        attempts=len(journal.deployments(entries)),
    )
