"""The rules of the model registry, with a clock that is a number."""

from typing import Any

import pytest

from orchestrator.localcloud.world import Content
from tests.support.accounts import ARN, RuledAccount

CONTAINER = {
    "Image": "image:1",
    "ModelDataUrl": "s3://bucket/model.tar.gz",
    "Environment": {"A": "1", "B": "2"},
}
INFERENCE = {
    "Containers": [CONTAINER],
    "SupportedContentTypes": ["a/b"],
    "SupportedResponseMIMETypes": ["a/b"],
}
VARIANT = {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.m7i.large", "InitialInstanceCount": 1}


class Account(RuledAccount):
    """An account whose model packages are registered in a group ``Digits``."""

    def register(self, **members: Any) -> str:  # noqa: ANN401 - JSON
        answer = self.call(
            "CreateModelPackage", ModelPackageGroupName="Digits", InferenceSpecification=INFERENCE, **members
        )
        return str(answer["ModelPackageArn"])

    def package(self, name: str) -> Content:
        return self.call("DescribeModelPackage", ModelPackageName=name)

    def listed(self, **filters: Any) -> list[str]:  # noqa: ANN401 - JSON
        lines = self.call("ListModelPackages", **filters)["ModelPackageSummaryList"]
        return [line["ModelPackageArn"].partition("/")[2] for line in lines]


@pytest.fixture
def account() -> Account:
    """An account with a group ``Digits`` that has a tag."""
    made = Account()
    made.call(
        "CreateModelPackageGroup", ModelPackageGroupName="Digits", Tags=[{"Key": "team", "Value": "ml"}]
    )
    return made


def test_a_group_is_described_by_its_name_or_its_arn(account: Account) -> None:
    for name in ("Digits", f"{ARN}:model-package-group/Digits"):
        described = account.call("DescribeModelPackageGroup", ModelPackageGroupName=name)
        assert described["ModelPackageGroupArn"] == f"{ARN}:model-package-group/Digits"
        assert described["ModelPackageGroupStatus"] == "Completed"
        assert "Tags" not in described


def test_a_group_that_exists_is_not_made_again(account: Account) -> None:
    error = account.refusal("CreateModelPackageGroup", ModelPackageGroupName="Digits")
    assert (error.code, error.message) == (
        "ValidationException",
        f"Model Package Group already exists: {ARN}:model-package-group/Digits",
    )


@pytest.mark.parametrize(
    ("operation", "member", "words"),
    [
        ("DescribeModelPackageGroup", "ModelPackageGroupName", "does not exist"),
        ("DeleteModelPackageGroup", "ModelPackageGroupName", "does not exist"),
        ("GetModelPackageGroupPolicy", "ModelPackageGroupName", "Cannot find Model Package Group"),
        ("CreateModelPackage", "ModelPackageGroupName", "does not exist"),
        ("ListModelPackages", "ModelPackageGroupName", "does not exist"),
        ("DescribeModelPackage", "ModelPackageName", "does not exist"),
        ("DeleteModelPackage", "ModelPackageName", "does not exist"),
    ],
)
def test_what_is_missing_is_named(account: Account, operation: str, member: str, words: str) -> None:
    error = account.refusal(operation, **{member: "none"})
    assert error.code == "ValidationException"
    assert words in error.message
    assert "/none" in error.message


def test_a_group_with_packages_is_not_deleted(account: Account) -> None:
    arn = account.register()
    assert (
        account.refusal("DeleteModelPackageGroup", ModelPackageGroupName="Digits").code == "ConflictException"
    )
    account.call("DeleteModelPackage", ModelPackageName=arn)
    account.call("DeleteModelPackageGroup", ModelPackageGroupName="Digits")
    assert account.call("ListModelPackageGroups")["ModelPackageGroupSummaryList"] == []
    assert account.world.tags == {}


def test_a_groups_policy_is_kept_word_for_word(account: Account) -> None:
    name = {"ModelPackageGroupName": "Digits"}
    assert "Cannot find resource policy" in account.refusal("GetModelPackageGroupPolicy", **name).message
    account.call("PutModelPackageGroupPolicy", **name, ResourcePolicy='{"a": 1}')
    assert account.call("GetModelPackageGroupPolicy", **name) == {"ResourcePolicy": '{"a": 1}'}
    account.call("DeleteModelPackageGroupPolicy", **name)
    assert "Cannot find resource policy" in account.refusal("DeleteModelPackageGroupPolicy", **name).message


def test_no_version_is_given_twice(account: Account) -> None:
    arns = [account.register() for _ in range(3)]
    account.call("DeleteModelPackage", ModelPackageName=arns[2])
    assert account.register() == f"{ARN}:model-package/Digits/4"
    assert account.listed(ModelPackageGroupName="Digits") == ["Digits/4", "Digits/2", "Digits/1"]


def test_a_version_has_the_groups_tags_and_waits_for_approval(account: Account) -> None:
    arn = account.register()
    described = account.package(arn)
    assert described["ModelPackageVersion"] == 1
    assert described["ModelApprovalStatus"] == "PendingManualApproval"
    assert described["ModelPackageStatusDetails"] == {"ValidationStatuses": [], "ImageScanStatuses": []}
    # SDK v3 reads it as it is: a package in a group has no name of its own.
    assert "ModelPackageName" not in described
    assert account.call("ListTags", ResourceArn=arn) == {"Tags": [{"Key": "team", "Value": "ml"}]}


def test_tags_of_a_version_are_refused_when_it_is_made_and_added_later(account: Account) -> None:
    tags = [{"Key": "a", "Value": "b"}]
    error = account.refusal(
        "CreateModelPackage",
        ModelPackageGroupName="Digits",
        InferenceSpecification=INFERENCE,
        Tags=tags,
    )
    assert "Tags" in error.message
    arn = account.register()
    account.call("AddTags", ResourceArn=arn, Tags=tags)
    account.call("DeleteTags", ResourceArn=arn, TagKeys=["team"])
    assert account.call("ListTags", ResourceArn=arn) == {"Tags": tags}


def test_a_request_with_two_names_or_none_is_refused(account: Account) -> None:
    both = account.refusal("CreateModelPackage", ModelPackageName="p", ModelPackageGroupName="Digits")
    assert both.message.startswith("Both ModelPackageName and ModelPackageGroupName are provided")
    assert account.refusal("CreateModelPackage").message == "Missing ARN."


def test_a_request_that_is_sent_again_makes_no_second_version(account: Account) -> None:
    assert account.register(ClientToken="once") == account.register(ClientToken="once")
    assert account.register(ClientToken="twice").endswith("/2")
    assert "ClientToken" not in account.package("Digits/1")


def test_packages_without_a_version_are_listed_apart(account: Account) -> None:
    account.register()
    account.call("CreateModelPackage", ModelPackageName="alone", InferenceSpecification=INFERENCE)
    assert account.listed() == ["alone"]
    assert account.listed(ModelPackageType="Versioned") == ["Digits/1"]
    assert sorted(account.listed(ModelPackageType="Both")) == ["Digits/1", "alone"]
    assert "already exists" in account.refusal("CreateModelPackage", ModelPackageName="alone").message
    assert account.package("alone")["ModelPackageName"] == "alone"
    assert "ModelApprovalStatus" not in account.package("alone")


def test_versions_are_listed_by_approval_and_in_the_order_of_their_numbers(account: Account) -> None:
    for number in range(12):
        account.register(ModelApprovalStatus="Approved" if number % 4 == 0 else "Rejected")
    approved = {"ModelPackageGroupName": "Digits", "ModelApprovalStatus": "Approved"}
    assert account.listed(**approved) == ["Digits/9", "Digits/5", "Digits/1"]
    by_name = {"ModelPackageGroupName": "Digits", "SortBy": "Name", "SortOrder": "Ascending"}
    first = account.call("ListModelPackages", **by_name, MaxResults=7)
    rest = account.call("ListModelPackages", **by_name, NextToken=first["NextToken"])
    found = [*first["ModelPackageSummaryList"], *rest["ModelPackageSummaryList"]]
    assert [line["ModelPackageVersion"] for line in found] == list(range(1, 13))
    assert all(not name.startswith("_") for line in found for name in line)


def test_an_update_changes_what_it_names_and_nothing_else(account: Account) -> None:
    arn = account.register(CustomerMetadataProperties={"a": "1", "b": "2"})
    account.call(
        "UpdateModelPackage", ModelPackageArn=arn, ModelApprovalStatus="Approved", ApprovalDescription="ok"
    )
    account.call(
        "UpdateModelPackage",
        ModelPackageArn=arn,
        CustomerMetadataProperties={"b": "3", "c": "4"},
        CustomerMetadataPropertiesToRemove=["a"],
    )
    described = account.package(arn)
    assert described["CustomerMetadataProperties"] == {"b": "3", "c": "4"}
    assert (described["ModelApprovalStatus"], described["ApprovalDescription"]) == ("Approved", "ok")
    assert described["LastModifiedTime"] > described["CreationTime"]


def test_additional_specifications_are_added_to_those_that_there_are(account: Account) -> None:
    arn = account.register(AdditionalInferenceSpecifications=[{"Name": "one", "Containers": [CONTAINER]}])
    more = {
        "ModelPackageArn": arn,
        "AdditionalInferenceSpecificationsToAdd": [{"Name": "two", "Containers": [CONTAINER]}],
    }
    account.call("UpdateModelPackage", **more)
    found = account.package(arn)["AdditionalInferenceSpecifications"]
    assert [one["Name"] for one in found] == ["one", "two"]
    assert "two already exists" in account.refusal("UpdateModelPackage", **more).message


def test_several_packages_are_described_at_once_with_what_is_wrong(account: Account) -> None:
    arn, other = account.register(), f"{ARN}:model-package/Digits/9"
    answer = account.call("BatchDescribeModelPackage", ModelPackageArnList=[arn, other])
    assert answer["ModelPackageSummaries"][arn]["InferenceSpecification"] == INFERENCE
    assert "does not exist" in answer["BatchDescribeModelPackageErrorMap"][other]["ErrorResponse"]


def test_a_package_that_would_have_to_be_validated_is_refused_by_name(account: Account) -> None:
    job = {
        "MaxConcurrentTransforms": 1,
        "TransformInput": {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/in"}}},
        "TransformOutput": {"S3OutputPath": "s3://b/out"},
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
    }
    profiles = [{"ProfileName": "p", "TransformJobDefinition": job}]
    specification = {"ValidationRole": "arn:aws:iam::123456789012:role/r", "ValidationProfiles": profiles}
    error = account.refusal(
        "CreateModelPackage", ModelPackageGroupName="Digits", ValidationSpecification=specification
    )
    assert (error.code, "ValidationSpecification" in error.message) == ("UnsupportedOperation", True)


def test_only_an_approved_package_is_deployed(account: Account) -> None:
    arn = account.register()
    account.call(
        "CreateModel", ModelName="m", PrimaryContainer={"ModelPackageName": arn, "Environment": {"B": "3"}}
    )
    account.call("CreateEndpointConfig", EndpointConfigName="c", ProductionVariants=[VARIANT])
    endpoint = {"EndpointName": "e", "EndpointConfigName": "c"}
    assert "is not approved" in account.refusal("CreateEndpoint", **endpoint).message
    account.call("UpdateModelPackage", ModelPackageArn=arn, ModelApprovalStatus="Approved")
    account.call("CreateEndpoint", **endpoint)
    pending = account.world.endpoints["e"].pending
    assert pending is not None
    served = pending.variants[0].container
    assert served["ModelDataUrl"] == CONTAINER["ModelDataUrl"]
    assert served["Environment"] == {"A": "1", "B": "3"}
    described = account.call("DescribeModel", ModelName="m")["PrimaryContainer"]
    assert described == {"ModelPackageName": arn, "Environment": {"B": "3"}}


def test_a_model_of_a_package_that_there_is_not_is_refused(account: Account) -> None:
    error = account.refusal("CreateModel", ModelName="m", PrimaryContainer={"ModelPackageName": "Digits/7"})
    assert error.message == f"ModelPackage {ARN}:model-package/Digits/7 does not exist."


def test_a_package_of_several_containers_is_refused_by_name(account: Account) -> None:
    several = {**INFERENCE, "Containers": [CONTAINER, CONTAINER]}
    account.call("CreateModelPackage", ModelPackageName="several", InferenceSpecification=several)
    error = account.refusal("CreateModel", ModelName="m", PrimaryContainer={"ModelPackageName": "several"})
    assert (error.code, "several containers" in error.message) == ("UnsupportedOperation", True)


def test_a_package_of_another_account_is_refused_by_name(account: Account) -> None:
    other = "arn:aws:sagemaker:eu-west-1:999999999999:model-package/digits/1"
    error = account.refusal("CreateModel", ModelName="m", PrimaryContainer={"ModelPackageName": other})
    assert (error.code, other in error.message) == ("UnsupportedOperation", True)


def test_groups_are_listed_by_name_and_page_by_page(account: Account) -> None:
    for number in range(4):
        account.call("CreateModelPackageGroup", ModelPackageGroupName=f"other-{number}")
    first = account.call("ListModelPackageGroups", NameContains="OTHER", MaxResults=3)
    rest = account.call("ListModelPackageGroups", NameContains="OTHER", NextToken=first["NextToken"])
    found = [*first["ModelPackageGroupSummaryList"], *rest["ModelPackageGroupSummaryList"]]
    assert [line["ModelPackageGroupName"] for line in found] == [f"other-{number}" for number in (3, 2, 1, 0)]
    assert "NextToken" not in rest
