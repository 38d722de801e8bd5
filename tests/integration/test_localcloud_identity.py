"""Roles and policies of a local cloud: what moto lacks, or would only pretend."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from orchestrator.localcloud.defaults import ACCOUNT, REGION
from tests.support.clouds import BUCKET, IMAGE, ROLE, STANDIN, TestCloud, local_cloud

pytestmark = pytest.mark.slow

FULL_ACCESS = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
SAGEMAKER = "sagemaker.amazonaws.com"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCloud]:
    with local_cloud(tmp_path_factory.mktemp("cloud") / "state", STANDIN) as running:
        running.client("s3").put_object(Bucket=BUCKET, Key="m/model.tar.gz", Body=b"archive")
        yield running


def policy(*statements: Mapping[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allowing(action: str, resource: str = "*", effect: str = "Allow", **members: object) -> dict[str, object]:
    return {"Effect": effect, "Action": action, "Resource": resource, **members}


def make_role(cloud: TestCloud, name: str, service: str = SAGEMAKER, path: str = "/") -> str:
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    made = cloud.client("iam").create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=policy(trust))
    return str(made["Role"]["Arn"])


def decided(cloud: TestCloud, arn: str, *actions: str, **members: Any) -> list[str]:  # noqa: ANN401 - API members
    answer = cloud.client("iam").simulate_principal_policy(
        PolicySourceArn=arn, ActionNames=list(actions), **members
    )
    return [result["EvalDecision"] for result in answer["EvaluationResults"]]


def make_model(cloud: TestCloud, name: str, role: str = ROLE, key: str = "") -> None:
    url = {"ModelDataUrl": key} if key else {}
    cloud.client("sagemaker").create_model(
        ModelName=name, ExecutionRoleArn=role, PrimaryContainer={"Image": IMAGE, **url}
    )


def test_a_role_with_a_managed_policy_of_aws_may_do_what_that_policy_says(cloud: TestCloud) -> None:
    arn, iam = make_role(cloud, "managed"), cloud.client("iam")
    assert decided(cloud, arn, "sagemaker:CreateModel") == ["implicitDeny"]
    iam.attach_role_policy(RoleName="managed", PolicyArn=FULL_ACCESS)
    assert decided(cloud, arn, "sagemaker:CreateModel", "iam:CreateUser") == ["allowed", "implicitDeny"]
    attached = iam.list_attached_role_policies(RoleName="managed")["AttachedPolicies"]
    assert [one["PolicyArn"] for one in attached] == [FULL_ACCESS]
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/managed/someone"
    assert decided(cloud, session, "sagemaker:CreateModel") == ["allowed"]


def test_a_denial_wins_over_what_another_policy_allows(cloud: TestCloud) -> None:
    arn, iam = make_role(cloud, "denied"), cloud.client("iam")
    some = policy(allowing("s3:*", "arn:aws:s3:::models/*"))
    iam.put_role_policy(RoleName="denied", PolicyName="some", PolicyDocument=some)
    none = policy(allowing("s3:DeleteObject", effect="Deny"))
    iam.put_role_policy(RoleName="denied", PolicyName="none", PolicyDocument=none)
    actions, objects = ("s3:GetObject", "s3:DeleteObject"), ["arn:aws:s3:::models/m", "arn:aws:s3:::others/m"]
    assert decided(cloud, arn, *actions, ResourceArns=objects) == [
        "allowed",
        "implicitDeny",
        "explicitDeny",
        "explicitDeny",
    ]


def test_a_user_has_the_policies_of_its_groups(cloud: TestCloud) -> None:
    iam = cloud.client("iam")
    arn = iam.create_user(UserName="ann")["User"]["Arn"]
    iam.create_group(GroupName="readers")
    iam.put_group_policy(GroupName="readers", PolicyName="s3", PolicyDocument=policy(allowing("s3:Get*")))
    iam.add_user_to_group(GroupName="readers", UserName="ann")
    assert decided(cloud, arn, "s3:GetObject", "s3:PutObject") == ["allowed", "implicitDeny"]


def test_a_role_may_do_no_more_than_its_boundary_allows(cloud: TestCloud) -> None:
    iam, arn = cloud.client("iam"), make_role(cloud, "bounded")
    edge = iam.create_policy(PolicyName="edge", PolicyDocument=policy(allowing("s3:Get*")))["Policy"]["Arn"]
    iam.put_role_policy(RoleName="bounded", PolicyName="all", PolicyDocument=policy(allowing("*")))
    iam.put_role_permissions_boundary(RoleName="bounded", PermissionsBoundary=edge)
    assert decided(cloud, arn, "s3:GetObject", "s3:PutObject") == ["allowed", "implicitDeny"]
    with pytest.raises(ClientError, match="does not support PermissionsBoundary of users"):
        iam.create_user(UserName="bob", PermissionsBoundary=edge)


def test_a_condition_is_judged_by_the_context_and_what_is_missing_is_named(cloud: TestCloud) -> None:
    here = allowing("s3:*", Condition={"StringEquals": {"aws:RequestedRegion": REGION}})
    asked = {"PolicyInputList": [policy(here)], "ActionNames": ["s3:GetObject"]}
    iam = cloud.client("iam")
    (unsaid,) = iam.simulate_custom_policy(**asked)["EvaluationResults"]
    assert (unsaid["EvalDecision"], unsaid["MissingContextValues"]) == (
        "implicitDeny",
        ["aws:RequestedRegion"],
    )
    entry = {
        "ContextKeyName": "aws:RequestedRegion",
        "ContextKeyValues": [REGION],
        "ContextKeyType": "string",
    }
    (said,) = iam.simulate_custom_policy(**asked, ContextEntries=[entry])["EvaluationResults"]
    assert (said["EvalDecision"], said["MissingContextValues"]) == ("allowed", [])


def test_decisions_come_in_pages(cloud: TestCloud) -> None:
    pages = (
        cloud.client("iam")
        .get_paginator("simulate_custom_policy")
        .paginate(
            PolicyInputList=[policy(allowing("s3:*"))],
            ActionNames=[f"s3:Get{number}" for number in range(5)],
            PaginationConfig={"PageSize": 2},
        )
    )
    assert [len(page["EvaluationResults"]) for page in pages] == [2, 2, 1]


@pytest.mark.parametrize(
    "document",
    [
        "{}",
        "none",
        "[]",
        policy({"Effect": "Allow", "Resource": "*"}),
        policy({"Action": "*", "Resource": "*"}),
    ],
)
def test_what_is_no_policy_is_an_invalid_input(cloud: TestCloud, document: str) -> None:
    with pytest.raises(ClientError) as caught:
        cloud.client("iam").simulate_custom_policy(PolicyInputList=[document], ActionNames=["s3:GetObject"])
    assert caught.value.response["Error"]["Code"] == "InvalidInput"


@pytest.mark.parametrize(
    "arn",
    [
        f"arn:aws:iam::{ACCOUNT}:role/nobody",
        f"arn:aws:iam::{ACCOUNT}:root",
        ROLE.replace(ACCOUNT, "999999999999"),
    ],
)
def test_who_does_not_exist_in_this_account_has_no_permissions_to_simulate(
    cloud: TestCloud, arn: str
) -> None:
    with pytest.raises(ClientError) as caught:
        decided(cloud, arn, "s3:GetObject")
    assert caught.value.response["Error"]["Code"] == "NoSuchEntity"


def test_a_model_takes_a_role_by_its_whole_arn_if_sagemaker_may_assume_it(cloud: TestCloud) -> None:
    service_role = make_role(cloud, "served", path="/service-role/")
    make_model(cloud, "with-path", service_role)
    for role in (
        service_role.replace("service-role/", ""),
        make_role(cloud, "other", "lambda.amazonaws.com"),
    ):
        with pytest.raises(ClientError, match=r"allows principal 'sagemaker\.amazonaws\.com' to assume"):
            make_model(cloud, "refused", role)


@pytest.mark.parametrize("host", [f"{BUCKET}.s3.{REGION}.amazonaws.com", f"s3.amazonaws.com/{BUCKET}"])
def test_model_data_may_be_named_by_its_address_on_the_web(cloud: TestCloud, host: str) -> None:
    make_model(cloud, f"web-{host[0]}", key=f"https://{host}/m/model.tar.gz")
    with pytest.raises(ClientError, match="Could not find model data"):
        make_model(cloud, "missing", key=f"https://{host}/m/none.tar.gz")


def test_of_many_who_make_the_same_model_at_once_one_succeeds(cloud: TestCloud) -> None:
    def attempt(_: int) -> str:
        try:
            make_model(cloud, "race")
        except ClientError as error:
            return str(error.response["Error"]["Message"]).partition(" model")[0]
        return "made"

    cloud.client("sagemaker")
    with ThreadPoolExecutor(16) as threads:
        outcomes = sorted(threads.map(attempt, range(16)))
    assert outcomes == ["Cannot create already existing"] * 15 + ["made"]
