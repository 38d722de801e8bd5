"""What the Python API decides and carries out: in one world, whoever looks at it meanwhile, in any thread."""

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.api.project import Project
from orchestrator.api.projects import Projects
from orchestrator.api.selection import Selection, Shared
from orchestrator.core.errors import ConflictError, DeniedError, RefusedError, SpecError
from orchestrator.core.resources import EndpointStatus
from orchestrator.usecases.deploy import deploy
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.many import Stop
from tests.support.builders import prepared, revision
from tests.support.fakes import FakeEdge, SilentProgress, fake_edge

SPEC = """
version = 1
name = "digits"
model.path = "model.safetensors"
model.class = "src/net.py:Net"
"""


class Imagined(Project):
    """A project whose outside world is in memory."""

    def __init__(self, folder: Path, world: FakeEdge) -> None:
        path = folder / "orchestrator.toml"
        path.write_text(SPEC, "utf-8")
        super().__init__(Selection(str(path)))
        self._world = world
        self._own: Edge | None = None

    @property
    def edge(self) -> Edge:
        self._own = self._own or self._world.edge()
        return self._own


def deployed(world: FakeEdge, *marks: str) -> None:
    """Deploy one revision after the other, by other hands than the project's."""
    for mark in marks:
        other = replace(world, journal=world.journal.again())
        deploy(prepared(revision(mark), other), other.edge(), SilentProgress())


@pytest.fixture
def world() -> FakeEdge:
    found = fake_edge()
    deployed(found, "a", "b")
    return found


LOOKS = ("history", "status", "drift", "audit", "doctor", "prepare_destroy")


@pytest.mark.parametrize("look", LOOKS)
def test_who_looks_after_deciding_is_refused_all_the_same_if_somebody_else_came_between(
    world: FakeEdge, tmp_path: Path, look: str
) -> None:
    project = Imagined(tmp_path, world)
    found = project.prepare_sweep(keep=0).prepared
    assert found.plan
    deployed(world, "a")  # what the sweep was to delete serves now
    getattr(project, look)()
    before = len(world.journal.shared)
    with pytest.raises(ConflictError, match="somebody else is changing endpoint 'digits'"):
        project.carry_out(found)
    assert len(world.journal.shared) == before
    assert revision("a").name in world.cloud.configs


def test_what_was_decided_is_carried_out_although_somebody_has_looked(
    world: FakeEdge, tmp_path: Path
) -> None:
    project = Imagined(tmp_path, world)
    found = project.prepare_sweep(keep=0).prepared
    project.history()
    project.prepare_destroy()
    project.carry_out(found)
    assert set(world.cloud.configs) == {revision("b").name}


def test_what_another_project_decided_is_not_carried_out(world: FakeEdge, tmp_path: Path) -> None:
    found = Imagined(tmp_path, world).prepare_destroy()
    with pytest.raises(RefusedError, match="was not decided by this project"):
        Imagined(tmp_path, world).carry_out(found)
    assert world.cloud.endpoints["digits"].status is EndpointStatus.IN_SERVICE


def test_a_sweep_that_keeps_none_keeps_none(world: FakeEdge, tmp_path: Path) -> None:
    project = Imagined(tmp_path, world)
    assert project.sweep().applied is None
    assert project.sweep(keep=0, within_days=1).applied is None
    assert project.sweep(keep=0).applied is not None
    assert set(world.cloud.configs) == {revision("b").name}


@pytest.mark.parametrize(("keep", "days"), [(-1, 0.0), (1, -1.0), (1, float("nan"))])
def test_a_sweep_cannot_keep_fewer_than_none(world: FakeEdge, tmp_path: Path, keep: int, days: float) -> None:
    with pytest.raises(SpecError, match="a sweep cannot keep"):
        Imagined(tmp_path, world).prepare_sweep(keep, days)


def test_a_window_may_be_longer_than_time(world: FakeEdge, tmp_path: Path) -> None:
    assert Imagined(tmp_path, world).prepare_sweep(0, float("inf")).goes == ()


def test_a_rollback_says_from_which_commit_it_was_asked_for(world: FakeEdge, tmp_path: Path) -> None:
    project = Imagined(tmp_path, world)
    asked = project.intent(reason="wrong labels")
    project.rollback(intent=type(asked)("wrong labels", "f" * 40))
    last = project.history()[-1]
    assert (last.verb, last.reason, last.commit) == ("rollback", "wrong labels", "f" * 40)


@pytest.mark.parametrize("name", ["", "../x", "a\nb", "\x1b[31m", "a" * 64, "under_score"])
def test_a_name_that_no_endpoint_can_have_is_not_the_projects_own(tmp_path: Path, name: str) -> None:
    path = tmp_path / "orchestrator.toml"
    path.write_text(SPEC, "utf-8")
    with pytest.raises(SpecError, match="no endpoint can be called '") as caught:
        Project.open(str(path), endpoint=name)
    assert str(caught.value).isprintable()


def test_what_is_opened_together_is_made_once_and_a_failure_is_not_kept() -> None:
    shared, made = Shared(), []
    with pytest.raises(RefusedError):
        shared.once("a", lambda: (_ for _ in ()).throw(RefusedError("no")))
    for _ in range(3):
        shared.once("a", lambda: made.append("a"))
        shared.once("b", lambda: made.append("b"))
    assert made == ["a", "b"]
    Shared().once("a", lambda: made.append("later"))
    assert made == ["a", "b", "later"]


class Unreachable(Imagined):
    """A project whose account lets nobody in."""

    @property
    def edge(self) -> Edge:
        raise DeniedError("assuming role 'x': the role cannot be assumed")


def test_an_account_that_cannot_be_reached_stops_no_other(world: FakeEdge, tmp_path: Path) -> None:
    Projects([Unreachable(tmp_path, world), Imagined(tmp_path, world)], Stop()).connect()


def test_if_no_account_can_be_reached_nothing_is_built(world: FakeEdge, tmp_path: Path) -> None:
    several = Projects([Unreachable(tmp_path, world), Unreachable(tmp_path, world)], Stop())
    with pytest.raises(DeniedError, match="cannot be assumed"), several.ready():
        pytest.fail("it was built")
