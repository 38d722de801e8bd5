"""Hold an endpoint while it is changed, so that nobody else changes it meanwhile.

The lock keeps two deployments apart; it is not what makes a stale holder harmless. That is the journal, each
of whose entries can be written only once: `orchestrator.usecases.recording` asks the lock before every step,
and writes the step's entry before it is carried out.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from orchestrator.core import lock
from orchestrator.core.errors import ConflictError, OrchestratorError, ThrottledError, UnreachableError
from orchestrator.core.lock import Claim, Processes
from orchestrator.core.ports import Stored
from orchestrator.usecases.edge import Edge

_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds an endpoint.

    Attributes:
        age_seconds: Since the claim was written last.
        expired: Whether anybody may take over.
    """

    claim: Claim
    age_seconds: float
    expired: bool


def holder(edge: Edge) -> Holder | None:
    """Return who holds the endpoint, or held it and never let go; ``None`` if nobody does."""
    found = edge.lock.read()
    if found is None:
        return None
    claim = lock.decode(found.content)
    gone = edge.processes is not None and edge.processes.is_gone(claim.process)
    return Holder(claim, found.age_seconds, lock.may_take(claim, found.age_seconds, gone=gone))


@contextlib.contextmanager
def hold(endpoint: str, doing: str, edge: Edge) -> Iterator["Hold"]:
    """Hold ``endpoint`` as long as this is open.

    Args:
        endpoint: Its name.
        doing: What for, such as ``deploy digits-9f3c1a2b7d10``: whoever comes second is told.
        edge: The environment.

    Raises:
        ConflictError: If somebody else holds it; at once, nothing is waited for.
        CloudError: If the lock cannot be written.
    """
    if edge.processes is None:
        raise AssertionError("an edge that is to change something needs to know its own process")
    held = Hold(endpoint, doing, edge, edge.processes)
    try:
        held.take()
        yield held
    finally:
        # An interrupt may have come between a write and its answer, so this looks for what we may have left.
        held.release()


class Hold:
    """Our claim on an endpoint."""

    def __init__(self, endpoint: str, doing: str, edge: Edge, processes: Processes) -> None:
        self._endpoint = endpoint
        self._edge = edge
        self._processes = processes
        self._claim = Claim(
            owner=edge.account.identity(),
            process=processes.ours(),
            doing=doing,
            acquired_at=datetime.fromtimestamp(edge.clock.now(), UTC).isoformat(timespec="seconds"),
            ttl_seconds=edge.patience.lease_seconds,
            nonce=processes.nonce(),
        )
        self._tag: str | None = None
        self._written_at = 0.0
        self._wrote = False
        self.lost = False

    @property
    def owner(self) -> str:
        """Who we are: the ARN of the caller."""
        return self._claim.owner

    def take(self) -> None:
        """Write our claim.

        Raises:
            ConflictError: If somebody else's stands there and holds.
            CloudError: If S3 refuses, or cannot be reached.
        """
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(UnreachableError):  # perhaps it was written: looking will tell
                if self._write(over=self._seen()):
                    return
        raise ConflictError(
            f"the lock of endpoint '{self._endpoint}' changes hands faster than we can take it",
            details=[("state", "nothing has changed")],
            hint=f"orchestrator status {self._endpoint}          who holds it",
        )

    def keep(self, *, now: bool = False) -> None:
        """Renew our claim, if it is time.

        Args:
            now: Whether in any case, since the next thing is a call that changes something. Otherwise only
                when a third of its time has passed, and an S3 that does not answer is asked again later.

        Raises:
            ConflictError: If somebody else has taken over: nothing more may be changed.
            CloudError: If S3 refuses or, with ``now``, cannot be reached.
        """
        if self.lost:
            raise lock.lost(self._endpoint, None)
        passed_seconds = self._edge.clock.now() - self._written_at
        if now:
            self._renew()
        elif lock.is_due(self._claim.ttl_seconds, passed_seconds):
            with contextlib.suppress(ThrottledError, UnreachableError):
                self._renew()

    def release(self) -> None:
        """Let go, if we hold it. What goes wrong then hides no other error: the claim runs out anyway."""
        with contextlib.suppress(OrchestratorError):
            if self._tag is not None and self._edge.lock.clear(self._tag):
                return
            found = self._edge.lock.read() if self._wrote else None
            if found is not None and self._is_ours(found):
                self._edge.lock.clear(found.tag)

    def _seen(self) -> str | None:
        """Return the tag to write over: nothing's, our own, or that of a claim that has run out.

        Raises:
            ConflictError: If somebody else's claim holds.
        """
        if not self._wrote:
            return None  # mostly nobody holds it, and one call is enough
        found = self._edge.lock.read()
        if found is None or self._is_ours(found):
            return None if found is None else found.tag
        claim = lock.decode(found.content)
        if not lock.may_take(claim, found.age_seconds, gone=self._processes.is_gone(claim.process)):
            raise lock.held(self._endpoint, claim, found.age_seconds)
        return found.tag

    def _renew(self) -> None:
        over = self._tag
        for _ in range(_ATTEMPTS):
            if self._write(over=over):
                return
            # Either somebody else has written, or it was we, and the answer was lost.
            found = self._edge.lock.read()
            if found is None or not self._is_ours(found):
                break
            over = found.tag
        self.lost = True
        self._tag = None
        found = self._edge.lock.read()
        raise lock.lost(self._endpoint, None if found is None else lock.decode(found.content))

    def _write(self, *, over: str | None) -> bool:
        self._wrote = True
        # Always another content: an ETag of S3 is a digest of it, and two equal ones could not be told apart.
        self._claim = self._claim.renewed()
        moment = self._edge.clock.now()
        tag = self._edge.lock.write(lock.encode(self._claim), over=over)
        if tag is None:
            return False
        self._tag, self._written_at = tag, moment
        return True

    def _is_ours(self, found: Stored) -> bool:
        return lock.decode(found.content).nonce == self._claim.nonce
