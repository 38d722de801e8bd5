"""Decide what has to change, without changing anything."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from orchestrator.core import journal, names, planner
from orchestrator.core.difference import Difference, planned
from orchestrator.core.errors import SpecError
from orchestrator.core.golden import Case, to_bytes
from orchestrator.core.notes import Note, meaning
from orchestrator.core.planner import Desired
from orchestrator.core.prices import Prices
from orchestrator.core.proposal import Finding
from orchestrator.core.resources import State
from orchestrator.core.revision import Golden, Revision, Source, make, tags_of
from orchestrator.core.rules import rulebook
from orchestrator.core.scaling import Scaling
from orchestrator.core.spec import S3_PREFIX, Spec
from orchestrator.core.steps import Plan
from orchestrator.core.target import Target
from orchestrator.usecases.change import AS_USUAL, Change, Terms
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.glance import glance
from orchestrator.usecases.neighbours import tidied
from orchestrator.usecases.observing import observe
from orchestrator.usecases.preflight import Question, check, inquire, propose, role_problem


@dataclass(frozen=True, slots=True)
class Prepared:
    """A change that was decided and not begun.

    Attributes:
        recorded: Whether the journal knows the desired revision as the one deployed last.
        findings: The rules that it breaks and that let it pass.
        notes: What it means: for money, for time, for the way back.
        difference: What serves against what is to serve, field by field.
    """

    change: Change
    recorded: bool = True
    findings: tuple[Finding, ...] = ()
    notes: tuple[Note, ...] = ()
    difference: tuple[Difference, ...] = ()

    @property
    def plan(self) -> Plan:
        """The steps."""
        return self.change.plan

    @property
    def nothing_to_do(self) -> bool:
        """Whether the world, and the record of it, are as they should be."""
        return not self.change.plan and self.recorded


def revision_of(spec: Spec, identity: str, cases: Sequence[Case], edge: Edge) -> Revision:
    """Return the revision that the archive with this identity makes, under the spec's settings.

    Raises:
        SpecError: If the spec lacks a setting that every deployment needs.
    """
    target = spec.target
    region = needed(target.region, "region", spec)
    source = Source(
        identity=identity,
        url=edge.store.url(artifact_place(spec, identity)),
        image=target.image or edge.images.image_uri(target.profile, region),
        role=needed(target.role, "role_arn", spec),
    )
    golden = None
    if cases:
        digest = journal.digest(to_bytes(tuple(cases)))
        golden = Golden(names.golden_key(spec.name, digest), spec.golden.atol)
    return make(spec.name, source, target.endpoint, tags=target.tags, golden=golden, scalings=target.scalings)


def terms_of(target: Target, *, accepted: tuple[str, ...] = (), wait: bool = True) -> Terms:
    """Return how the spec wants to get to a revision."""
    return Terms(target.rollout, target.alarms, target.judge, accepted, wait)


def artifact_place(spec: Spec, identity: str) -> str:
    """Return the key of the artifact, or what its keys begin with where it lies uncompressed."""
    place = names.artifact_prefix if spec.package.layout == S3_PREFIX else names.artifact_key
    return place(spec.name, identity)


def needed(value: str | None, key: str, spec: Spec) -> str:
    """Return a setting that every deployment needs.

    Raises:
        SpecError: If nobody has set it.
    """
    if value is None:
        environment = spec.target.environment
        raise SpecError(
            f"'{key}' is not set for the environment '{environment}'",
            hint=f"set it in [env.{environment}] or [defaults], or as ORCHESTRATOR_{key.upper()}",
        )
    return value


@dataclass(frozen=True, slots=True)
class Wish:
    """A revision to go to, and on what terms.

    Attributes:
        verb: For the journal.
        keep_revisions: How many revisions stay as ways back from this one; a rollback keeps all in any case.
        commit: The project's, for the journal.
        number: Of the open attempt in the journal that this goes on with.
        region: Where, if somebody knows: some rules are about it.
        asks_role: Whether to ask IAM if SageMaker can run the model as its role.
        prices: What instances cost, if somebody knows.
    """

    revision: Revision
    verb: str
    cases: tuple[Case, ...]
    keep_revisions: int
    reason: str = ""
    commit: str = ""
    terms: Terms = AS_USUAL
    number: int | None = None
    region: str = ""
    asks_role: bool = False
    prices: Prices | None = None


def prepare(wish: Wish, edge: Edge) -> Prepared:
    """Plan the way from what is observed to the wish, keeping what serves now and what was deployed last.

    Where nothing has to change, a few calls show it, however much else there is.

    Raises:
        ConflictError: If the endpoint is not ours, or somebody else's change of it is under way.
        RefusedError: If a rule of SageMaker's stands in the way.
    """
    seen = glance(_desired(wish, frozenset(), former=()), edge) if wish.number is None else None
    if seen is None:
        return _prepare(wish, edge)
    findings = check(propose(_question(wish, seen)), edge)
    _refuse(findings, wish)
    return Prepared(_change(wish, (), seen), findings=findings)


def _prepare(wish: Wish, edge: Edge) -> Prepared:
    revision = wish.revision
    history = journal.deployments(edge.journal.entries())
    observed = observe(revision.endpoint, edge, wanted=revision)
    keep = keep_of(history, observed, wish.keep_revisions, besides=revision.name)
    if wish.verb == journal.ROLLBACK:
        # Who goes back in a hurry removes nothing: also not the second time, when it serves no longer.
        keep |= {config.name for config in observed.configs}
    former = _former(history)
    whole = planner.plan(_desired(wish, keep, former), observed)
    steps, kept = tidied(whole, revision.endpoint, edge)
    proposal = inquire(_question(wish, observed), edge)
    role = role_problem(revision, edge) if steps and wish.asks_role else ()
    findings = (*role, *check(proposal, edge))
    _refuse(findings, wish)
    return Prepared(
        change=replace(_change(wish, steps, observed), owed=_owed(history, observed)),
        recorded=wish.number is None and _is_recorded(revision, history),
        findings=findings,
        notes=(*meaning(steps, proposal, wish.prices), *kept),
        difference=planned(revision, observed, former),
    )


def _question(wish: Wish, observed: State) -> Question:
    generated = wish.terms.made_for(wish.revision)
    return Question(wish.revision, wish.terms, wish.cases, generated, observed, wish.region)


def _refuse(findings: Sequence[Finding], wish: Wish) -> None:
    """Refuse what breaks a rule; what was begun already was allowed then, and may go on."""
    error = rulebook.refusal(findings, wish.terms.accepted) if wish.number is None else None
    if error is not None:
        raise error


def _desired(wish: Wish, keep: frozenset[str], former: tuple[Scaling, ...]) -> Desired:
    revision, terms = wish.revision, wish.terms
    generated = terms.made_for(revision)
    watching = (*terms.rollout.alarms, *(alarm.name for alarm in generated))
    return Desired(
        endpoint=revision.endpoint,
        config=revision.config,
        models=revision.models,
        keep=keep,
        tags=tags_of(revision.endpoint, revision.config.tags),
        rollout=replace(terms.rollout, alarms=tuple(dict.fromkeys(watching))),
        scalings=revision.scalings,
        alarms=generated,
        former=former,
    )


def _change(wish: Wish, steps: Plan, observed: State) -> Change:
    return Change(
        endpoint=wish.revision.endpoint,
        verb=wish.verb,
        plan=steps,
        observed=observed,
        revision=wish.revision,
        cases=wish.cases,
        reason=wish.reason,
        commit=wish.commit,
        terms=wish.terms,
        number=wish.number,
    )


def _former(history: Sequence[journal.Deployment]) -> tuple[Scaling, ...]:
    """Return the autoscaling that we may have put there: of what was deployed last, and attempted since."""
    found: list[Scaling] = []
    for attempt in reversed(history):
        found += attempt.revision.scalings if attempt.revision is not None else ()
        if attempt.outcome == journal.DEPLOYED:
            break
    return tuple(found)


def _owed(history: Sequence[journal.Deployment], observed: State) -> tuple[Scaling, ...]:
    """Return the autoscaling that was put there, and that an attempt without an end held or removed."""
    deployed = journal.revisions(history)[:1]
    if journal.open_attempt(history) is None or not deployed:
        return ()
    running = {s.key for s in observed.scalings if not s.scale_in_suspended}
    return tuple(s for s in deployed[0].scalings if s.key not in running)


def keep_of(
    history: Sequence[journal.Deployment], observed: State, keep_revisions: int, *, besides: str | None
) -> frozenset[str]:
    """Return the endpoint configs a sweep must leave alone.

    Args:
        history: What was deployed.
        observed: What serves now, or is coming, is always kept.
        keep_revisions: How many ways back to keep.
        besides: The revision to have ways back from.
    """
    serving = observed.endpoint
    in_use = set() if serving is None else {serving.config, serving.target}
    return journal.kept(history, keep_revisions, besides=besides) | in_use


def _is_recorded(revision: Revision, history: Sequence[journal.Deployment]) -> bool:
    ended = [deployment for deployment in history if deployment.outcome in journal.OUTCOMES.values()]
    changes = [deployment for deployment in ended if deployment.verb != journal.SWEEP]
    last = changes[-1].revision if changes else None
    return last is not None and last.name == revision.name
