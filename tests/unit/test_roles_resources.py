"""The resources that the three roles are for: of this account and region, of one kind, and of this prefix."""

import re
from collections.abc import Iterator

from orchestrator.localcloud.objects.policies import Decision
from tests.support.needs import Need
from tests.support.permissions_execution import VPC
from tests.support.roles import DEPLOYER, EXECUTION, PLANNER, Document, Stack, decision, listed

STACK = Stack(parameters={"EndpointPrefix": "acme-", "VpcId": VPC})
EVERY = (*DEPLOYER, *EXECUTION, *PLANNER)
SAGEMAKER = f"arn:aws:sagemaker:{STACK.region}:{STACK.account}"

WHATEVER_THE_PREFIX = {
    # What is one for the stack: its bucket, key, topic and roles.
    *("ListObjects", "ListModels", "UseKey", "EncryptDisks", "ExamineBucket", "ExamineKey", "ExamineTopic"),
    *("TellOfAnswers", "HandOverRole", "LookAtRoles", "ExamineItself"),
    # What is one for the bucket, which is the stack's own.
    *("WriteCapturesAndAnswers", "CollectAnswers"),
    # What has no name of an endpoint, and what is only looked at.
    *("LookAtEndpoints", "LookAtAlarms", "WatchAlarms", "LookAtImages", "PullImages", "ExamineRules"),
    *("Scale", "LetScale", "PlugIntoVpc", "PlugIntoThisVpc"),
}
"""Statements whose resources are not narrowed by `EndpointPrefix`."""

WITHOUT_DIGEST: tuple[tuple[str, str, dict[str, tuple[str, ...]]], ...] = (
    ("sagemaker:CreateEndpointConfig", "endpoint-config", {"aws:RequestTag/orchestrator:endpoint": ("x",)}),
    ("sagemaker:CreateModel", "model", {"aws:RequestTag/orchestrator:endpoint": ("x",)}),
    ("sagemaker:AddTags", "endpoint-config", {"sagemaker:TaggingAction": ("CreateEndpointConfig",)}),
    ("sagemaker:AddTags", "model", {"sagemaker:TaggingAction": ("CreateModel",)}),
    ("sagemaker:DeleteEndpointConfig", "endpoint-config", {"aws:ResourceTag/orchestrator:endpoint": ("x",)}),
    ("sagemaker:DeleteModel", "model", {"aws:ResourceTag/orchestrator:endpoint": ("x",)}),
)


def resources(policies: tuple[Document, ...]) -> Iterator[tuple[str, list[str]]]:
    """Yield the parts of every ARN that something is allowed on, after the statement's name."""
    for policy in policies:
        for statement in policy["Statement"]:
            if statement["Effect"] == "Allow":
                for arn in listed(statement["Resource"]):
                    if arn != "*":
                        yield statement["Sid"], arn.split(":", 5)


def test_every_resource_is_of_the_account_and_region() -> None:
    for name, (_, partition, service, region, account, _) in resources(STACK.policies(EVERY)):
        assert partition == "aws", name
        assert region == ("" if service in {"iam", "s3"} else STACK.region), name
        # Images are in accounts of AWS, too; names of buckets have no account.
        assert account == {"s3": "", "ecr": "*"}.get(service, STACK.account), name


def test_every_resource_is_of_one_kind() -> None:
    whole = {STACK.topic, STACK.key, f"arn:aws:s3:::{STACK.bucket}"}
    for name, parts in resources(STACK.policies(EVERY)):
        if ":".join(parts) not in whole:
            assert re.match(rf"(?:{STACK.bucket}/)?[a-z][a-z-]+[/:]", parts[5]), (name, parts)
            assert parts[2] != "s3" or parts[5].startswith(f"{STACK.bucket}/"), (name, parts)


def test_what_has_an_endpoints_name_is_only_of_the_prefix() -> None:
    found = list(resources(STACK.policies(EVERY)))
    assert {name for name, parts in found if "acme-" not in parts[5]} == WHATEVER_THE_PREFIX
    mixed = {name for name, parts in found if "acme-" in parts[5]} & WHATEVER_THE_PREFIX
    assert mixed == set()


def test_models_and_endpoint_configs_without_a_digest_are_none_of_the_deployers() -> None:
    policies = STACK.policies(DEPLOYER)
    for action, kind, context in WITHOUT_DIGEST:
        with_digest = Need(action, f"{SAGEMAKER}:{kind}/acme-pets-0123456789ab", context)
        without = Need(action, f"{SAGEMAKER}:{kind}/acme-pets", context)
        assert decision(policies, with_digest) is Decision.ALLOWED, action
        assert decision(policies, without) is Decision.NEUTRAL, action


def test_the_judges_lever_is_pulled_of_judges_alarms_alone() -> None:
    alarm = f"arn:aws:cloudwatch:{STACK.region}:{STACK.account}:alarm:acme-pets"
    policies = STACK.policies(DEPLOYER)
    assert decision(policies, Need("cloudwatch:SetAlarmState", f"{alarm}-0123456789ab-judge")) is (
        Decision.ALLOWED
    )
    for name in ("-judge", "-0123456789ab", "-5xx"):
        assert decision(policies, Need("cloudwatch:SetAlarmState", f"{alarm}{name}")) is Decision.NEUTRAL
