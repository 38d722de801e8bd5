"""What a deployment removes in passing: nothing that another endpoint may serve."""

import pytest

from orchestrator.core import journal
from orchestrator.core.resources import Endpoint, EndpointConfig, Variant
from orchestrator.core.steps import DeleteEndpointConfig, DeleteModel
from orchestrator.usecases.neighbours import MANY
from orchestrator.usecases.plan import Prepared, Wish, prepare
from tests.support.builders import CASE, publish
from tests.support.engines import brought, made, started
from tests.support.fakes import FakeEdge


def replaced() -> FakeEdge:
    """Return a world in which ``b`` serves and ``a`` is a way back."""
    world = started()
    brought(made("b"), world)
    return world


def next_one(world: FakeEdge) -> Prepared:
    """Plan a revision that has one way back, so that ``a`` is no longer needed."""
    publish(made("c"), world)
    return prepare(Wish(made("c"), journal.DEPLOY, (CASE,), 1), world.edge())


def deleted(change: Prepared) -> set[str]:
    return {step.name for step in change.plan if isinstance(step, (DeleteEndpointConfig, DeleteModel))}


def serve_elsewhere(world: FakeEdge, count: int, config: str) -> None:
    for number in range(count):
        name = f"other-{number}"
        world.cloud.endpoints[name] = Endpoint(name, config, owned=False)


def test_what_is_no_longer_needed_goes() -> None:
    assert deleted(next_one(replaced())) == {made("a").name, made("a").model.name}


def test_an_endpoint_config_that_another_endpoint_serves_stays_with_its_model() -> None:
    world = replaced()
    serve_elsewhere(world, 1, made("a").name)
    change = next_one(world)
    assert deleted(change) == set()
    said = [note.says for note in change.notes if note.topic == "kept"]
    assert f"'{made('a').name}' stays: endpoint 'other-0' serves it" in said


def test_a_model_that_another_endpoints_config_names_stays_alone() -> None:
    world = replaced()
    theirs = EndpointConfig("theirs", (Variant("v", made("a").model.name, "ml.m5.large", 1),))
    world.cloud.configs["theirs"] = theirs
    serve_elsewhere(world, 1, "theirs")
    assert deleted(next_one(world)) == {made("a").name}


@pytest.mark.parametrize(("others", "goes"), [(MANY, True), (MANY + 1, False)])
def test_where_there_are_too_many_endpoints_to_ask_nothing_is_deleted(others: int, *, goes: bool) -> None:
    world = replaced()
    serve_elsewhere(world, others, "theirs")
    change = next_one(world)
    assert bool(deleted(change)) is goes
    assert any("only sweep asks" in note.says for note in change.notes) is not goes


def test_nobody_is_asked_where_nothing_goes() -> None:
    world = replaced()

    def refuse(like: str) -> tuple[str, ...]:
        raise AssertionError(f"all endpoints were listed{like}")

    world.cloud.endpoint_names = refuse  # type: ignore[method-assign]
    publish(made("c"), world)
    assert prepare(Wish(made("c"), journal.DEPLOY, (CASE,), 5), world.edge()).plan != ()
