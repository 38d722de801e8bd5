"""The policies of the roles of ``infra/account.yaml``, and what our own evaluator says of them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from orchestrator.localcloud.objects.policies import Asked, Decision, decide
from tests.support.infra_templates import Resolved, parsed
from tests.support.needs import Need

Document = Mapping[str, Any]

DEPLOYER = ("DeployerPolicy", "DeployerDoctorPolicy", "DeployerBucketPolicy")
EXECUTION = ("ExecutionPolicy",)
PLANNER = ("PlannerPolicy",)


@dataclass(frozen=True)
class Stack:
    """The stack of an account, as far as its roles see it.

    Attributes:
        parameters: Of the template.
    """

    account: str = "123456789012"
    region: str = "eu-west-1"
    partition: str = "aws"
    bucket: str = "models"
    key: str = "arn:aws:kms:eu-west-1:123456789012:key/0a1b"
    execution: str = "arn:aws:iam::123456789012:role/sagemaker-execution"
    deployer: str = "arn:aws:iam::123456789012:role/deployer"
    planner: str = "arn:aws:iam::123456789012:role/planner"
    topic: str = "arn:aws:sns:eu-west-1:123456789012:orchestrator"
    parameters: Mapping[str, str] = field(default_factory=dict)

    def resolved(self) -> Resolved:
        return Resolved(
            parsed("account"),
            self.parameters,
            {
                "AWS::AccountId": self.account,
                "AWS::Region": self.region,
                "AWS::Partition": self.partition,
                "AWS::StackName": "orchestrator-account",
            },
            {
                "Bucket": self.bucket,
                "Topic": self.topic,
                "ExecutionRole": self.execution.rpartition("/")[2],
                "DeployerRole": self.deployer.rpartition("/")[2],
                "PlannerRole": self.planner.rpartition("/")[2],
            },
            {
                "Bucket.Arn": f"arn:{self.partition}:s3:::{self.bucket}",
                "Key.Arn": self.key,
                "ExecutionRole.Arn": self.execution,
                "DeployerRole.Arn": self.deployer,
                "PlannerRole.Arn": self.planner,
            },
        )

    def policies(self, names: Sequence[str]) -> tuple[Document, ...]:
        """Return the documents of managed policies, by their logical ids."""
        made = self.resolved()
        return tuple(made.properties(name)["PolicyDocument"] for name in names)

    def trust(self, role: str) -> Document:
        """Return the trust policy of a role, by its logical id."""
        found: Document = self.resolved().properties(role)["AssumeRolePolicyDocument"]
        return found


LONGEST = Stack(
    region="ap-southeast-99",
    partition="aws-us-gov",
    bucket="b" * 63,
    key="arn:aws-us-gov:kms:ap-southeast-99:123456789012:key/" + "0" * 36,
    execution="arn:aws-us-gov:iam::123456789012:role/" + "r" * 64,
    deployer="arn:aws-us-gov:iam::123456789012:role/" + "d" * 64,
    planner="arn:aws-us-gov:iam::123456789012:role/" + "p" * 64,
    topic="arn:aws-us-gov:sns:ap-southeast-99:123456789012:" + "t" * 128,
    parameters={"EndpointPrefix": "a" * 40, "VpcId": "vpc-" + "0" * 17},
)
"""Where every name has as many characters as it can have."""


def listed(value: object) -> list[str]:
    """Return what a policy says as one text or as several."""
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def decision(policies: Sequence[Document], need: Need) -> Decision:
    """Return what ``policies`` together say of a need: a Deny wins, then an Allow."""
    context = {key.lower(): values if len(values) > 1 else values[0] for key, values in need.context.items()}
    asked = Asked(need.action, need.resource, frozenset(), context)
    found = {decide(policy, asked) for policy in policies}
    return next((one for one in (Decision.DENIED, Decision.ALLOWED) if one in found), Decision.NEUTRAL)


def refused(policies: Sequence[Document], needs: Sequence[Need]) -> list[str]:
    """Return what of ``needs`` is not allowed, in words."""
    return sorted(
        {
            f"{need.why}: {need.action} on {need.resource} with {dict(need.context)}"
            for need in needs
            if decision(policies, need) is not Decision.ALLOWED
        }
    )


def narrowed(policies: Sequence[Document]) -> Iterator[tuple[str, str, tuple[Document, ...]]]:
    """Yield every set of policies that allows one action, or one resource of one statement, less.

    Each comes after the statement's name and what was taken from it.
    """
    for number, policy in enumerate(policies):
        for index, statement in enumerate(policy["Statement"]):
            for part in ("Action", "Resource") if statement["Effect"] == "Allow" else ():
                for value in listed(statement[part]):
                    less = deepcopy(list(policies))
                    left = [each for each in listed(statement[part]) if each != value]
                    if left:
                        less[number]["Statement"][index][part] = left
                    else:
                        del less[number]["Statement"][index]
                    yield statement["Sid"], value, tuple(less)


def wider(policies: Sequence[Document]) -> Iterator[tuple[str, tuple[Document, ...]]]:
    """Yield every set of policies that allows more: one condition less, or one statement for every resource.

    Each comes after what was changed, in words.
    """
    for number, policy in enumerate(policies):
        for index, statement in enumerate(policy["Statement"]):
            if statement["Effect"] != "Allow":
                continue
            for operator, keys in statement.get("Condition", {}).items():
                for key in keys:
                    more = deepcopy(tuple(policies))
                    del more[number]["Statement"][index]["Condition"][operator][key]
                    yield f"{statement['Sid']} without {operator} {key}", more
            if listed(statement["Resource"]) != ["*"]:
                more = deepcopy(tuple(policies))
                more[number]["Statement"][index]["Resource"] = "*"
                yield f"{statement['Sid']} on everything", more


def superfluous(policies: Sequence[Document], needs: Sequence[Need]) -> list[str]:
    """Return every action and resource without which all of ``needs`` would be allowed as well."""
    by_action: dict[str, list[Need]] = {}
    for need in needs:
        by_action.setdefault(need.action, []).append(need)
    actions = {
        statement["Sid"]: listed(statement["Action"])
        for policy in policies
        for statement in policy["Statement"]
    }
    return [
        f"{name}: {value}"
        for name, value, less in narrowed(policies)
        if all(
            decision(less, need) is Decision.ALLOWED
            for action in actions[name]
            for need in by_action.get(action, ())
        )
    ]


def without_denials(policies: Sequence[Document]) -> tuple[Document, ...]:
    """Return ``policies`` with nothing but what they allow."""
    return tuple(
        {**policy, "Statement": [one for one in policy["Statement"] if one["Effect"] == "Allow"]}
        for policy in policies
    )


def size_characters(policy: Document) -> int:
    """Return how much of IAM's limit a document takes: white space does not count."""
    return len("".join(json.dumps(policy, separators=(",", ":")).split()))
