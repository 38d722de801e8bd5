"""What the stacks of a local cloud make, change in its place and delete, kind by kind."""

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from orchestrator.localcloud.defaults import ACCOUNT, REGION
from orchestrator.localcloud.stacks.catalogue import KINDS
from tests.support.clouds import BUCKET, STANDIN, TestCloud, archive, await_settled, local_cloud, publish
from tests.support.stack_kinds import endpoint, others, shop, watched
from tests.support.stacks import WAIT, created, events, settled, written

pytestmark = pytest.mark.slow

NAMED = {"Capabilities": ["CAPABILITY_NAMED_IAM"]}
ELSEWHERE = {"Model", "EndpointConfig", "Endpoint", "ManagedPolicy", "Rule", "LogGroup"}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCloud]:
    with local_cloud(tmp_path_factory.mktemp("cloud") / "state", STANDIN, ("--speed", "600")) as running:
        model = archive({"code/predict.py": b"", "answer.txt": b"one"})
        running.client("s3").put_object(Bucket=BUCKET, Key="stacks/model.tar.gz", Body=model)
        yield running


def physical_ids(cloud: TestCloud, name: str) -> dict[str, str]:
    listed = cloud.client("cloudformation").list_stack_resources(StackName=name)
    resources = listed["StackResourceSummaries"]
    return {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in resources}


def delete(cloud: TestCloud, identity: str) -> None:
    api = cloud.client("cloudformation")
    api.delete_stack(StackName=identity)
    api.get_waiter("stack_delete_complete").wait(StackName=identity, WaiterConfig=WAIT)


def test_what_a_stack_makes_is_what_the_apis_show_and_its_events_are_in_order(cloud: TestCloud) -> None:
    api, s3, kms = cloud.client("cloudformation"), cloud.client("s3"), cloud.client("kms")
    made = created(api, "shop", shop(), Tags=[{"Key": "team", "Value": "ml"}])
    bucket, key = {"Bucket": "made-by-a-stack"}, physical_ids(cloud, "shop")["Key"]
    (encryption,) = s3.get_bucket_encryption(**bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    by_default = encryption["ApplyServerSideEncryptionByDefault"]
    assert by_default["KMSMasterKeyID"] == f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{key}"
    assert encryption["BucketKeyEnabled"] is True
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"]
    (rule,) = s3.get_bucket_lifecycle_configuration(**bucket)["Rules"]
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    tags = {tag["Key"]: tag["Value"] for tag in s3.get_bucket_tagging(**bucket)["TagSet"]}
    assert tags == {"own": "yes", "team": "ml"}
    assert made["Outputs"][0]["OutputValue"] == "made-by-a-stack"
    assert [each["Name"] for each in api.list_exports()["Exports"]] == ["shop-bucket"]
    steps = ("CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE")
    assert events(api, "shop") == [
        ("shop", "CREATE_IN_PROGRESS"),
        *[("Key", status) for status in steps],
        *[("Bucket", status) for status in steps],
        ("shop", "CREATE_COMPLETE"),
    ]
    delete(cloud, made["StackId"])
    assert "made-by-a-stack" not in [each["Name"] for each in s3.list_buckets()["Buckets"]]


def test_a_stack_with_an_endpoint_serves_and_moves_it_to_another_config(cloud: TestCloud) -> None:
    api = cloud.client("cloudformation")
    made = created(api, "serving", endpoint("first"))
    sagemaker, runtime = cloud.client("sagemaker"), cloud.client("sagemaker-runtime")
    first = sagemaker.describe_endpoint(EndpointName="served")
    assert first["EndpointStatus"] == "InService"
    assert runtime.invoke_endpoint(EndpointName="served", Body=b"x")["Body"].read()
    api.update_stack(StackName="serving", TemplateBody=endpoint("second"))
    settled(api, "serving", "update_complete")
    second = sagemaker.describe_endpoint(EndpointName="served")
    assert second["EndpointStatus"] == "InService"
    assert second["EndpointConfigName"] != first["EndpointConfigName"]
    configs = sagemaker.list_endpoint_configs(NameContains="serving-")["EndpointConfigs"]
    assert [each["EndpointConfigName"] for each in configs] == [second["EndpointConfigName"]]
    delete(cloud, made["StackId"])
    assert not sagemaker.list_endpoints(NameContains="served")["Endpoints"]
    assert not sagemaker.list_models(NameContains="serving-")["Models"]


def test_roles_and_alarms_and_rules_of_a_stack_are_changed_in_their_place(cloud: TestCloud) -> None:
    api, iam = cloud.client("cloudformation"), cloud.client("iam")
    with pytest.raises(ClientError, match="CAPABILITY_NAMED_IAM"):
        api.create_stack(StackName="watching", TemplateBody=watched("s3:Get*", 1))
    made = created(api, "watching", watched("s3:Get*", 1), **NAMED)
    api.update_stack(StackName="watching", TemplateBody=watched("s3:List*", 2), **NAMED)
    settled(api, "watching", "update_complete")
    (attached,) = iam.list_attached_role_policies(RoleName="by-a-stack")["AttachedPolicies"]
    versions = iam.list_policy_versions(PolicyArn=attached["PolicyArn"])["Versions"]
    assert sorted(each["VersionId"] for each in versions) == ["v1", "v2"]
    (alarm,) = cloud.client("cloudwatch").describe_alarms(AlarmNames=["by-a-stack"])["MetricAlarms"]
    assert alarm["Threshold"] == 2
    rule = physical_ids(cloud, "watching")["Rule"]
    (target,) = cloud.client("events").list_targets_by_rule(Rule=rule)["Targets"]
    assert target["Arn"] == alarm["AlarmActions"][0]
    delete(cloud, made["StackId"])
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_role(RoleName="by-a-stack")


def test_all_other_kinds_are_made_and_changed_in_their_place_and_deleted(cloud: TestCloud) -> None:
    api, ssm = cloud.client("cloudformation"), cloud.client("ssm")
    publish(cloud, "scaled", archive({"answer": b"x"}))
    cloud.client("sagemaker").create_endpoint(EndpointName="scaled", EndpointConfigName="scaled")
    await_settled(cloud, "scaled")
    made = created(api, "others", written(others("ObjectWriter", 1)), **NAMED)
    before = physical_ids(cloud, "others")
    api.update_stack(StackName="others", TemplateBody=written(others("BucketOwnerEnforced", 2)), **NAMED)
    settled(api, "others", "update_complete")
    assert physical_ids(cloud, "others") == before
    changed = {name for name, status in events(api, "others") if status == "UPDATE_COMPLETE"}
    assert set(before) - changed == {"Alias", "Alarm"}
    assert ssm.get_parameter(Name=before["Parameter"])["Parameter"]["Value"] == "BucketOwnerEnforced"
    role = cloud.client("iam").get_role(RoleName=before["Role"])["Role"]
    assert (role["MaxSessionDuration"], role["Tags"][0]["Value"]) == (7200, "BucketOwnerEnforced")
    delete(cloud, made["StackId"])
    deleted = {name for name, status in events(api, made["StackId"]) if status == "DELETE_COMPLETE"}
    assert deleted == {*before, "others"}


def test_no_kind_is_left_out_of_these_tests() -> None:
    here = {each["Type"] for each in others("", 1).values()}
    assert {name.rpartition(":")[2] for name in KINDS if name not in here} == ELSEWHERE
