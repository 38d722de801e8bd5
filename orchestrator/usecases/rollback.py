"""Plan the way back to a revision that was deployed before."""

from collections.abc import Sequence

from orchestrator.core import golden, journal
from orchestrator.core.errors import NotFoundError, RefusedError
from orchestrator.core.resources import State
from orchestrator.core.revision import Revision
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.plan import Prepared, Wish, prepare
from orchestrator.usecases.publish import proof_key

_KEEP_ALL = 1_000_000


def prepare_rollback(endpoint: str, wanted: str | None, edge: Edge, *, reason: str = "") -> Prepared:
    """Plan the way back to ``wanted``, or to what was deployed before the revision that serves now.

    Nothing is swept on the way: who rolls back in a hurry must not lose another way back.

    Args:
        endpoint: Its name.
        wanted: A revision's name, or the beginning of its digest; ``None`` for the previous one.
        edge: The environment.
        reason: Why, for the journal.

    Raises:
        NotFoundError: If the journal knows no such revision.
        RefusedError: If the revision's artifact is no longer in the bucket.
        ConflictError: If the endpoint is not ours, or somebody else's change of it is under way.
    """
    history = journal.deployments(edge.journal.entries())
    observed = edge.cloud.observe(endpoint)
    revision = _choose(endpoint, wanted, journal.revisions(history), observed)
    key = proof_key(endpoint, revision.artifact, uncompressed=revision.model.is_uncompressed)
    if not edge.store.exists(key):
        raise RefusedError(
            f"revision '{revision.name}' cannot come back: its artifact is gone",
            details=[("needed", edge.store.url(key)), ("state", "nothing has changed")],
            hint=f"orchestrator history {endpoint}          choose another revision",
        )
    cases = golden.from_bytes(edge.store.read(revision.golden.key)) if revision.golden else ()
    return prepare(Wish(revision, journal.ROLLBACK, cases, _KEEP_ALL, reason), edge)


def _choose(endpoint: str, wanted: str | None, known: Sequence[Revision], observed: State) -> Revision:
    serving = None if observed.endpoint is None else observed.endpoint.config
    if wanted is None:
        found = [revision for revision in known if revision.name != serving][:1]
    else:
        found = [r for r in known if r.name == wanted or r.name.rpartition("-")[2].startswith(wanted)]
    if len(found) == 1:
        return found[0]
    asked = "an earlier revision" if wanted is None else f"one revision '{wanted}'"
    raise NotFoundError(
        f"the journal of endpoint '{endpoint}' does not have {asked}",
        details=[("known", ", ".join(revision.name for revision in known) or "none")],
        hint=f"orchestrator history {endpoint}",
    )
