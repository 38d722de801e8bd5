"""Alarms: what their datapoints come to, composite rules, and what a shelf makes of both as time passes."""

import datetime as dt
from collections import deque
from typing import Any

import pytest

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.cloudwatch import calls, rules
from orchestrator.localcloud.cloudwatch.evaluation import Point, evaluate
from orchestrator.localcloud.cloudwatch.evaluator import Evaluator
from orchestrator.localcloud.cloudwatch.putting import put_metric_data
from orchestrator.localcloud.cloudwatch.series import Series, metric
from orchestrator.localcloud.cloudwatch.shelf import Shelf, State
from orchestrator.localcloud.cloudwatch.statistics import sample_of
from orchestrator.localcloud.pace import Pace
from orchestrator.localcloud.world import Scope

NOW = 1_000_000.0
METRIC: dict[str, Any] = {
    "MetricName": "M",
    "Namespace": "N",
    "Statistic": "Average",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 0.5,
    "ComparisonOperator": "GreaterThanThreshold",
}
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
RETAINED = "retained"


def verdicts(datapoints: str, needed: int) -> list[str]:
    """Return the states for each treatment of missing datapoints, of an alarm with three periods."""
    values = {"0": 0.0, "X": 1.0, "-": None}
    points = [Point(0.0, values[sign]) for sign in reversed(datapoints.split())]
    alarm = {**METRIC, "EvaluationPeriods": 3, "DatapointsToAlarm": needed}
    found = [evaluate({**alarm, "TreatMissingData": each}, points, "OK") for each in TREATMENTS]
    return [RETAINED if verdict is None else verdict.state for verdict in found]


@pytest.mark.parametrize(
    ("datapoints", "states"),
    [
        ("0 - X - X", ["OK", "OK", "OK", "OK"]),
        ("0 - - - -", ["OK", "OK", "OK", "OK"]),
        ("- - - - -", ["INSUFFICIENT_DATA", RETAINED, "ALARM", "OK"]),
        ("0 X X - X", ["ALARM", "ALARM", "ALARM", "ALARM"]),
        ("- - - - X", ["INSUFFICIENT_DATA", RETAINED, "ALARM", "OK"]),
        ("X - - - -", ["ALARM", RETAINED, "ALARM", "OK"]),
        ("- - X - -", ["ALARM", RETAINED, "ALARM", "OK"]),
    ],
)
def test_the_first_table_of_the_user_guide_holds(datapoints: str, states: list[str]) -> None:
    assert verdicts(datapoints, needed=3) == states


@pytest.mark.parametrize(
    ("datapoints", "states"),
    [
        ("0 - X - X", ["ALARM", "ALARM", "ALARM", "ALARM"]),
        ("0 0 X 0 X", ["ALARM", "ALARM", "ALARM", "ALARM"]),
        ("0 - X - -", ["OK", "OK", "ALARM", "OK"]),
        ("- - - - 0", ["OK", "OK", "ALARM", "OK"]),
        ("- - - - X", ["INSUFFICIENT_DATA", RETAINED, "ALARM", "OK"]),
    ],
)
def test_the_second_table_of_the_user_guide_holds(datapoints: str, states: list[str]) -> None:
    assert verdicts(datapoints, needed=2) == states


@pytest.mark.parametrize(
    ("comparison", "value", "state"),
    [
        ("GreaterThanThreshold", 0.5, "OK"),
        ("GreaterThanOrEqualToThreshold", 0.5, "ALARM"),
        ("LessThanThreshold", 0.5, "OK"),
        ("LessThanOrEqualToThreshold", 0.5, "ALARM"),
        ("LessThanThreshold", 0.4, "ALARM"),
    ],
)
def test_a_threshold_is_compared_as_the_operator_says(comparison: str, value: float, state: str) -> None:
    verdict = evaluate({**METRIC, "ComparisonOperator": comparison}, [Point(0.0, value)], "OK")
    assert verdict is not None
    assert verdict.state == state


