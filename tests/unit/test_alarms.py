"""Alarms of our own, and what is said of somebody else's."""

import operator
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.core.alarms import Alarm, config_of, generate, judge_alarm_name
from orchestrator.core.proposal import Severity
from orchestrator.core.resources import EndpointConfig, Variant
from orchestrator.core.rollout import AT_ONCE, Kind, Rollout, Size
from orchestrator.core.rules.alarmlint import Watched, absent, lint, lint_made, never_fires
from orchestrator.core.target import AlarmSpec

CONFIG = EndpointConfig("digits-aaaaaaaaaaaa", (Variant("primary", "m", "ml.m5.large", 4),))
PAIR = replace(CONFIG, variants=(*CONFIG.variants, replace(CONFIG.variants[0], name="second")))
CANARY = Rollout(Kind.CANARY, Size(25), bake_seconds=600, final_bake_seconds=300)
WATCHED = Watched("digits", CONFIG.name, ("primary",), CANARY)
DIMENSIONS = {"EndpointConfigName": CONFIG.name, "EndpointName": "digits", "VariantName": "primary"}
GOOD = Alarm(
    "digits-errors", "Invocation5XXErrors", tuple(sorted(DIMENSIONS.items())), threshold=0.01, state="OK"
)
LATENCY = replace(GOOD, metric="ModelLatency", threshold=200_000.0)
BACKLOG = replace(
    GOOD, metric="ApproximateBacklogSize", threshold=5.0, dimensions=(("EndpointName", "digits"),)
)


def without(*names: str, **others: str) -> Alarm:
    """Return the good alarm without some dimensions, and with other values of some."""
    kept = {name: value for name, value in DIMENSIONS.items() if name not in names}
    return replace(GOOD, dimensions=tuple(sorted({**kept, **others}.items())))


COMPARISONS = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
REFUSED = [
    (replace(GOOD, state="ALARM"), "alarm-in-alarm"),
    (Alarm("composite", simple=False, state="ALARM"), "alarm-in-alarm"),
    (replace(GOOD, threshold=1.0), "alarm-never-fires"),
    (replace(GOOD, threshold=1.0, statistic="p99"), "alarm-never-fires"),
    (replace(GOOD, threshold=1.01, comparison="GreaterThanOrEqualToThreshold"), "alarm-never-fires"),
    (replace(GOOD, threshold=0.0, comparison="LessThanThreshold"), "alarm-never-fires"),
    (replace(LATENCY, threshold=-1.0, comparison="LessThanOrEqualToThreshold"), "alarm-never-fires"),
    (
        replace(GOOD, namespace="/aws/sagemaker/Endpoints", metric="MemoryUtilization", threshold=100.0),
        "alarm-never-fires",
    ),
    (replace(GOOD, threshold=0.0, comparison="GreaterThanOrEqualToThreshold"), "alarm-always-fires"),
    (replace(GOOD, threshold=-1.0), "alarm-always-fires"),
    (replace(GOOD, threshold=1.1, comparison="LessThanThreshold"), "alarm-always-fires"),
    (replace(GOOD, threshold=1.0, comparison="LessThanOrEqualToThreshold"), "alarm-always-fires"),
    (without(EndpointName="others"), "alarm-elsewhere"),
    (without("EndpointName"), "alarm-elsewhere"),
    (without("VariantName"), "alarm-without-variant"),
    (without(VariantName="AllTraffic"), "alarm-unknown-variant"),
    (without(VariantName="Primary"), "alarm-unknown-variant"),
    (without(EndpointConfigName="digits-bbbbbbbbbbbb"), "alarm-other-config"),
]
WARNED = [
    (replace(GOOD, evaluation_periods=11), "alarm-too-slow"),
    (replace(GOOD, period_seconds=300, evaluation_periods=12, datapoints=3), "alarm-too-slow"),
    (without("EndpointConfigName"), "alarm-both-fleets"),
    (replace(LATENCY, threshold=200.0), "alarm-microseconds"),
    (replace(LATENCY, statistic="p95"), "alarm-statistic"),
    (replace(GOOD, metric="Invocations", threshold=5.0), "alarm-statistic"),
]


def rules(alarm: Alarm, watched: Watched = WATCHED) -> list[str]:
    return [finding.rule for finding in lint(alarm, watched)]


