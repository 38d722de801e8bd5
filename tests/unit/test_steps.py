"""Steps in words, container profiles, and records that are none."""

import pytest

from orchestrator.core.alarms import Alarm
from orchestrator.core.clouds import Capacity
from orchestrator.core.errors import MissingExtraError, SpecError
from orchestrator.core.revision import from_record, to_record
from orchestrator.core.rollout import Kind, Rollout, Size, Unit
from orchestrator.core.scaling import Scaling
from orchestrator.core.spec import Reference
from orchestrator.core.steps import (
    AwaitEndpoint,
    CreateEndpoint,
    CreateEndpointConfig,
    CreateModel,
    DeleteAlarms,
    DeleteEndpoint,
    DeleteEndpointConfig,
    DeleteModel,
    PutAlarm,
    PutScaling,
    RemoveScaling,
    SetCapacities,
    Step,
    SuspendScaling,
    UpdateEndpoint,
    describe,
)
from tests.support.builders import revision

MADE = revision("a")
SCALING = Scaling("primary", 1, 4)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (CreateModel(MADE.model), f"+ model {MADE.model.name}"),
        (CreateEndpointConfig(MADE.config), f"+ endpoint config {MADE.name}"),
        (CreateEndpoint("digits", "new"), "+ endpoint digits: new"),
        (UpdateEndpoint("digits", "new", "old"), "~ endpoint digits: old -> new"),
        (
            UpdateEndpoint("digits", "new", "old", Rollout(Kind.CANARY, Size(10)), retain=True),
            "~ endpoint digits: old -> new, canary 10 %, counts kept",
        ),
        (
            UpdateEndpoint("digits", "new", "old", Rollout(Kind.ROLLING, Size(2, Unit.INSTANCES))),
            "~ endpoint digits: old -> new, rolling 2 instances",
        ),
        (
            UpdateEndpoint("digits", "new", "old", Rollout(final_bake_seconds=60)),
            "~ endpoint digits: old -> new, all-at-once",
        ),
        (
            SetCapacities("digits", (Capacity("a", 0.5), Capacity("b", 1.0, 2))),
            "~ capacity of digits: a weight 0.5, b weight 1, 2 instances",
        ),
        (PutAlarm(Alarm("digits-old-5xx")), "+ alarm digits-old-5xx"),
        (DeleteAlarms(("one", "two")), "- alarms one, two"),
        (
            SuspendScaling("digits", SCALING),
            "! scale-in of digits/primary: suspended for the time of the update",
        ),
        (PutScaling("digits", SCALING), "+ autoscaling of digits/primary: 1 to 4"),
        (RemoveScaling("digits", "primary", SCALING.dimension), "- autoscaling of digits/primary"),
        (AwaitEndpoint("digits", "new", "old"), "… endpoint digits: old -> new, already under way"),
        (DeleteEndpoint("digits"), "- endpoint digits"),
        (DeleteEndpointConfig("old"), "- endpoint config old"),
        (DeleteModel("old"), "- model old"),
    ],
)
def test_a_step_says_in_one_line_what_it_does(step: Step, said: str) -> None:
    assert describe(step) == said


@pytest.mark.parametrize("damage", [{"model": 7}, {"config": None}, {"golden": "x"}])
def test_a_record_that_is_none_is_refused(damage: dict[str, object]) -> None:
    with pytest.raises(TypeError, match="expected an object"):
        from_record({**to_record(MADE), **damage})


def test_pairs_that_are_no_list_are_refused() -> None:
    record = to_record(MADE)
    config = record["config"]
    assert isinstance(config, dict)
    with pytest.raises(TypeError, match="expected a list"):
        from_record({**record, "config": {**config, "variants": 7}})


@pytest.mark.parametrize(
    "text", ["net.py", "net:Net", "a b.py:Net", "net.py:", "../net.py:Net", "/net.py:Net"]
)
def test_a_reference_that_python_could_not_import_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match="does not name a class or function"):
        Reference.parse(text)


def test_a_reference_is_written_as_it_was_read() -> None:
    assert str(Reference.parse("src/deep/net.py:Net")) == "src/deep/net.py:Net"


def test_a_missing_extra_knows_its_name() -> None:
    error = MissingExtraError("torch", needed_for="packaging")
    assert (error.extra, error.exit_code) == ("torch", 1)
    assert str(error) == "packaging needs the extra 'torch', which is not installed"
