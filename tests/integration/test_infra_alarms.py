"""The alarms and the dashboard of endpoint.yaml: each alarm can fire, and the dashboard can be drawn."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from orchestrator.core.alarms import NAMESPACE, Alarm
from orchestrator.core.rules import alarmlint
from tests.support.infra_templates import Resolved, parsed

MODES = ("realtime", "serverless", "async")
ALARMS = ("Errors", "ModelErrors", "Latency", "Cpu", "Memory", "Disk", "Failures", "Backlog")

# "Exhaustive" lists: SageMaker Developer Guide, serverless-endpoints-monitoring and async-inference-monitor.
PUBLISHED = {
    "serverless": {
        *("Invocation4XXErrors", "Invocation5XXErrors", "Invocations", "ModelLatency", "ModelSetupTime"),
        *("MemoryUtilization", "OverheadLatency", "ServerlessConcurrentExecutionsUtilization"),
    },
    "async": {
        *("Invocation4XXErrors", "Invocation5XXErrors", "ModelLatency", "InvocationFailures"),
        *("ApproximateBacklogSize", "ApproximateAgeOfOldestRequest"),
        *("CPUUtilization", "MemoryUtilization", "DiskUtilization"),
    },
}
TOPIC = "arn:aws-cn:sns:cn-north-1:111111111111:alarms"


def _endpoint(mode: str, **parameters: str) -> Resolved:
    given = {"EndpointName": "digits", "Mode": mode, "TopicArn": TOPIC, **parameters}
    arns = {f"{name}.Arn": f"arn:aws-cn:cloudwatch:cn-north-1:111111111111:alarm:{name}" for name in ALARMS}
    pseudo = {"AWS::Region": "cn-north-1"}
    return Resolved(parsed("endpoint"), given, pseudo, {"Log": "/aws/sagemaker/Endpoints/digits"}, arns)


def _alarms(endpoint: Resolved) -> dict[str, Alarm]:
    return {name: _alarm(endpoint.properties(name)) for name in endpoint.resources() if name in ALARMS}


def _alarm(asked: Mapping[str, Any]) -> Alarm:
    return Alarm(
        name=asked["AlarmName"],
        namespace=asked["Namespace"],
        metric=asked["MetricName"],
        dimensions=tuple(sorted((each["Name"], each["Value"]) for each in asked["Dimensions"])),
        statistic=asked["Statistic"],
        threshold=float(asked["Threshold"]),
        comparison=asked["ComparisonOperator"],
        period_seconds=asked["Period"],
        evaluation_periods=asked["EvaluationPeriods"],
        datapoints=asked["DatapointsToAlarm"],
        missing=asked["TreatMissingData"],
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("end", ["Default", "MinValue", "MaxValue"])
def test_every_alarm_can_fire_whatever_its_threshold_may_be(mode: str, end: str) -> None:
    declared = parsed("endpoint")["Parameters"]
    thresholds = {name: str(each[end]) for name, each in declared.items() if "MaxValue" in each}
    watched = alarmlint.Watched("digits", "", ("primary",), asynchronous=mode == "async")
    for alarm in _alarms(_endpoint(mode, **thresholds)).values():
        found = alarmlint.lint_made(alarm, watched)
        # They watch the endpoint for as long as it lives, whichever fleet serves.
        assert {finding.rule for finding in found} <= {"alarm-both-fleets"}, (alarm, found)


def test_which_alarms_there_are_depends_on_what_a_mode_publishes() -> None:
    found = {mode: set(_alarms(_endpoint(mode))) for mode in MODES}
    instances = {"Cpu", "Memory", "Disk"}
    assert found["realtime"] == {"Errors", "ModelErrors", "Latency"} | instances
    assert found["serverless"] == {"Errors", "Latency", "Memory"}
    assert found["async"] == {"Errors", "Latency", "Failures", "Backlog"} | instances


@pytest.mark.parametrize("mode", ["serverless", "async"])
def test_nothing_is_watched_or_drawn_that_a_mode_does_not_publish(mode: str) -> None:
    endpoint = _endpoint(mode)
    assert {alarm.metric for alarm in _alarms(endpoint).values()} <= PUBLISHED[mode]
    body = json.loads(endpoint.properties("Dashboard")["DashboardBody"])
    lines = [line for each in body["widgets"] for line in each["properties"].get("metrics", ())]
    assert {line[1] for line in lines if line[0] != "..."} <= PUBLISHED[mode]


def test_an_idle_endpoint_is_quiet_and_one_without_instances_is_not_called_well() -> None:
    for alarm in _alarms(_endpoint("realtime")).values():
        assert alarm.missing == ("notBreaching" if alarm.namespace == NAMESPACE else "missing")


@pytest.mark.parametrize("mode", ["serverless", "async"])
def test_an_endpoint_that_may_have_no_instances_tells_nothing_when_it_wakes(mode: str) -> None:
    assert {alarm.missing for alarm in _alarms(_endpoint(mode)).values()} == {"notBreaching"}


def test_the_use_of_cpus_is_summed_over_them() -> None:
    declared = parsed("endpoint")
    for count in declared["Parameters"]["VirtualCpus"]["AllowedValues"]:
        assert _alarms(_endpoint("realtime", VirtualCpus=count))["Cpu"].threshold == 90 * int(count)


@pytest.mark.parametrize("mode", MODES)
def test_every_alarm_tells_the_topic_of_its_beginning_and_its_end(mode: str) -> None:
    endpoint = _endpoint(mode)
    for name in _alarms(endpoint):
        asked = endpoint.properties(name)
        assert (asked["AlarmActions"], asked["OKActions"]) == ([TOPIC], [TOPIC])


@pytest.mark.parametrize("mode", MODES)
def test_the_dashboard_is_one_that_cloudwatch_draws(mode: str) -> None:
    endpoint = _endpoint(mode)
    body = json.loads(endpoint.properties("Dashboard")["DashboardBody"])
    taken: set[tuple[int, int]] = set()
    for widget in body["widgets"]:
        # CloudWatch API reference, dashboard body structure and syntax.
        across = range(widget["x"], widget["x"] + widget["width"])
        place = {(x, y) for x in across for y in range(widget["y"], widget["y"] + widget["height"])}
        assert across.stop <= 24
        assert not place & taken
        taken |= place
        _PROPERTIES[widget["type"]](widget["properties"])
    (shown,) = (each["properties"]["alarms"] for each in body["widgets"] if each["type"] == "alarm")
    assert sorted(arn.rpartition(":")[2] for arn in shown) == sorted(_alarms(endpoint))


def _check_metric(properties: Mapping[str, Any]) -> None:
    assert properties["region"] == "cn-north-1"
    assert properties["view"] == "timeSeries"
    assert properties["period"] % 60 == 0
    before: list[str] = []
    for line in properties["metrics"]:
        texts = [each for each in line if isinstance(each, str)]
        assert all(isinstance(each, str) for each in line[: len(texts)])
        assert len(line) - len(texts) <= 1
        # A dot is what stands at the same place in the line before; three are all that stands there.
        whole = before if texts == ["..."] else [_said(texts, before, place) for place in range(len(texts))]
        assert len(whole) % 2 == 0
        assert whole[0] in {NAMESPACE, "/aws/sagemaker/Endpoints"}
        assert dict(zip(whole[2::2], whole[3::2], strict=True))["EndpointName"] == "digits"
        before = whole


def _said(texts: list[str], before: list[str], place: int) -> str:
    return before[place] if texts[place] == "." else texts[place]


def _check_log(properties: Mapping[str, Any]) -> None:
    assert properties["region"] == "cn-north-1"
    assert properties["query"].startswith("SOURCE '/aws/sagemaker/Endpoints/digits' | ")


def _check_alarm(properties: Mapping[str, Any]) -> None:
    assert 1 <= len(properties["alarms"]) <= 100


_PROPERTIES = {"alarm": _check_alarm, "log": _check_log, "metric": _check_metric}