def test_the_reason_names_datapoints_threshold_and_transition() -> None:
    verdict = evaluate(METRIC, [Point(0.0, 2.5)], "OK")
    assert verdict is not None
    assert verdict.reason == (
        "Threshold Crossed: 1 out of the last 1 datapoints [2.5 (01/01/70 00:00:00)] was greater than the "
        "threshold (0.5) (minimum 1 datapoint for OK -> ALARM transition)."
    )


def test_too_few_values_leave_the_state_of_an_alarm_that_does_not_want_to_guess() -> None:
    alarm = {**METRIC, "Statistic": None, "ExtendedStatistic": "p99"}
    point = Point(0.0, 1.0, sample_of({1.0: 10.0}))
    assert evaluate({**alarm, "EvaluateLowSampleCountPercentile": "ignore"}, [point], "OK") is None
    assert evaluate(alarm, [point], "OK") is not None


@pytest.mark.parametrize(
    ("rule", "alarms", "holds"),
    [
        ("ALARM(a)", "a", True),
        ("ALARM(a) AND ALARM(b)", "a", False),
        ("ALARM(a) OR ALARM(b) AND FALSE", "a", True),
        ("(ALARM(a) OR ALARM(b)) AND FALSE", "a", False),
        ("NOT ALARM(a) OR OK(b)", "a", True),
        ("ALARM(\"a\") AND NOT (ALARM('b') OR INSUFFICIENT_DATA(b))", "a", True),
        ("ALARM(arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a)", "a", True),
        ('OK("with blanks")', "", True),
        ("TRUE", "", True),
        ("false OR ALARM(a) AND True", "a", True),
        ("ALARM(a) AND NOT ALARM(false)", "a", True),
    ],
)
def test_a_rule_holds_as_it_reads(rule: str, alarms: str, *, holds: bool) -> None:
    assert rules.holds(rules.parse(rule), lambda name: "ALARM" if name in alarms.split() else "OK") is holds


@pytest.mark.parametrize(
    "rule", ["", "ALARM(a", "ALARM()", "ALARM(a) ALARM(b)", "AND ALARM(a)", "(TRUE", "NOT", "x", "(" * 99]
)
def test_what_is_no_rule_is_refused(rule: str) -> None:
    with pytest.raises(rules.RuleError):
        rules.parse(rule)


class Watch:
    """A shelf whose alarms are looked at when the test says so."""

    def __init__(self, speed: float = 1.0) -> None:
        self.now = NOW
        self.shelf = Shelf(Scope("123456789012", "eu-west-1"), {}, deque(), Series())
        self.evaluator = Evaluator(Pace(clock=lambda: self.now, speed=speed))

    def alarm(self, name: str, **members: object) -> None:
        content = {**METRIC, **members}
        calls.put_metric_alarm(
            self.shelf, {"AlarmName": name, **{k: v for k, v in content.items() if v is not None}}
        )

    def composite(self, name: str, rule: str) -> None:
        calls.put_composite_alarm(self.shelf, {"AlarmName": name, "AlarmRule": rule})

    def measure(self, value: float, name: str = "M", count: float = 1.0) -> None:
        self.shelf.series.put(metric("N", name, {}), self.now, sample_of({value: count}))

    def states(self, after: float = 0.0) -> dict[str, str]:
        self.now += after
        self.evaluator.look(self.shelf)
        return {name: alarm.state.value for name, alarm in self.shelf.alarms.items()}


def test_an_alarm_is_born_without_data_fires_and_recovers_with_its_metric() -> None:
    watch = Watch()
    watch.alarm("a")
    assert watch.states() == {"a": "INSUFFICIENT_DATA"}
    watch.measure(1.0)
    assert watch.states() == {"a": "ALARM"}
    watch.now += 60
    watch.measure(0.0)
    assert watch.states() == {"a": "OK"}
    # It looks at two periods more than it evaluates.
    assert watch.states(after=119) == {"a": "OK"}
    assert watch.states(after=121) == {"a": "INSUFFICIENT_DATA"}
    kinds = [entry.summary for entry in watch.shelf.history if entry.kind == "StateUpdate"]
    assert kinds == [
        "Alarm updated from INSUFFICIENT_DATA to ALARM",
        "Alarm updated from ALARM to OK",
        "Alarm updated from OK to INSUFFICIENT_DATA",
    ]


