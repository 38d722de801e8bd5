"""Plan the way back to a revision that was deployed before."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from orchestrator.core import golden, journal
from orchestrator.core.errors import DeniedError, NotFoundError, RefusedError
from orchestrator.core.names import is_content_name
from orchestrator.core.notes import Note
from orchestrator.core.resources import Endpoint
from orchestrator.core.revision import Revision
from orchestrator.usecases import artifact
from orchestrator.usecases.change import AS_USUAL, Terms
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.plan import Prepared, Wish, prepare


def prepare_rollback(
    endpoint: str,
    wanted: str | None,
    edge: Edge,
    *,
    reason: str = "",
    commit: str = "",
    terms: Terms = AS_USUAL,
) -> Prepared:
    """Plan the way back to ``wanted``, or to what was deployed before the revision that serves now.

    Nothing is swept on the way: who rolls back in a hurry must not lose another way back. What the revision
    needs is looked for before anything moves; what may not be looked at is said in the notes.

    Args:
        endpoint: Its name.
        wanted: A revision's name, or the beginning of its digest, with the rest of the name or without;
            ``None`` for the previous one.
        edge: The environment.
        reason: Why, for the journal.
        commit: Of the project, for the journal.
        terms: How to get there.

    Raises:
        NotFoundError: If the journal knows no such revision.
        RefusedError: If something that the revision needs is gone, or a rule forbids the move.
        ConflictError: If the endpoint is not ours, or somebody else's change of it is under way.
    """
    history = journal.deployments(edge.journal.entries())
    revision = _choose(endpoint, wanted, journal.revisions(history), edge.cloud.endpoint(endpoint))
    wish = Wish(revision, journal.ROLLBACK, (), 0, reason=reason, commit=commit, terms=terms)
    return prepare_return(wish, edge)


def prepare_return(wish: Wish, edge: Edge) -> Prepared:
    """Plan the way back to the wish's revision, whose golden cases are those that were stored with it.

    Raises:
        RefusedError: If something that the revision needs is gone, or a rule forbids the move.
        ConflictError: If the endpoint is not ours, or somebody else's change of it is under way.
    """
    revision = wish.revision
    _check_resources(revision, edge)
    notes = tuple(_check_origins(revision, edge))
    cases = golden.from_bytes(edge.store.read(revision.golden.key)) if revision.golden else ()
    prepared = prepare(replace(wish, cases=cases), edge)
    return replace(prepared, notes=(*prepared.notes, *notes))


def _choose(endpoint: str, wanted: str | None, known: Sequence[Revision], seen: Endpoint | None) -> Revision:
    serving = None if seen is None else seen.config
    if wanted is None:
        found = [revision for revision in known if revision.name != serving][:1]
    else:
        found = [r for r in known if r.name == wanted] or [r for r in known if _begins(r, wanted)]
    if len(found) == 1:
        return found[0]
    asked = "an earlier revision" if wanted is None else f"{'only one' if found else 'a'} revision '{wanted}'"
    raise NotFoundError(
        f"the journal of endpoint '{endpoint}' does not have {asked}",
        details=[("known", ", ".join(revision.name for revision in known) or "none")],
        hint=f"orchestrator history {endpoint}",
    )


def _begins(revision: Revision, wanted: str) -> bool:
    """Tell whether ``wanted`` is the beginning of a revision's digest, or of its name and a part of that."""
    prefix, _, digest = revision.name.rpartition("-")
    beginning = wanted.removeprefix(f"{prefix}-")
    return beginning != "" and digest.startswith(beginning)


def _check_resources(revision: Revision, edge: Edge) -> None:
    """Refuse a revision whose endpoint config or models are gone and cannot be made again.

    What has a name of our form is made again from the journal. What was adopted is not ours to make.
    """
    config, own = revision.config, revision.model.name
    if not is_content_name(config.name, revision.endpoint) and edge.inventory.config(config.name) is None:
        raise _gone(revision, f"its endpoint config '{config.name}'", "it was not made by the orchestrator")
    foreign = config.models if not is_content_name(own, revision.endpoint) else config.models - {own}
    for name in sorted(foreign):
        if edge.inventory.model(name) is None:
            raise _gone(revision, f"its model '{name}'", "it was not made for this revision")


def _check_origins(revision: Revision, edge: Edge) -> Iterator[Note]:
    """Refuse a revision that cannot start; yield what we may not look at."""
    model = revision.model
    there = artifact.is_there(revision, edge.store)
    if there is False:
        raise _gone(revision, "its artifact", model.artifact)
    if there is None:
        yield Note("artifact", f"artifact '{model.artifact}' lies in another bucket: it was not looked for")
    for what, ask, name in (
        ("image", edge.account.image_problem, model.image),
        ("role", edge.account.role_problem, model.role),
    ):
        try:
            problem = ask(name)
        except DeniedError as error:
            # The error has the name of what it is about.
            yield Note(what, f"it was not looked at: {error}")
        else:
            if problem:
                raise _gone(revision, f"its {what}", f"{name}: {problem}")


def _gone(revision: Revision, what: str, needed: str) -> RefusedError:
    return RefusedError(
        f"revision '{revision.name}' cannot come back: {what} is gone",
        details=[("needed", needed), ("state", "nothing has changed")],
        hint=f"orchestrator history {revision.endpoint}          choose another revision",
    )
