"""What keeps a live endpoint from going on living, each with the command that mends it."""

from dataclasses import replace

import pytest

from orchestrator.core.errors import DeniedError
from orchestrator.core.health import Finding, Severity, profile_of_image
from orchestrator.core.names import journal_key
from orchestrator.core.resources import EndpointStatus, VariantStatus
from orchestrator.core.revision import Revision
from orchestrator.core.rollout import Kind, Rollout
from orchestrator.core.target import AlarmSpec, JudgeSpec
from orchestrator.usecases.doctor import doctor
from orchestrator.usecases.holding import hold
from tests.support.fakes import FakeEdge, fake_edge
from tests.support.managed import SCALING, Past, put, record, simple

PLAIN = replace(SCALING, schedules=())
WATCHED = Past(
    rollout=Rollout(Kind.ALL_AT_ONCE, final_bake_seconds=600, alarms=("mine",)),
    alarm_spec=AlarmSpec(error_percent=1.0),
    judge=JudgeSpec(),
)


def healthy(wanted: Revision, past: Past | None = None) -> FakeEdge:
    world = fake_edge()
    put(world, wanted, past)
    return world


def told(world: FakeEdge) -> list[tuple[Severity, str]]:
    return [(each.severity, f"{each.subject}: {each.what}") for each in doctor("digits", world.edge())]


def one(world: FakeEdge) -> Finding:
    found = doctor("digits", world.edge())
    assert len(found) == 1, found
    return found[0]


def test_nothing_is_said_of_an_endpoint_that_is_well() -> None:
    past = replace(WATCHED, rollout=Rollout())
    assert doctor("digits", healthy(simple(scalings=(PLAIN,)), past).edge()) == ()


def test_whatever_the_endpoint_lives_on_and_is_gone_is_an_error_with_the_command_that_mends_it() -> None:
    wanted = simple()
    for what in ("endpoint config", "model", "artifact"):
        world = healthy(wanted)
        match what:
            case "endpoint config":
                world.cloud.configs.clear()
            case "model":
                world.cloud.models.clear()
            case _:
                world.store.objects.clear()
        found = one(world)
        assert found.severity is Severity.ERROR
        assert found.subject.startswith(f"{what} ")
        assert found.fix.startswith("orchestrator ")


def test_an_image_and_a_role_with_a_problem_are_errors() -> None:
    world = healthy(simple())
    world.account.image_problems = {"image:1": "there is no such tag"}
    world.account.role_problems = {simple().model.role: "it trusts nobody"}
    assert told(world) == [
        (Severity.ERROR, "image image:1: it cannot be pulled: there is no such tag"),
        (Severity.ERROR, f"role {simple().model.role}: SageMaker cannot assume it: it trusts nobody"),
    ]


def test_what_may_not_be_looked_at_is_said_and_stops_nothing() -> None:
    world = healthy(simple())
    world.account.refusal = DeniedError("not permitted")
    found = doctor("digits", world.edge())
    assert [each.severity for each in found] == [Severity.NOTE, Severity.NOTE]
    assert all("was not looked at: not permitted" in each.what for each in found)


@pytest.mark.parametrize(("moment", "count"), [("2026-06-30", 0), ("2026-07-01", 1)])
def test_an_image_past_its_end_of_patch_is_a_warning(moment: str, count: int) -> None:
    image = "763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-inference:2.6.0-cpu-py312"
    wanted = simple()
    wanted = replace(wanted, model=replace(wanted.model, image=image))
    world = healthy(wanted)
    world.clock.moment = {"2026-06-30": 1782777600.0, "2026-07-01": 1782864000.0}[moment]
    found = doctor("digits", world.edge())
    assert len(found) == count
    assert all(each.severity is Severity.WARNING and "2026-06-30" in each.what for each in found)


def test_an_image_of_somebody_else_with_the_same_name_is_not_taken_for_aws_s() -> None:
    mine = "111111111111.dkr.ecr.eu-west-1.amazonaws.com/pytorch-inference:2.6.0-cpu-py312"
    assert profile_of_image(mine) is None
    assert profile_of_image("image:1") is None


def test_alarms_of_the_rollout_that_do_not_exist_or_are_of_no_use_are_found() -> None:
    world = healthy(simple(), WATCHED)
    found = one(world)
    assert found.severity is Severity.ERROR
    assert "'mine'" in found.what
    judge = f"{simple().name}-5xx"
    world.alarms.alarms["mine"] = replace(world.alarms.alarms[judge], name="mine", threshold=1.0)
    assert "can never fire" in one(world).what


