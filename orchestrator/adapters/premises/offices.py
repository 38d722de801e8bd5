"""What an account has for deployments: IAM's roles, KMS's keys, SNS's topics, EC2's networks, rules."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from botocore.exceptions import ClientError

from orchestrator.adapters.aws import Clients
from orchestrator.adapters.refusals import code_of, translated
from orchestrator.core.resources import Vpc
from orchestrator.core.trust import SAGEMAKER

_ASSUMED = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):sts::(?P<account>\d{12}):assumed-role/(?P<name>[^/]+)/.+"
)
_USABLE = "Enabled"


class AwsPremises:
    """The `Premises` port on boto3."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def trust(self, role: str) -> Mapping[str, object]:
        """Return a role's trust policy."""
        with translated(f"looking at role '{role}'"):
            found = self._clients("iam").get_role(RoleName=role.rpartition("/")[2])["Role"]
        policy = found.get("AssumeRolePolicyDocument", {})
        # boto3 decodes it; who else answers may not.
        parsed: Mapping[str, object] = json.loads(unquote(policy)) if isinstance(policy, str) else policy
        return parsed

    def may_pass(self, caller: str, role: str) -> bool:
        """Tell whether the caller may hand ``role`` to SageMaker, by IAM's policy simulator.

        An account's root user, of whom the simulator knows nothing, may do so.
        """
        if caller.endswith(":root"):
            return True
        context = {
            "ContextKeyName": "iam:PassedToService",
            "ContextKeyValues": [SAGEMAKER],
            "ContextKeyType": "string",
        }
        with translated("asking IAM's policy simulator about iam:PassRole"):
            answer = self._clients("iam").simulate_principal_policy(
                PolicySourceArn=self._principal(caller),
                ActionNames=["iam:PassRole"],
                ResourceArns=[role],
                ContextEntries=[context],
            )
        return all(one["EvalDecision"] == "allowed" for one in answer["EvaluationResults"])

    def _principal(self, caller: str) -> str:
        """Return whose policies count: of a session the role, whose path only IAM knows."""
        session = _ASSUMED.fullmatch(caller)
        if session is None:
            return caller
        return str(self._clients("iam").get_role(RoleName=session["name"])["Role"]["Arn"])

    def key_problem(self, key: str) -> str:
        """Return why nothing can be encrypted with a KMS key; empty if nothing is known against it."""
        with translated(f"looking at KMS key '{key}'"):
            try:
                found = self._clients("kms").describe_key(KeyId=key)["KeyMetadata"]
            except ClientError as error:
                if code_of(error) != "NotFoundException":
                    raise
                return "it does not exist in this account and region"
        state = str(found.get("KeyState", _USABLE))
        return "" if state == _USABLE else f"it is {state}: nothing can be encrypted or read with it"

    def topic_problem(self, topic: str) -> str:
        """Return why nothing can be sent to an SNS topic; empty if nothing is known against it."""
        with translated(f"looking at topic '{topic}'"):
            try:
                self._clients("sns").get_topic_attributes(TopicArn=topic)
            except ClientError as error:
                if code_of(error) not in {"NotFound", "NotFoundException", "InvalidParameter"}:
                    raise
                return "it does not exist"
        return ""

    def network_problems(self, vpc: Vpc) -> tuple[str, ...]:
        """Return what is wrong with subnets and security groups."""
        ec2 = self._clients("ec2")
        found: dict[str, str] = {}
        problems: list[str] = []
        for kind, names, ask in (
            ("subnet", vpc.subnets, lambda name: ec2.describe_subnets(SubnetIds=[name])["Subnets"]),
            (
                "security group",
                vpc.security_groups,
                lambda name: ec2.describe_security_groups(GroupIds=[name])["SecurityGroups"],
            ),
        ):
            for name in names:
                if (where := _vpc_of(name, ask)) is None:
                    problems.append(f"{kind} '{name}' does not exist")
                else:
                    found[name] = where
        if len(set(found.values())) > 1:
            each = ", ".join(f"{name} in {where}" for name, where in found.items())
            problems.append(f"subnets and security groups have to be in one VPC: {each}")
        return tuple(problems)

    def idle_rules(self, prefix: str) -> tuple[str, ...]:
        """Return the EventBridge rules whose name begins with ``prefix`` and that have no target."""
        with translated("looking at EventBridge's rules"):
            return tuple(self._idle(prefix))

    def _idle(self, prefix: str) -> Iterator[str]:
        api = self._clients("events")
        for page in api.get_paginator("list_rules").paginate(NamePrefix=prefix):
            for rule in page["Rules"]:
                if not api.list_targets_by_rule(Rule=rule["Name"], Limit=1).get("Targets"):
                    yield str(rule["Name"])


def _vpc_of(name: str, ask: Callable[[str], Any]) -> str | None:
    """Return the VPC that something is in; ``None`` if EC2 knows nothing of that name."""
    with translated(f"looking at '{name}'"):
        try:
            (found,) = ask(name)
        except ClientError as error:
            # "InvalidSubnetID.NotFound", "InvalidGroup.NotFound", "InvalidGroupId.Malformed": EC2's errors.
            if not code_of(error).startswith(("InvalidSubnet", "InvalidGroup")):
                raise
            return None
    return str(found["VpcId"])
