"""CloudFormation in a local cloud, by ordinary boto3 clients."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, WaiterError

from orchestrator.localcloud import testing
from orchestrator.localcloud.defaults import REGION
from tests.support.clouds import (
    BUCKET,
    STANDIN,
    TestCloud,
    archive,
    local_cloud,
    publish,
)
from tests.support.stacks import (
    WAIT,
    att,
    created,
    events,
    ref,
    resource,
    reviewed,
    settled,
    stack,
    written,
)

pytestmark = pytest.mark.slow

TOPIC, QUEUE, GROUP = "AWS::SNS::Topic", "AWS::SQS::Queue", "AWS::Logs::LogGroup"
SPEED = ("--speed", "600")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCloud]:
    with local_cloud(tmp_path_factory.mktemp("cloud") / "state", STANDIN, SPEED) as running:
        yield running


def queues(cloud: TestCloud | testing.Cloud, prefix: str) -> list[str]:
    urls = cloud.client("sqs").list_queues(QueueNamePrefix=prefix).get("QueueUrls", [])
    return sorted(url.rpartition("/")[2] for url in urls)


def test_a_stack_that_cannot_be_made_is_rolled_back_and_says_why(cloud: TestCloud) -> None:
    api = cloud.client("cloudformation")
    cloud.client("sqs").create_queue(QueueName="taken")
    body = written(
        {
            "First": resource(QUEUE, QueueName="first-of-two"),
            "Taken": resource(QUEUE, needs="First", QueueName="taken"),
        }
    )
    with pytest.raises(WaiterError):
        created(api, "luckless", body)
    assert stack(api, "luckless")["StackStatus"] == "ROLLBACK_COMPLETE"
    (why,) = [
        event["ResourceStatusReason"]
        for event in api.describe_stack_events(StackName="luckless")["StackEvents"]
        if event["ResourceStatus"] == "CREATE_FAILED"
    ]
    assert why == "taken already exists"
    assert ("Taken", "CREATE_FAILED") in events(api, "luckless")
    assert queues(cloud, "first-of-two") == []
    assert queues(cloud, "taken") == ["taken"]
    with pytest.raises(ClientError, match="ROLLBACK_COMPLETE state and can not be updated"):
        api.update_stack(StackName="luckless", TemplateBody=body)


def changing() -> str:
    resources = {
        "Group": resource(GROUP, LogGroupName="/changed", RetentionInDays=ref("Days")),
        "Queue": resource(QUEUE, QueueName={"Fn::Sub": "changed-${Name}"}),
        "Still": resource(TOPIC, DisplayName="still"),
    }
    parameters = {"Days": {"Type": "Number", "Default": 7}, "Name": {"Type": "String", "Default": "one"}}
    return written(resources, Parameters=parameters)


def test_a_change_set_shows_what_would_change_and_changes_just_that(cloud: TestCloud) -> None:
    api, logs, body = cloud.client("cloudformation"), cloud.client("logs"), changing()
    created(api, "changed", body)
    values = {"Days": "30", "Name": "two"}
    parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]
    found = reviewed(api, "changed", body, Parameters=parameters)["Changes"]
    changes = [each["ResourceChange"] for each in found]
    assert [(each["LogicalResourceId"], each["Action"], each["Replacement"]) for each in changes] == [
        ("Group", "Modify", "False"),
        ("Queue", "Modify", "True"),
    ]
    assert changes[0]["Details"][0]["CausingEntity"] == "Days"
    assert json.loads(changes[1]["AfterContext"]) == {"Properties": {"QueueName": "changed-two"}}
    api.execute_change_set(StackName="changed", ChangeSetName="change")
    settled(api, "changed", "update_complete")
    assert logs.describe_log_groups(logGroupNamePrefix="/changed")["logGroups"][0]["retentionInDays"] == 30
    assert queues(cloud, "changed-") == ["changed-two"]
    with pytest.raises(ClientError, match="No updates are to be performed"):
        api.update_stack(StackName="changed", UsePreviousTemplate=True, Parameters=parameters)
    with pytest.raises(WaiterError):
        reviewed(api, "changed", body, Parameters=parameters, Tags=[])
    empty = api.describe_change_set(StackName="changed", ChangeSetName="change")
    assert (empty["Status"], empty["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert "didn't contain changes" in empty["StatusReason"]


def test_a_stack_begins_with_a_change_set_that_makes_nothing_until_it_is_executed(cloud: TestCloud) -> None:
    api = cloud.client("cloudformation")
    body = written({"Queue": resource(QUEUE, QueueName="begun"), "Topic": resource(TOPIC)})
    first = reviewed(api, "begun", body, ChangeSetType="CREATE")
    shown = [each["ResourceChange"] for each in first["Changes"]]
    assert [(each["Action"], each["LogicalResourceId"]) for each in shown] == [
        ("Add", "Queue"),
        ("Add", "Topic"),
    ]
    assert stack(api, "begun")["StackStatus"] == "REVIEW_IN_PROGRESS"
    assert queues(cloud, "begun") == []
    api.execute_change_set(StackName="begun", ChangeSetName="change", ClientRequestToken="a-run")
    assert settled(api, "begun", "create_complete")["ChangeSetId"] == first["ChangeSetId"]
    past = api.describe_stack_events(StackName="begun")["StackEvents"]
    assert {event.get("ClientRequestToken") for event in past[:-1]} == {"a-run"}
    assert queues(cloud, "begun") == ["begun"]
    reviewed(api, "dropped", body, ChangeSetType="CREATE")
    api.delete_stack(StackName="dropped")
    api.get_waiter("stack_delete_complete").wait(StackName="dropped", WaiterConfig=WAIT)


def test_an_update_that_fails_goes_back_to_what_there_was(cloud: TestCloud) -> None:
    api, sqs = cloud.client("cloudformation"), cloud.client("sqs")
    before = {"Kept": resource(QUEUE, QueueName="kept", VisibilityTimeout=30), "Gone": resource(TOPIC)}
    created(api, "back", written(before))
    sqs.create_queue(QueueName="in-the-way")
    after = {
        "Kept": resource(QUEUE, QueueName="kept", VisibilityTimeout=60),
        "New": resource(QUEUE, needs="Kept", QueueName="brand-new"),
        "Bad": resource(QUEUE, needs="New", QueueName="in-the-way"),
    }
    api.update_stack(StackName="back", TemplateBody=written(after))
    assert settled(api, "back", "rollback_complete")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    url = sqs.get_queue_url(QueueName="kept")["QueueUrl"]
    asked = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
    assert asked["Attributes"] == {"VisibilityTimeout": "30"}
    assert queues(cloud, "brand-new") == []
    resources = api.list_stack_resources(StackName="back")["StackResourceSummaries"]
    assert {each["LogicalResourceId"] for each in resources} == {"Kept", "Gone"}
    assert json.loads(json.dumps(api.get_template(StackName="back")["TemplateBody"]))["Resources"] == before


def test_what_is_retained_stays_and_a_later_stack_takes_it_over_by_its_name(cloud: TestCloud) -> None:
    api, logs = cloud.client("cloudformation"), cloud.client("logs")
    group = {"Group": resource(GROUP, policy="Retain", LogGroupName="/retained", RetentionInDays=90)}
    made = created(api, "keeping", written(group), EnableTerminationProtection=True)
    with pytest.raises(ClientError, match="TerminationProtection"):
        api.delete_stack(StackName="keeping")
    api.update_termination_protection(StackName="keeping", EnableTerminationProtection=False)
    api.delete_stack(StackName="keeping")
    api.get_waiter("stack_delete_complete").wait(StackName=made["StackId"], WaiterConfig=WAIT)
    assert ("Group", "DELETE_SKIPPED") in events(api, made["StackId"])
    assert logs.describe_log_groups(logGroupNamePrefix="/retained")["logGroups"]
    with pytest.raises(WaiterError):
        created(api, "without", written(group))
    found = reviewed(api, "again", written(group), ChangeSetType="CREATE", ImportExistingResources=True)
    assert [each["ResourceChange"]["Action"] for each in found["Changes"]] == ["Import"]
    api.execute_change_set(StackName="again", ChangeSetName="change")
    settled(api, "again", "create_complete")
    assert ("Group", "IMPORT_COMPLETE") in events(api, "again")


@pytest.mark.parametrize(
    ("thing", "code", "words"),
    [
        (
            {"Type": "AWS::EC2::VPC"},
            "ValidationError",
            r"Unrecognized resource types: \[AWS::EC2::VPC\]",
        ),
        (resource(QUEUE, Colour="red"), "UnsupportedOperation", r"AWS::SQS::Queue \(Thing\)\.Colour"),
        (
            resource("AWS::S3::Bucket", LifecycleConfiguration={"Rules": [{"Colour": "red"}]}),
            "UnsupportedOperation",
            r"LifecycleConfiguration\.Rules\.Colour",
        ),
        (resource(QUEUE, QueueName=ref("Nobody")), "ValidationError", "Unresolved resource dependencies"),
        (resource(QUEUE, QueueName=att("First", "Colour")), "UnsupportedOperation", r"First\.Colour"),
    ],
)
def test_what_a_stack_would_only_pretend_is_refused_and_nothing_is_made(
    cloud: TestCloud, thing: object, code: str, words: str
) -> None:
    api = cloud.client("cloudformation")
    body = json.dumps({"Resources": {"First": resource(QUEUE, QueueName="pretended"), "Thing": thing}})
    with pytest.raises(ClientError, match=words) as caught:
        api.create_stack(StackName="pretended", TemplateBody=body)
    assert caught.value.response["Error"]["Code"] == code
    assert queues(cloud, "pretended") == []
    with pytest.raises(ClientError, match="does not exist"):
        api.describe_stacks(StackName="pretended")


def test_a_template_may_lie_in_s3_and_be_larger_there(cloud: TestCloud) -> None:
    api, url = cloud.client("cloudformation"), f"https://{BUCKET}.s3.{REGION}.amazonaws.com/large.json"
    body = written({"Topic": resource(TOPIC)}, Metadata={"filling": "x" * 60_000})
    with pytest.raises(ClientError, match="51200"):
        api.validate_template(TemplateBody=body)
    cloud.client("s3").put_object(Bucket=BUCKET, Key="large.json", Body=body.encode())
    assert api.get_template_summary(TemplateURL=url)["ResourceTypes"] == [TOPIC]
    with pytest.raises(ClientError, match="S3 error"):
        api.validate_template(TemplateURL=url.replace("large", "none"))


def test_stacks_outlive_a_restart_and_are_gone_after_a_reset(
    tmp_path: Path,
) -> None:
    body = written(
        {"Queue": resource(QUEUE, QueueName="lasting", VisibilityTimeout=ref("Seconds"))},
        Parameters={"Seconds": {"Type": "Number", "Default": 30}},
    )
    with testing.local_cloud(speed=600, state=tmp_path / "kept") as cloud:
        created(cloud.client("cloudformation"), "lasting", body)
    with testing.local_cloud(speed=600, state=tmp_path / "kept") as cloud:
        api = cloud.client("cloudformation")
        assert stack(api, "lasting")["StackStatus"] == "CREATE_COMPLETE"
        changed = [{"ParameterKey": "Seconds", "ParameterValue": "60"}]
        api.update_stack(StackName="lasting", UsePreviousTemplate=True, Parameters=changed)
        settled(api, "lasting", "update_complete")
        assert queues(cloud, "lasting") == ["lasting"]
        cloud.quota("ml.m5.large", 1)
        cloud.reset()
        assert api.describe_stacks()["Stacks"] == []
        created(api, "lasting", body)


def test_an_endpoint_beyond_the_quota_is_refused_and_an_increase_lets_it_through(cloud: TestCloud) -> None:
    sagemaker, quotas = cloud.client("sagemaker"), cloud.client("service-quotas")
    listed = [
        each
        for page in quotas.get_paginator("list_service_quotas").paginate(ServiceCode="sagemaker")
        for each in page["Quotas"]
    ]
    (found,) = [each for each in listed if each["QuotaName"] == "ml.c5.large for endpoint usage"]
    count = {"InstanceType": "ml.c5.large", "InitialInstanceCount": int(found["Value"]) + 1}
    publish(cloud, "many", archive({"answer": b"x"}), **count)
    with pytest.raises(ClientError, match="request delta of 101 Instances") as caught:
        sagemaker.create_endpoint(EndpointName="many", EndpointConfigName="many")
    assert caught.value.response["Error"]["Code"] == "ResourceLimitExceeded"
    named = {"ServiceCode": "sagemaker", "QuotaCode": found["QuotaCode"]}
    with pytest.raises(ClientError, match="greater than the current"):
        quotas.request_service_quota_increase(**named, DesiredValue=1)
    asked = quotas.request_service_quota_increase(**named, DesiredValue=500)["RequestedQuota"]
    history = quotas.list_requested_service_quota_change_history(ServiceCode="sagemaker")
    assert [each["Id"] for each in history["RequestedQuotas"]] == [asked["Id"]]
    assert quotas.get_service_quota(**named)["Quota"]["Value"] == 500
    assert quotas.get_aws_default_service_quota(**named)["Quota"]["Value"] == found["Value"]
    sagemaker.create_endpoint(EndpointName="many", EndpointConfigName="many")
