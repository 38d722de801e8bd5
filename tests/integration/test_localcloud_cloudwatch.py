"""CloudWatch, its alarms and the events of the local cloud, through plain boto3 and plain HTTP."""

import datetime as dt
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.clouds import STANDIN, TestCloud, archive, await_settled, local_cloud, publish
from tests.support.servers import eventually

pytestmark = pytest.mark.slow

ALARM = {
    "Namespace": "Own",
    "Statistic": "Average",
    "Period": 10,
    "EvaluationPeriods": 1,
    "Threshold": 1.0,
    "ComparisonOperator": "GreaterThanThreshold",
}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCloud]:
    with local_cloud(tmp_path_factory.mktemp("cloudwatch") / "state", STANDIN) as running:
        yield running


def queue(cloud: TestCloud, name: str) -> tuple[str, str]:
    """Make a queue, and return its address and its ARN."""
    sqs = cloud.client("sqs")
    address = sqs.create_queue(QueueName=name)["QueueUrl"]
    found = sqs.get_queue_attributes(QueueUrl=address, AttributeNames=["QueueArn"])["Attributes"]
    return address, found["QueueArn"]


def received(cloud: TestCloud, address: str, count: int) -> list[Any]:
    """Return the first ``count`` messages of a queue."""
    found: list[Any] = []

    def look() -> bool:
        answer = cloud.client("sqs").receive_message(QueueUrl=address, MaxNumberOfMessages=10)
        found.extend(json.loads(message["Body"]) for message in answer.get("Messages", ()))
        return len(found) >= count

    eventually(look, f"{count} messages")
    return found


def measure(cloud: TestCloud, name: str, *values: float) -> None:
    cloud.client("cloudwatch").put_metric_data(
        Namespace="Own", MetricData=[{"MetricName": name, "Values": list(values)}]
    )


def described(cloud: TestCloud, name: str) -> Mapping[str, Any]:
    types = ["MetricAlarm", "CompositeAlarm"]
    answer = cloud.client("cloudwatch").describe_alarms(AlarmNames=[name], AlarmTypes=types)
    found: list[Mapping[str, Any]] = answer["MetricAlarms"] + answer["CompositeAlarms"]
    assert len(found) == 1
    return found[0]


def span() -> dict[str, dt.datetime]:
    now = dt.datetime.now(dt.UTC)
    return {"StartTime": now - dt.timedelta(minutes=5), "EndTime": now + dt.timedelta(minutes=1)}


def test_an_alarm_tells_its_topic_and_eventbridge_and_so_does_a_composite_alarm(cloud: TestCloud) -> None:
    cloudwatch, sns, events = (cloud.client(name) for name in ("cloudwatch", "sns", "events"))
    (mails, mails_arn), (seen, seen_arn) = queue(cloud, "mails"), queue(cloud, "seen")
    topic = sns.create_topic(Name="told")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=mails_arn)
    pattern = {"source": ["aws.cloudwatch"], "detail": {"alarmName": [{"prefix": "told"}]}}
    events.put_rule(Name="told", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="told", Targets=[{"Id": "queue", "Arn": seen_arn}])
    cloudwatch.put_metric_alarm(AlarmName="told", MetricName="Told", AlarmActions=[topic], **ALARM)
    cloudwatch.put_composite_alarm(AlarmName="told-both", AlarmRule="ALARM(told)", AlarmActions=[topic])
    assert described(cloud, "told")["StateValue"] == "INSUFFICIENT_DATA"
    measure(cloud, "Told", 5.0)
    said = {}
    for mail in received(cloud, mails, 2):
        message = json.loads(mail["Message"])
        said[message["AlarmName"]] = message
    assert said["told"]["NewStateValue"] == said["told-both"]["NewStateValue"] == "ALARM"
    assert said["told"]["Trigger"]["MetricName"] == "Told"
    assert said["told-both"]["TriggeringChildren"][0]["State"]["Value"] == "ALARM"
    alarming = [event for event in received(cloud, seen, 2) if event["detail"]["state"]["value"] == "ALARM"]
    assert alarming[0]["detail-type"] == "CloudWatch Alarm State Change"
    assert alarming[0]["account"] == "123456789012"
    kinds = [
        item["HistoryItemType"]
        for item in cloudwatch.describe_alarm_history(AlarmName="told", ScanBy="TimestampAscending")[
            "AlarmHistoryItems"
        ]
    ]
    assert kinds[:2] == ["ConfigurationUpdate", "StateUpdate"]
    assert json.loads(described(cloud, "told")["StateReasonData"])["recentDatapoints"] == [5.0]


def test_what_an_alarm_is_part_of_keeps_it_from_being_deleted(cloud: TestCloud) -> None:
    cloudwatch = cloud.client("cloudwatch")
    cloudwatch.put_metric_alarm(AlarmName="part", MetricName="Part", **ALARM)
    cloudwatch.put_composite_alarm(AlarmName="whole", AlarmRule="ALARM(part)")
    with pytest.raises(ClientError, match="Cannot delete part as there are composite alarm"):
        cloudwatch.delete_alarms(AlarmNames=["part"])
    cloudwatch.delete_alarms(AlarmNames=["whole"])
    cloudwatch.delete_alarms(AlarmNames=["part"])
    with pytest.raises(ClientError, match=r"alarms \[part\] in the alarm rule do not exist"):
        cloudwatch.put_composite_alarm(AlarmName="whole", AlarmRule="ALARM(part)")


