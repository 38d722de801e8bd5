"""Decide what has to change, without changing anything."""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.core import journal, names, planner
from orchestrator.core.errors import SpecError
from orchestrator.core.golden import Case, to_bytes
from orchestrator.core.resources import State
from orchestrator.core.revision import Fleet, Golden, Revision, Source, make, tags_of
from orchestrator.core.spec import S3_PREFIX, Spec
from orchestrator.core.steps import Plan
from orchestrator.usecases.change import Change
from orchestrator.usecases.edge import Edge


@dataclass(frozen=True, slots=True)
class Prepared:
    """A change that was decided and not begun.

    Attributes:
        recorded: Whether the journal knows the desired revision as the one deployed last.
    """

    change: Change
    recorded: bool = True

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
    fleet = Fleet(target.instance_type, target.instance_count)
    return make(spec.name, source, fleet, tags=target.tags, golden=golden)


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
        keep_revisions: How many revisions stay as ways back from this one.
    """

    revision: Revision
    verb: str
    cases: tuple[Case, ...]
    keep_revisions: int
    reason: str = ""


def prepare(wish: Wish, edge: Edge) -> Prepared:
    """Plan the way from what is observed to the wish, keeping what serves now and what was deployed last.

    Raises:
        ConflictError: If the endpoint is not ours, or somebody else's change of it is under way.
    """
    revision = wish.revision
    history = journal.deployments(edge.journal.entries())
    observed = edge.cloud.observe(revision.endpoint)
    desired = planner.Desired(
        endpoint=revision.endpoint,
        config=revision.config,
        models=frozenset({revision.model}),
        keep=keep_of(history, observed, wish.keep_revisions, besides=revision.name),
        tags=tags_of(revision.endpoint, revision.config.tags),
    )
    change = Change(
        endpoint=revision.endpoint,
        verb=wish.verb,
        plan=planner.plan(desired, observed),
        revision=revision,
        observed=observed,
        cases=wish.cases,
        reason=wish.reason,
    )
    return Prepared(change, recorded=_is_recorded(revision, history))


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