def test_periods_are_shorter_where_time_goes_faster_and_never_under_two_seconds() -> None:
    watch = Watch(speed=60)
    watch.alarm("short", TreatMissingData="notBreaching")
    watch.alarm("long", Period=600)
    watch.measure(1.0)
    assert watch.states() == {"short": "ALARM", "long": "ALARM"}
    assert watch.states(after=5) == {"short": "ALARM", "long": "ALARM"}
    assert watch.states(after=1) == {"short": "OK", "long": "ALARM"}


def test_metric_math_is_worked_out_in_each_period() -> None:
    watch = Watch()
    stat = {"Period": 60, "Stat": "Sum"}
    watch.alarm(
        "rate",
        **dict.fromkeys(("MetricName", "Namespace", "Statistic", "Period")),
        Threshold=10,
        Metrics=[
            {"Id": "rate", "Expression": "100 * errors / requests"},
            {"Id": "errors", "MetricStat": {"Metric": {"Namespace": "N", "MetricName": "E"}, **stat},
             "ReturnData": False},
            {"Id": "requests", "MetricStat": {"Metric": {"Namespace": "N", "MetricName": "M"}, **stat},
             "ReturnData": False},
        ],
    )  # fmt: skip
    watch.measure(1.0, "M", count=20)
    watch.measure(1.0, "E", count=1)
    assert watch.states() == {"rate": "OK"}
    watch.measure(1.0, "E", count=2)
    assert watch.states() == {"rate": "ALARM"}


def test_composite_alarms_follow_their_children_in_the_same_look() -> None:
    watch = Watch()
    watch.alarm("a")
    watch.composite("inner", "ALARM(a)")
    watch.composite("outer", "ALARM(inner) AND NOT OK(a)")
    assert watch.states() == {"a": "INSUFFICIENT_DATA", "inner": "OK", "outer": "OK"}
    watch.measure(1.0)
    assert watch.states() == {"a": "ALARM", "inner": "ALARM", "outer": "ALARM"}


def test_composite_alarms_in_a_cycle_are_left_alone_and_cannot_be_deleted() -> None:
    watch = Watch()
    watch.composite("a", "TRUE")
    watch.composite("b", "ALARM(a)")
    watch.composite("a", "NOT ALARM(b)")
    assert watch.states() == {"a": "INSUFFICIENT_DATA", "b": "INSUFFICIENT_DATA"}
    with pytest.raises(ApiError, match="Cannot delete b as there are composite alarm"):
        calls.delete_alarms(watch.shelf, {"AlarmNames": ["b"]})


def test_a_cycle_is_broken_with_the_rule_false_and_composite_alarms_are_deleted_one_by_one() -> None:
    watch = Watch()
    watch.composite("a", "TRUE")
    watch.composite("b", "ALARM(a)")
    watch.composite("a", "NOT ALARM(b)")
    with pytest.raises(ApiError, match="one composite alarm"):
        calls.delete_alarms(watch.shelf, {"AlarmNames": ["a", "b"]})
    watch.composite("a", "false")
    assert watch.states() == {"a": "OK", "b": "OK"}
    calls.delete_alarms(watch.shelf, {"AlarmNames": ["b"]})
    calls.delete_alarms(watch.shelf, {"AlarmNames": ["a"]})
    assert watch.shelf.alarms == {}


def test_a_suppressor_is_neither_part_of_a_cycle_nor_the_reason_of_a_composite_alarm() -> None:
    watch = Watch()
    watch.alarm("child")
    watch.composite("main", "ALARM(child)")
    watch.composite("suppressor", "ALARM(main)")
    waits = {"ActionsSuppressorWaitPeriod": 60, "ActionsSuppressorExtensionPeriod": 60}
    request = {"AlarmName": "main", "AlarmRule": "ALARM(child)", "ActionsSuppressor": "suppressor", **waits}
    calls.put_composite_alarm(watch.shelf, request)
    watch.measure(1.0)
    assert watch.states() == {"child": "ALARM", "main": "ALARM", "suppressor": "ALARM"}
    assert "alarm:child transitioned to ALARM" in watch.shelf.alarms["main"].state.reason


