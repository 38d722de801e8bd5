"""Going on with what was killed, interrupted or left: the same end, under the same number of the journal."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pytest

from orchestrator.core import journal
from orchestrator.core.errors import DeniedError
from orchestrator.core.rollout import Kind, Rollout, Size
from orchestrator.core.target import AlarmSpec, JudgeSpec
from orchestrator.usecases.adopt import adopt, prepare_adopt
from orchestrator.usecases.change import Terms
from orchestrator.usecases.deploy import deploy
from orchestrator.usecases.destroy import prepare_destroy
from orchestrator.usecases.plan import Prepared, prepare
from orchestrator.usecases.resume import prepare_resume
from orchestrator.usecases.rollback import prepare_rollback
from orchestrator.usecases.sweep import prepare_sweep
from tests.support.builders import prepared, revision, wish
from tests.support.fakes import FakeEdge, FakeJournal, SilentProgress, fake_edge


class KilledError(BaseException):
    """The process is no more."""


@dataclass
class DyingJournal:
    """A journal whose process is killed at its entry number ``at``, counted from now; before or after it."""

    inner: FakeJournal
    at: int
    after: bool
    dead: bool = field(default=False)

    def entries(self) -> tuple[journal.Entry, ...]:
        return self.inner.entries()

    def head(self) -> journal.Head | None:
        return self.inner.head()

    def append(self, kind: str, facts: Mapping[str, object], *, by: str, at: str) -> journal.Entry:
        self.at -= 1
        if self.dead or (self.at == 0 and not self.after):
            self.dead = True
            raise KilledError
        entry = self.inner.append(kind, facts, by=by, at=at)
        if self.at == 0:
            self.dead = True
            raise KilledError
        return entry


def deployed(world: FakeEdge, *marks: str) -> None:
    for mark in marks:
        deploy(prepared(revision(mark), world), world.edge(), SilentProgress())


def restarted(world: FakeEdge) -> None:
    """Let the killed process's claim on the endpoint run out."""
    world.clock.sleep(1000)
    world.journal = world.journal.again()


def resume(world: FakeEdge) -> Prepared | None:
    found = prepare_resume("digits", world.edge(), keep_revisions=5)
    if found is not None:
        deploy(found, world.edge(), SilentProgress())
    return found


def attempts(world: FakeEdge) -> tuple[journal.Deployment, ...]:
    return journal.deployments(world.journal.entries())


def dump(world: FakeEdge) -> tuple[object, ...]:
    found = world.cloud.endpoint("digits")
    serving = None if found is None else (found.config, found.status)
    return serving, set(world.cloud.configs), set(world.cloud.models)


Verb = Callable[[FakeEdge], Prepared]
VERBS: dict[str, Verb] = {
    "deploy": lambda world: prepared(revision("c"), world),
    "rollback": lambda world: prepare_rollback("digits", None, world.edge()),
    "sweep": lambda world: prepare_sweep("digits", 0, world.edge()).prepared,
    "destroy": lambda world: prepare_destroy("digits", world.edge()),
}


def begun(verb: str) -> tuple[FakeEdge, Prepared]:
    world = fake_edge()
    deployed(world, "a", "b")
    return world, VERBS[verb](world)


def entries_of(verb: str) -> int:
    world, change = begun(verb)
    before = len(world.journal.shared)
    deploy(change, world.edge(), SilentProgress())
    return len(world.journal.shared) - before


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("verb", sorted(VERBS))
def test_a_change_that_was_killed_at_any_entry_ends_as_if_it_had_not_been(verb: str, *, after: bool) -> None:
    calm, change = begun(verb)
    deploy(change, calm.edge(), SilentProgress())
    wanted = dump(calm)
    for at in range(1, entries_of(verb) + 1):
        world, change = begun(verb)
        dying = DyingJournal(world.journal, at, after)
        with pytest.raises(KilledError):
            deploy(change, replace(world.edge(), journal=dying), SilentProgress())
        restarted(world)
        went_on = resume(world) is not None
        if at == 1 and not after:
            assert not went_on, "nothing was begun"
            deploy(VERBS[verb](world), world.edge(), SilentProgress())
        elif not (at == entries_of(verb) and after):
            assert went_on
        assert dump(world) == wanted
        assert [(one.number, one.outcome) for one in attempts(world)] == [
            (one.number, one.outcome) for one in attempts(calm)
        ]
        assert prepare_resume("digits", world.edge(), keep_revisions=5) is None


def test_where_nothing_was_begun_there_is_nothing_to_go_on_with() -> None:
    world = fake_edge()
    assert resume(world) is None
    deployed(world, "a")
    assert resume(world) is None


