"""The rules that a proposal is held against: each with a value just over its limit, and one just within."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.core.alarms import Alarm, generate
from orchestrator.core.errors import RefusedError
from orchestrator.core.proposal import Finding, Proposal, Severity, quoted
from orchestrator.core.resources import (
    Model,
    Variant,
    Vpc,
)
from orchestrator.core.rules import rulebook
from orchestrator.core.scaling import Schedule
from orchestrator.core.target import AlarmSpec
from tests.support import broken_fleets, broken_rollouts
from tests.support.proposals import (
    ASYNC,
    CANARY,
    CONFIG,
    GOOD,
    LAMBDA,
    LINEAR,
    MODEL,
    OLD,
    PRIMARY,
    ROLLING,
    SCALING,
    SECOND,
    TRACKING,
    Broken,
    judged,
    live,
    moving,
    named,
    of,
    on,
    scaled,
)

REFUSED = [*broken_fleets.REFUSED, *broken_rollouts.REFUSED]
WARNED = [*broken_fleets.WARNED, *broken_rollouts.WARNED]


def title(broken: Broken) -> str:
    return f"{broken.rule} ({broken.key})"


def only(found: tuple[Finding, ...], broken: Broken) -> Finding:
    return next(item for item in found if (item.rule, item.key) == (broken.rule, broken.key))


@pytest.mark.parametrize("broken", REFUSED, ids=title)
def test_a_value_just_over_a_limit_is_refused_with_its_key_and_the_source_of_the_rule(broken: Broken) -> None:
    found = only(rulebook.check(broken.proposal), broken)
    assert found.severity is Severity.REFUSE
    assert found.says
    assert found.source
    assert "\n" not in found.line
    assert found.line.isprintable()


@pytest.mark.parametrize("broken", WARNED, ids=title)
def test_what_is_doubtful_is_said_and_refuses_nothing(broken: Broken) -> None:
    found = rulebook.check(broken.proposal)
    assert only(found, broken).severity is Severity.WARN
    assert rulebook.refusal(found) is None


@pytest.mark.parametrize("broken", [*REFUSED, *WARNED], ids=title)
def test_a_value_just_within_the_limit_passes_the_rule(broken: Broken) -> None:
    assert (broken.rule, broken.key) not in {(item.rule, item.key) for item in rulebook.check(broken.within)}


@pytest.mark.parametrize(
    "proposal",
    [
        GOOD,
        live(GOOD),
        on(LAMBDA),
        on(async_inference=ASYNC),
        on(PRIMARY, SECOND),
        moving(CANARY),
        moving(LINEAR),
        moving(ROLLING),
        scaled(SCALING),
        live(scaled(SCALING), count=7),
        judged(CANARY),
        replace(GOOD, quotas=(("ml.m5.large", 4),), names=("digits",), bucket_region="eu-west-1"),
    ],
)
def test_a_sound_proposal_has_no_findings(proposal: Proposal) -> None:
    assert rulebook.check(proposal) == ()


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda: replace(MODEL, vpc=Vpc(("sg-1",), ("subnet-1",))), "endpoint.vpc"),
        (lambda: replace(MODEL, network_isolation=True), "endpoint.network_isolation"),
        (lambda: replace(MODEL, artifact="s3://bucket/model/"), "package.layout"),
        (lambda: replace(MODEL, image="registry.example.com/mine:1"), "container.image"),
    ],
)
def test_what_serverless_excludes_is_refused_there_and_only_there(
    change: Callable[[], Model], key: str
) -> None:
    def keys(variant: Variant) -> set[str]:
        proposal = on(variant)
        revision = replace(proposal.revision, model=change())
        return {item.key for item in rulebook.check(replace(proposal, revision=revision))}

    assert key in keys(LAMBDA)
    assert key not in keys(PRIMARY)


def test_leaving_serverless_asks_for_consent_since_there_is_no_way_back() -> None:
    found = rulebook.check(live(GOOD, replace(OLD, variants=(LAMBDA,)), count=0))
    assert [(item.rule, item.severity) for item in found] == [("no-way-back", Severity.CONSENT)]
    error = rulebook.refusal(found)
    assert isinstance(error, RefusedError)
    assert error.hint == "orchestrator deploy --accept no-way-back"
    assert rulebook.refusal(found, accepted=["no-way-back"]) is None


def test_consent_does_not_lift_a_refusal() -> None:
    found = rulebook.check(named("a_b"))
    error = rulebook.refusal(found, accepted=["name-invalid"])
    assert error is not None
    assert error.details[0][0] == "name-invalid"
    assert error.details[-1] == ("state", "nothing has changed")


def test_an_alarm_that_is_named_and_there_is_linted_and_one_that_is_made_is_not_looked_for() -> None:
    sick = Alarm(
        "digits-5xx",
        "Invocation5XXErrors",
        (("EndpointName", "digits"), ("VariantName", "primary")),
        threshold=1.0,
    )
    made = generate(CONFIG, "digits", AlarmSpec(error_percent=5), judge=True)
    rollout = replace(CANARY, alarms=("digits-5xx", *(alarm.name for alarm in made)))
    proposal = replace(GOOD, rollout=rollout, alarms=(sick,), generated=made)
    assert [item.rule for item in rulebook.check(proposal)] == ["alarm-never-fires", "alarm-both-fleets"]


def test_a_generated_alarm_that_could_never_fire_names_the_key_it_was_made_by() -> None:
    made = generate(CONFIG, "digits", AlarmSpec(error_percent=100), judge=False)
    found = rulebook.check(replace(moving(CANARY), generated=made))
    assert [(item.rule, item.key) for item in found] == [("alarm-never-fires", "rollout.generate_alarms")]


def test_an_autoscaled_fleet_is_measured_by_the_count_that_it_has() -> None:
    wanted = replace(scaled(SCALING, variants=(replace(PRIMARY, instance_count=2),)), rollout=CANARY)
    assert "canary-rounding" in {item.rule for item in rulebook.check(live(wanted, count=2))}
    assert "canary-rounding" not in {item.rule for item in rulebook.check(live(wanted, count=8))}


def test_refusals_come_first() -> None:
    proposal = replace(named("a_b"), largest_request=7 * 1024 * 1024, scalings=(replace(SCALING, minimum=5),))
    severities = [item.severity for item in rulebook.check(proposal)]
    assert severities == [Severity.REFUSE, Severity.WARN, Severity.WARN]


@pytest.mark.parametrize("name", ["\x1b[31mred\x1b[0m", "two\nlines", "x" * 10_000, "\u202egnp"])
def test_a_hostile_name_is_shown_in_one_harmless_line(name: str) -> None:
    found = rulebook.check(named(name))
    assert found[0].rule == "name-invalid"
    assert found[0].line.isprintable()
    assert len(found[0].line) < 250


@pytest.mark.parametrize("name", ["\x1b[31mred\x1b[0m", "two\nlines", "x" * 10_000])
def test_hostile_names_of_anything_are_shown_in_harmless_lines(name: str) -> None:
    odd = replace(PRIMARY, name=name, instance_type=f"ml.t2.{name}", weight=-1, instance_count=1)
    rollout = replace(CANARY, alarms=(name, name))
    scaling = replace(
        SCALING, schedules=(Schedule(name, "rate(1 day)"),), tracking=(replace(TRACKING, name=name),) * 2
    )
    proposal = scaled(scaling, replace(scaling, variant=name), variants=(odd, odd), tags=((name, name),))
    other = replace(live(proposal), rollout=rollout, alarms=(), region=name, bucket_region=name + "x")
    found = rulebook.check(other)
    assert len({finding.rule for finding in found}) > 12
    assert all(finding.line.isprintable() and len(finding.line) < 600 for finding in found)


def test_values_of_the_environment_are_never_shown() -> None:
    secret = "hunter2" * 200
    found = rulebook.check(of(environment=(("TOKEN", secret),)))
    assert found[0].rule == "environment-value"
    assert "hunter2" not in found[0].line


def test_a_text_is_quoted_as_it_is_if_it_is_harmless() -> None:
    assert quoted("digits") == "'digits'"


def test_the_documented_rules_are_those_that_there_are() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "rollouts.md"
    rows = page.read_text(encoding="utf-8").partition("\n## Rules\n")[2].splitlines()
    cells = [row.split("|")[1] for row in rows if row.startswith("| `")]
    documented = {rule for cell in cells for rule in re.findall(r"`([a-z0-9-]+)`", cell)}
    elsewhere = {"alarm-missing"}
    known = {broken.rule for broken in (*REFUSED, *WARNED)} - elsewhere | {"no-way-back"}
    assert documented == known