def test_percentiles_and_metric_math_are_read_and_paged(cloud: TestCloud) -> None:
    cloudwatch = cloud.client("cloudwatch")
    measure(cloud, "Latency", *[float(value) for value in range(1, 101)])
    stat = {"Metric": {"Namespace": "Own", "MetricName": "Latency"}, "Period": 60}
    queries = [
        {"Id": "high", "MetricStat": {**stat, "Stat": "p99"}},
        {"Id": "count", "MetricStat": {**stat, "Stat": "SampleCount"}, "ReturnData": False},
        {"Id": "share", "Expression": "high / count", "Label": "share"},
    ]
    pages = cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=queries, MaxDatapoints=1, **span()
    )
    found: dict[str, list[float]] = {}
    for page in pages:
        for result in page["MetricDataResults"]:
            found.setdefault(result["Label"], []).extend(result["Values"])
    assert found == {"Latency": [99.0], "share": [0.99]}
    (point,) = cloudwatch.get_metric_statistics(
        Namespace="Own", MetricName="Latency", Period=3600, ExtendedStatistics=["p50", "tm90"], **span()
    )["Datapoints"]
    assert point["ExtendedStatistics"] == {"p50": 50.0, "tm90": 45.5}
    listed = cloudwatch.list_metrics(Namespace="Own", MetricName="Latency")["Metrics"]
    assert listed == [{"Namespace": "Own", "MetricName": "Latency", "Dimensions": []}]


def test_the_query_protocol_of_older_clients_is_answered(cloud: TestCloud) -> None:
    cloud.client("cloudwatch").put_metric_alarm(AlarmName="old", MetricName="Old", **ALARM)
    asked = {"Action": "DescribeAlarms", "Version": "2010-08-01", "AlarmNames.member.1": "old"}
    signature = "AWS4-HMAC-SHA256 Credential=local/20261122/eu-west-1/monitoring/aws4_request, Signature=0"
    request = urllib.request.Request(  # noqa: S310 - the local cloud's own address
        cloud.url, urllib.parse.urlencode(asked).encode(), {"Authorization": signature}
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - likewise
        assert b"<AlarmName>old</AlarmName>" in answer.read()


@pytest.mark.parametrize(
    ("expression", "why"), [("SEARCH('x', 'Sum')", "function SEARCH"), ("1 + 1", "a number"), ("m +", "ends")]
)
def test_an_expression_that_cannot_be_is_refused(cloud: TestCloud, expression: str, why: str) -> None:
    with pytest.raises(ClientError, match=why) as caught:
        cloud.client("cloudwatch").get_metric_data(
            MetricDataQueries=[{"Id": "e", "Expression": expression}], **span()
        )
    assert caught.value.response["Error"]["Code"] == "ValidationError"


def test_what_becomes_of_an_endpoint_is_told_by_events(cloud: TestCloud, tmp_path: Path) -> None:
    address, arn = queue(cloud, "endpoints")
    pattern = {"source": ["aws.sagemaker"]}
    cloud.client("events").put_rule(Name="endpoints", EventPattern=json.dumps(pattern))
    cloud.client("events").put_targets(Rule="endpoints", Targets=[{"Id": "queue", "Arn": arn}])
    publish(cloud, "announced", archive({"answer": b"yes"}))
    cloud.client("sagemaker").create_endpoint(EndpointName="announced", EndpointConfigName="announced")
    await_settled(cloud, "announced")
    found: list[tuple[str, str]] = []

    def told() -> bool:
        for event in received(cloud, address, 1):
            detail = event["detail"]
            found.append((event["detail-type"], detail.get("EndpointStatus", "")))
        return ("SageMaker Endpoint State Change", "IN_SERVICE") in found

    eventually(told, "the endpoint's event")
    assert {
        ("SageMaker Model State Change", ""),
        ("SageMaker Endpoint Config State Change", ""),
        ("SageMaker Endpoint State Change", "CREATING"),
    } <= set(found)


def test_a_request_without_what_it_must_have_is_refused_as_by_cloudwatch(cloud: TestCloud) -> None:
    form = urllib.parse.urlencode({"Action": "PutMetricAlarm", "Version": "2010-08-01"}).encode()
    scope = "Credential=local/20260101/eu-west-1/monitoring/aws4_request, SignedHeaders=host, Signature=x"
    signed = {"Authorization": f"AWS4-HMAC-SHA256 {scope}"}
    asked = urllib.request.Request(cloud.url, form, signed)  # noqa: S310 - the local cloud's own address
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(asked)  # noqa: S310 - likewise
    assert caught.value.code == 400
    assert b"The parameter AlarmName is required" in caught.value.read()


def test_the_approval_of_a_model_package_is_told_by_an_event(cloud: TestCloud) -> None:
    address, arn = queue(cloud, "approvals")
    approved = {"ModelPackageGroupName": ["approved"], "ModelApprovalStatus": ["Approved"]}
    pattern = {"detail-type": ["SageMaker Model Package State Change"], "detail": approved}
    cloud.client("events").put_rule(Name="approvals", EventPattern=json.dumps(pattern))
    cloud.client("events").put_targets(Rule="approvals", Targets=[{"Id": "queue", "Arn": arn}])
    sagemaker = cloud.client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName="approved")
    package = sagemaker.create_model_package(ModelPackageGroupName="approved")["ModelPackageArn"]
    sagemaker.update_model_package(ModelPackageArn=package, ModelApprovalStatus="Approved")
    (event,) = received(cloud, address, 1)
    assert event["resources"] == [package]
    assert event["detail"]["ModelPackageVersion"] == 1
    assert dt.datetime.fromisoformat(event["detail"]["CreationTime"]).tzinfo == dt.UTC