@pytest.mark.parametrize(
    "alarm",
    [
        GOOD,
        LATENCY,
        replace(GOOD, statistic="Sum", threshold=5.0, missing="notBreaching"),
        replace(GOOD, comparison="GreaterThanOrEqualToThreshold", threshold=1.0),
        replace(GOOD, evaluation_periods=10),
        replace(GOOD, evaluation_periods=60, datapoints=10),
        replace(GOOD, state="INSUFFICIENT_DATA"),
        replace(GOOD, namespace="Shop", metric="Orders", dimensions=(), comparison="LessThanThreshold"),
        replace(GOOD, namespace="/aws/sagemaker/Endpoints", metric="CPUUtilization", threshold=350.0),
        replace(LATENCY, statistic="Sum", threshold=500.0),
        replace(LATENCY, comparison="LessThanThreshold", threshold=500.0),
        Alarm("composite", simple=False, state="OK"),
    ],
)
def test_a_good_alarm_is_left_alone(alarm: Alarm) -> None:
    assert rules(alarm) == []


def test_an_alarm_on_both_fleets_is_left_alone_where_all_traffic_moves_at_once() -> None:
    at_once = replace(WATCHED, rollout=Rollout(final_bake_seconds=300))
    assert rules(without("EndpointConfigName"), at_once) == []
    assert rules(GOOD, replace(WATCHED, rollout=AT_ONCE)) == []


def test_an_alarm_on_a_backlog_needs_no_variant() -> None:
    assert rules(BACKLOG, replace(WATCHED, rollout=AT_ONCE, asynchronous=True)) == []


@pytest.mark.parametrize(("alarm", "rule"), REFUSED)
def test_an_alarm_that_guards_nothing_is_refused(alarm: Alarm, rule: str) -> None:
    found = [finding for finding in lint(alarm, WATCHED) if finding.severity is Severity.REFUSE]
    assert [finding.rule for finding in found] == [rule]
    assert found[0].key == "rollout.alarms"
    assert alarm.name in found[0].says


@pytest.mark.parametrize(("alarm", "rule"), WARNED)
def test_an_alarm_that_guards_less_than_it_seems_is_warned_of(alarm: Alarm, rule: str) -> None:
    assert [(finding.rule, finding.severity) for finding in lint(alarm, WATCHED)] == [(rule, Severity.WARN)]