def test_the_history_shows_composite_alarms_to_those_who_ask_for_them() -> None:
    watch = Watch()
    watch.alarm("a")
    watch.composite("c", "ALARM(a)")

    def shown(**request: object) -> list[str]:
        items = calls.describe_alarm_history(watch.shelf, request)["AlarmHistoryItems"]
        return [item["AlarmName"] for item in items]

    assert shown() == ["a"]
    assert shown(AlarmTypes=["CompositeAlarm"]) == ["c"]
    assert shown(AlarmName="c", AlarmTypes=["CompositeAlarm", "MetricAlarm"]) == ["c"]


def test_an_alarm_that_breaks_the_evaluation_leaves_the_others_alone() -> None:
    watch = Watch()
    watch.alarm("broken")
    watch.alarm("well")
    broken = watch.shelf.alarms["broken"]
    broken.content = {key: value for key, value in broken.content.items() if key != "Namespace"}
    broken.state = State("OK", "", {}, NOW)
    watch.measure(1.0)
    assert watch.states() == {"broken": "INSUFFICIENT_DATA", "well": "ALARM"}
    assert "cannot evaluate it: KeyError('Namespace')" in broken.state.reason


def test_an_alarm_that_looks_back_far_is_evaluated_less_often_unless_somebody_asks() -> None:
    watch = Watch()
    watch.alarm("quick")
    watch.alarm("far", EvaluationPeriods=10, DatapointsToAlarm=1)
    watch.composite("both", "ALARM(far) AND ALARM(quick)")
    watch.states()
    watch.measure(1.0)
    assert watch.states(after=1) == {"quick": "ALARM", "far": "INSUFFICIENT_DATA", "both": "OK"}
    watch.evaluator.look(watch.shelf, ["both"])
    assert watch.states() == {"quick": "ALARM", "far": "ALARM", "both": "ALARM"}
    watch.now += 60
    watch.measure(0.0)
    assert watch.states(after=10)["quick"] == "OK"


def test_values_that_no_statistic_of_an_alarm_needs_are_not_read() -> None:
    series, what = Series(), metric("N", "M", {})
    for second in range(3):
        series.put(what, float(second), sample_of({1.0: 1.0, 4.0: 1.0}))
    found = [sample for _, sample in series.between(what, 0, 9, with_values=False)]
    assert [(one.count, one.total, one.least, one.most) for one in found] == [(2.0, 5.0, 1.0, 4.0)] * 3
    assert {one.values for one in found} == {None}


def test_a_change_that_nobody_was_told_of_is_told_though_the_alarm_is_put_again() -> None:
    watch = Watch()
    watch.alarm("a")
    calls.set_alarm_state(watch.shelf, {"AlarmName": "a", "StateValue": "ALARM", "StateReason": "drill"})
    watch.alarm("a", Threshold=9)
    assert [change.after.reason for change in watch.shelf.alarms["a"].untold] == ["drill"]


def test_a_state_that_was_set_lasts_until_the_next_evaluation() -> None:
    watch = Watch()
    watch.alarm("a", TreatMissingData="notBreaching")
    assert watch.states() == {"a": "OK"}
    calls.set_alarm_state(watch.shelf, {"AlarmName": "a", "StateValue": "ALARM", "StateReason": "drill"})
    watch.shelf.alarms["a"].set_at = watch.now
    assert watch.states(after=59) == {"a": "ALARM"}
    assert watch.states(after=2) == {"a": "OK"}