@pytest.mark.parametrize("error", [KeyboardInterrupt(), DeniedError("expired"), AssertionError("a bug")])
def test_an_interrupted_deployment_is_gone_on_with_under_its_number(error: BaseException) -> None:
    world = fake_edge()
    deployed(world, "a")

    def refuse(call: str) -> None:
        if call.startswith("update-endpoint"):
            raise error

    change = prepared(revision("b"), world, reason="because")
    world.cloud.refuse = refuse
    with pytest.raises(type(error)):
        deploy(change, world.edge(), SilentProgress())
    world.cloud.refuse = lambda _: None
    number = attempts(world)[-1].number
    assert attempts(world)[-1].is_open
    found = resume(world)
    assert found is not None
    assert (found.change.number, found.change.reason) == (number, "because")
    last = attempts(world)[-1]
    assert (last.number, last.outcome, last.resumptions, last.reason) == (number, "deployed", 1, "because")


def test_the_terms_of_the_attempt_are_used_again_and_not_those_of_today() -> None:
    world = fake_edge()
    deployed(world, "a")
    rollout = Rollout(Kind.CANARY, Size(50), bake_seconds=600)
    terms = Terms(rollout, AlarmSpec(error_percent=5.0), JudgeSpec(min_samples=10), accepted=("a-rule",))
    change = prepared(revision("b", count=2), world)
    change = replace(change, change=replace(change.change, terms=terms, commit="abc"))
    with pytest.raises(KilledError):
        deploy(
            change,
            replace(world.edge(), journal=DyingJournal(world.journal, 1, after=True)),
            SilentProgress(),
        )
    restarted(world)
    found = prepare_resume("digits", world.edge(), keep_revisions=5)
    assert found is not None
    assert found.change.terms == terms
    assert found.change.commit == "abc"
    assert found.change.revision == revision("b", count=2)


def test_a_deployment_that_was_left_to_itself_is_finished() -> None:
    world = fake_edge()
    deployed(world, "a")
    change = prepare(replace(wish(revision("b")), terms=Terms(wait=False)), world.edge())
    prepared(revision("b"), world)
    applied = deploy(change, world.edge(), SilentProgress())
    assert applied.under_way
    assert attempts(world)[-1].left
    assert attempts(world)[-1].is_open
    assert resume(world) is not None
    assert attempts(world)[-1].outcome == "deployed"
    assert not attempts(world)[-1].left


def test_a_way_back_that_was_killed_before_it_began_is_taken() -> None:
    world = fake_edge()
    deployed(world, "a")
    change = prepared(revision("b"), world)
    world.fingerprints[revision("b").name] = "0" * 16

    @dataclass
    class DyingAfterEnd(DyingJournal):
        def append(self, kind: str, facts: Mapping[str, object], *, by: str, at: str) -> journal.Entry:
            if self.dead:
                raise KilledError
            entry = self.inner.append(kind, facts, by=by, at=at)
            self.dead = kind == journal.FINISHED
            return entry

    dying = DyingAfterEnd(world.journal, 0, after=True)
    with pytest.raises(KilledError):
        deploy(change, replace(world.edge(), journal=dying), SilentProgress())
    restarted(world)
    assert attempts(world)[-1].outcome == "not-verified"
    assert resume(world) is not None
    assert [(one.verb, one.outcome) for one in attempts(world)][-1] == ("rollback", "deployed")
    assert dump(world)[0][0] == revision("a").name  # type: ignore[index]  # there is an endpoint
    assert resume(world) is None


def test_a_sweep_that_is_gone_on_with_removes_nothing_that_it_was_not_to_remove() -> None:
    world = fake_edge()
    deployed(world, "a", "b", "c")
    change = prepare_sweep("digits", 1, world.edge()).prepared
    with pytest.raises(KilledError):
        deploy(
            change,
            replace(world.edge(), journal=DyingJournal(world.journal, 2, after=False)),
            SilentProgress(),
        )
    restarted(world)
    assert resume(world) is not None
    assert set(world.cloud.configs) == {revision("b").name, revision("c").name}


def test_an_adoption_is_gone_on_with() -> None:
    world = fake_edge()
    deployed(world, "a")
    world.cloud.endpoints["digits"] = replace(world.cloud.endpoints["digits"], tags=(), owned=False)
    change = prepare_adopt("digits", world.edge())
    with pytest.raises(KilledError):
        adopt(change, replace(world.edge(), journal=DyingJournal(world.journal, 2, after=False)))
    restarted(world)
    found = prepare_resume("digits", world.edge(), keep_revisions=5)
    assert found is not None
    adopt(found, world.edge())
    assert [(one.verb, one.outcome) for one in attempts(world)][-1] == ("adopt", "deployed")