@pytest.mark.parametrize("statistic", ["Average", "Minimum", "Maximum", "p90"])
@pytest.mark.parametrize("threshold", [-1.0, 0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("comparison", COMPARISONS)
def test_what_never_or_always_fires_is_what_no_or_every_possible_value_does(
    comparison: str, threshold: float, statistic: str
) -> None:
    alarm = replace(GOOD, comparison=comparison, threshold=threshold, statistic=statistic)
    fires = {COMPARISONS[comparison](value / 10, threshold) for value in range(11)}
    expected = (
        set() if len(fires) == 2 else {"alarm-always-fires" if fires == {True} else "alarm-never-fires"}
    )
    assert set(rules(alarm)) - {"alarm-statistic"} == expected


def test_the_sample_alarm_of_the_developer_guide_is_seen_through() -> None:
    sample = Alarm(
        "TestAlarm",
        "Invocation4XXErrors",
        (("EndpointName", "digits"), ("VariantName", "AllTraffic")),
        threshold=1.0,
        period_seconds=600,
        evaluation_periods=2,
    )
    found = lint(sample, WATCHED)
    assert {finding.rule for finding in found} == {
        "alarm-never-fires",
        "alarm-too-slow",
        "alarm-unknown-variant",
        "alarm-both-fleets",
    }
    assert "alarm 'TestAlarm' can never fire: the average of a 0/1 metric never exceeds 1" in found[1].says


def test_an_alarm_is_slow_by_the_shortest_bake_and_too_slow_by_the_longest() -> None:
    slow, hopeless = (replace(GOOD, evaluation_periods=count) for count in (8, 11))
    watched = replace(WATCHED, rollout=replace(CANARY, bake_seconds=300, final_bake_seconds=600))
    assert "cannot while it bakes for 300 s" in lint(slow, watched)[0].says
    assert "cannot before the rollout has ended" in lint(hopeless, watched)[0].says


def test_missing_data_that_count_as_bad_can_fire_what_no_value_can() -> None:
    assert rules(replace(GOOD, threshold=1.0, missing="breaching")) == []


def test_an_alarm_that_takes_silence_for_good_proves_nothing_without_traffic() -> None:
    silent = replace(GOOD, missing="notBreaching")
    assert rules(silent, replace(WATCHED, has_traffic=False)) == ["alarm-without-traffic"]
    assert rules(silent, replace(WATCHED, has_traffic=True)) == []
    assert rules(GOOD, replace(WATCHED, has_traffic=False)) == []


def test_asynchronous_endpoints_do_not_publish_every_metric() -> None:
    watched = replace(WATCHED, asynchronous=True)
    assert rules(replace(GOOD, metric="OverheadLatency", threshold=9000.0), watched) == ["alarm-not-async"]
    assert rules(LATENCY, watched) == []


def test_any_config_will_do_where_none_is_said() -> None:
    assert rules(without(EndpointConfigName="digits-bbbbbbbbbbbb"), replace(WATCHED, config="")) == []


def test_names_that_no_alarm_has_are_told_once_each() -> None:
    found = absent(["digits-errors", "gone", "gone"], [GOOD])
    assert [finding.says for finding in found] == ["there is no alarm 'gone'; SageMaker would watch nothing"]


def test_a_threshold_on_a_metric_that_is_not_known_may_be_anything() -> None:
    assert never_fires("Orders", "Average", "LessThanThreshold", -5) == ""
    assert never_fires("Orders", "Average", "GreaterThanThreshold", 1e9) == ""


def test_a_generated_alarm_watches_the_new_fleet_alone() -> None:
    errors, latency, judge = generate(CONFIG, "digits", AlarmSpec(5, 250, 120, 3), judge=True)
    assert errors == Alarm(
        "digits-aaaaaaaaaaaa-5xx",
        "Invocation5XXErrors",
        tuple(sorted(DIMENSIONS.items())),
        threshold=0.05,
        period_seconds=120,
        evaluation_periods=3,
        missing="notBreaching",
    )
    assert latency == replace(
        errors, name="digits-aaaaaaaaaaaa-latency", metric="ModelLatency", threshold=250_000.0
    )
    assert judge.name == judge_alarm_name(CONFIG.name) == "digits-aaaaaaaaaaaa-judge"
    assert judge.missing == "ignore"


def test_only_the_alarms_that_are_asked_for_are_made() -> None:
    assert generate(CONFIG, "digits", None, judge=False) == ()
    assert generate(CONFIG, "digits", AlarmSpec(), judge=False) == ()
    assert [alarm.name for alarm in generate(CONFIG, "digits", None, judge=True)] == [
        "digits-aaaaaaaaaaaa-judge"
    ]


def test_each_of_several_variants_has_alarms_of_its_own() -> None:
    made = generate(PAIR, "digits", AlarmSpec(5, 250), judge=True)
    assert [alarm.name.removeprefix("digits-aaaaaaaaaaaa-") for alarm in made] == [
        *("5xx-primary", "latency-primary", "5xx-second", "latency-second"),
        "judge",
    ]


@pytest.mark.parametrize("config", [CONFIG, PAIR])
def test_a_generated_alarm_is_good_and_says_which_config_it_is_for(config: EndpointConfig) -> None:
    watched = replace(WATCHED, variants=tuple(variant.name for variant in config.variants), has_traffic=True)
    for alarm in generate(config, "digits", AlarmSpec(5, 250), judge=True):
        assert lint_made(alarm, watched) == ()
        assert config_of(alarm.name) == config.name


@pytest.mark.parametrize("name", ["digits-5xx", "digits-aaaaaaaaaaaa", "digits-aaaaaaaaaaaa-cpu", "x-judge"])
def test_other_alarms_are_for_no_config_of_ours(name: str) -> None:
    assert config_of(name) is None


def test_the_documented_rules_are_those_that_there_are() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "alarms.md"
    rows = page.read_text(encoding="utf-8").partition("\n## What is said of an alarm\n")[2].splitlines()
    documented = {row.split("`")[1] for row in rows if row.startswith("| `")}
    alone = {"alarm-missing", "alarm-not-async", "alarm-without-traffic"}
    assert documented == {rule for _, rule in (*REFUSED, *WARNED)} | alone