def test_an_alarm_that_is_put_again_keeps_its_state() -> None:
    watch = Watch()
    watch.alarm("a")
    watch.measure(1.0)
    assert watch.states() == {"a": "ALARM"}
    watch.alarm("a", Threshold=0.25)
    assert watch.shelf.alarms["a"].state.value == "ALARM"


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({"Statistic": "p99"}, "The value p99 for parameter Statistic"),
        ({"Statistic": None, "ExtendedStatistic": "median"}, "The value median"),
        ({"ExtendedStatistic": "p99"}, "Exactly one of"),
        ({"Period": 45}, "Period must be"),
        ({"EvaluationPeriods": 2000}, "86400"),
        ({"DatapointsToAlarm": 2}, "DatapointsToAlarm"),
        ({"TreatMissingData": "never"}, "Option never is not supported"),
        ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "GreaterThanUpperThreshold"),
        ({"Threshold": None}, "Threshold is required"),
    ],
)
def test_an_alarm_that_cannot_be_is_refused(members: dict[str, object], why: str) -> None:
    watch = Watch()
    with pytest.raises(ApiError, match=why):
        watch.alarm("a", **members)
    assert watch.shelf.alarms == {}


def stat(name: str, **metric: str) -> dict[str, Any]:
    """Return a query of a metric for metric math."""
    return {"Id": name, "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}, "ReturnData": False}


@pytest.mark.parametrize(
    ("queries", "why"),
    [
        ([stat("m", MetricName="M"), {"Id": "e", "Expression": "m"}], "1.*Metric.Namespace is required"),
        ([stat("m", Namespace="N"), {"Id": "e", "Expression": "m"}], "Metric.MetricName is required"),
        ([stat("M", Namespace="N", MetricName="M"), {"Id": "e", "Expression": "1"}], "value M for parameter"),
        ([stat("m", Namespace="N", MetricName="M"), {"Id": "m", "Expression": "1"}], "not unique"),
        ([stat("m", Namespace="N", MetricName="M"), {"Id": "e", "Expression": "m + x"}], "'x' is not the id"),
    ],
)
def test_metric_math_that_can_never_be_evaluated_is_refused(queries: list[dict[str, Any]], why: str) -> None:
    watch = Watch()
    plain = dict.fromkeys(("MetricName", "Namespace", "Statistic", "Period"))
    with pytest.raises(ApiError, match=why):
        watch.alarm("a", **plain, Metrics=queries)
    assert watch.shelf.alarms == {}


def test_rules_that_count_alarms_are_refused_by_name() -> None:
    watch = Watch()
    watch.alarm("a")
    with pytest.raises(ApiError, match="does not support AT_LEAST"):
        watch.composite("c", "AT_LEAST(1, ALARM, (a))")


@pytest.mark.parametrize(
    ("member", "why"),
    [
        ({"Unit": "Furlongs"}, r"MetricData.member.1.Unit must be a value in the set \[ Seconds, "),
        ({"Timestamp": dt.datetime(2001, 1, 1, tzinfo=dt.UTC)}, "within the past two weeks"),
        ({"Timestamp": dt.datetime(2201, 1, 1, tzinfo=dt.UTC)}, "no more than two hours in the future"),
        ({"Value": 1e300}, "The value 1e.300 for parameter MetricData.member.1.Value is invalid"),
    ],
)
def test_what_cannot_be_measured_is_refused_as_a_whole(member: dict[str, object], why: str) -> None:
    shelf = Watch().shelf
    data = [{"MetricName": "M", "Value": 1.0, **member}, {"MetricName": "M2", "Value": 1.0}]
    with pytest.raises(ApiError, match=why):
        put_metric_data(shelf, {"Namespace": "N", "MetricData": data})
    assert shelf.series.metrics() == []


def test_metrics_of_entities_are_refused_and_not_dropped() -> None:
    with pytest.raises(ApiError, match="EntityMetricData"):
        put_metric_data(Watch().shelf, {"Namespace": "N", "EntityMetricData": [{"MetricData": []}]})


@pytest.mark.parametrize(
    ("region", "partition"),
    [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")],
)
def test_the_arn_of_an_alarm_is_of_its_regions_partition(region: str, partition: str) -> None:
    scope = Scope("123456789012", region)
    shelf = Shelf(scope, {}, deque(), Series())
    assert shelf.arn("errors") == f"arn:{partition}:cloudwatch:{region}:123456789012:alarm:errors"