def test_an_alarm_that_is_in_alarm_is_found() -> None:
    world = healthy(simple(), replace(WATCHED, rollout=Rollout()))
    name = f"{simple().name}-5xx"
    world.alarms.alarms[name] = replace(world.alarms.alarms[name], state="ALARM")
    assert "ALARM" in one(world).what


def test_autoscaling_that_cannot_work_is_a_warning() -> None:
    for broken, word in (
        (replace(PLAIN, scale_in_suspended=True), "suspended"),
        (replace(PLAIN, tracking=(), steps=()), "no policy"),
        (replace(PLAIN, minimum=2), "outside 2 to 4"),
    ):
        found = one(healthy(simple(scalings=(broken,))))
        assert found.severity is Severity.WARNING
        assert word in found.what


def test_scale_in_that_an_attempt_under_way_has_suspended_is_as_it_should_be() -> None:
    world = healthy(simple(scalings=(replace(PLAIN, scale_in_suspended=True),)))
    record(world, simple("b"), Past(outcome=""))
    assert "resume" in one(world).fix


def test_an_attempt_without_an_end_is_a_warning_unless_somebody_is_at_it() -> None:
    world = healthy(simple())
    record(world, simple("b"), Past(outcome=""))
    found = one(world)
    assert (found.severity, found.fix) == (Severity.WARNING, "orchestrator resume")
    with hold("digits", "deploy", world.edge()):
        assert one(world).severity is Severity.NOTE


def test_a_lock_that_was_left_behind_is_said() -> None:
    world = healthy(simple())
    with hold("digits", "deploy", world.edge()):
        world.clock.sleep(1000)
        assert one(world).subject == "lock of digits"


def test_a_damaged_journal_is_an_error_and_stops_nothing() -> None:
    world = healthy(simple())
    first = journal_key("digits", 1)
    world.journal.store.objects[first] = world.journal.store.read(first).replace(b"deploy", b"delete")
    world.cloud.models.clear()
    assert [each.subject.split()[0] for each in doctor("digits", world.edge())] == ["journal", "model"]


@pytest.mark.parametrize("status", [EndpointStatus.FAILED, EndpointStatus.UPDATE_ROLLBACK_FAILED])
def test_an_endpoint_that_does_not_serve_is_an_error_with_aws_s_words(status: EndpointStatus) -> None:
    world = healthy(simple())
    seen = world.cloud.endpoints["digits"]
    world.cloud.endpoints["digits"] = replace(seen, status=status, failure_reason="no capacity")
    found = one(world)
    assert found.severity is Severity.ERROR
    assert "no capacity" in found.what


def test_an_endpoint_that_is_gone_is_an_error_unless_it_was_destroyed() -> None:
    world = healthy(simple())
    world.cloud.endpoints.clear()
    assert one(world).fix == "orchestrator deploy"
    record(world, None, Past(verb="destroy", outcome="destroyed"))
    assert doctor("digits", world.edge()) == ()


def test_an_endpoint_that_lost_its_tag_or_was_moved_is_found() -> None:
    world = healthy(simple())
    seen = world.cloud.endpoints["digits"]
    world.cloud.endpoints["digits"] = replace(seen, owned=False, tags=())
    assert one(world).fix == "orchestrator adopt digits"
    other = simple("b")
    world.cloud.configs[other.name], world.cloud.models[other.model.name] = other.config, other.model
    world.cloud.endpoints["digits"] = replace(seen, config=other.name)
    assert one(world).fix == "orchestrator drift digits"


def test_the_worst_comes_first() -> None:
    world = healthy(simple(scalings=(replace(PLAIN, scale_in_suspended=True),)))
    world.account.refusal = DeniedError("no")
    world.store.objects.clear()
    seen = world.cloud.endpoints["digits"]
    world.cloud.endpoints["digits"] = replace(seen, variants=(VariantStatus("primary", 2, 2),))
    order = [each.severity for each in doctor("digits", world.edge())]
    assert order == [Severity.ERROR, Severity.WARNING, Severity.NOTE, Severity.NOTE]


def test_a_way_back_whose_artifact_is_gone_is_a_warning() -> None:
    world, first = healthy(simple("a")), simple("a")
    put(world, simple("b"))
    assert doctor("digits", world.edge()) == ()
    del world.store.objects[first.model.artifact.removeprefix(world.store.url(""))]
    found = one(world)
    assert found.severity is Severity.WARNING
    assert first.name in found.subject
