"""Stacks of our templates on a witness: some AWS that deploys them, and tells afterwards what is there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config

from tests.support.infra_readings import differences, reading
from tests.support.infra_templates import FOLDER, Resolved, parsed

_POLL = {"Delay": 0.05, "MaxAttempts": 400}


@dataclass(frozen=True)
class Witness:
    """An AWS that is not ours to believe: what it says of a resource is read from the resource's service."""

    name: str
    url: str
    account: str
    region: str
    credentials: Mapping[str, str]
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3 has no types
        """Return the client of a service, the same one each time."""
        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,
                endpoint_url=self.url,
                region_name=self.region,
                config=Config(proxies={}, s3={"addressing_style": "path"}),
                **self.credentials,
            )
        return self._clients[service]

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


@dataclass(frozen=True)
class Stack:
    """A stack of one of our templates on a witness."""

    witness: Witness
    template: str
    name: str

    def change(self, **parameters: str) -> dict[str, str]:
        """Make or change it by way of a change set; return what the set said beforehand, by logical id.

        Args:
            parameters: Of the template. The set has ``Add``, ``Modify`` or ``Remove`` for each resource.
        """
        api = self.witness.client("cloudformation")
        there = self._is_there()
        kind = "UPDATE" if there else "CREATE"
        arguments = {"StackName": self.name, "ChangeSetName": kind.lower()}
        api.create_change_set(
            **arguments,
            ChangeSetType=kind,
            TemplateBody=(FOLDER / f"{self.template}.yaml").read_text(encoding="utf-8"),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
        api.get_waiter("change_set_create_complete").wait(**arguments, WaiterConfig=_POLL)
        foretold = api.describe_change_set(**arguments)["Changes"]
        api.execute_change_set(**arguments)
        waiter = api.get_waiter("stack_update_complete" if there else "stack_create_complete")
        waiter.wait(StackName=self.name, WaiterConfig=_POLL)
        changes = [change["ResourceChange"] for change in foretold]
        return {change["LogicalResourceId"]: change["Action"] for change in changes}

    def delete(self) -> None:
        """Delete it, and wait for that."""
        api = self.witness.client("cloudformation")
        stack = api.describe_stacks(StackName=self.name)["Stacks"][0]["StackId"]
        api.delete_stack(StackName=self.name)
        api.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig=_POLL)

    def outputs(self) -> dict[str, str]:
        """Return its outputs."""
        api = self.witness.client("cloudformation")
        told = api.describe_stacks(StackName=self.name)["Stacks"][0]["Outputs"]
        return {output["OutputKey"]: output["OutputValue"] for output in told}

    def physical(self) -> dict[str, str]:
        """Return what its resources are called, by logical id."""
        api = self.witness.client("cloudformation")
        told = api.describe_stack_resources(StackName=self.name)["StackResources"]
        return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in told}

    def resolved(self, parameters: Mapping[str, str]) -> Resolved:
        """Return what its template asks for, with what its resources turned out to be called."""
        template, physical = parsed(self.template), self.physical()
        kinds = {name: template["Resources"][name]["Type"] for name in physical}
        arns = {f"{name}.Arn": self._arn(kinds[name], id_) for name, id_ in physical.items()}
        return Resolved(template, parameters, self._pseudo(), physical, arns)

    def readings(self, **parameters: str) -> dict[str, Any]:
        """Return what is there of each resource, by logical id.

        Args:
            parameters: Those it was changed with last.
        """
        asked = self.resolved(parameters)
        return {
            name: reading(
                self.witness.client, asked.template["Resources"][name]["Type"], id_, asked.properties(name)
            )
            for name, id_ in asked.physical.items()
        }

    def missing(self, **parameters: str) -> set[str]:
        """Return what has not taken effect: ``Type: path`` of a property, or the type of what is not there.

        Args:
            parameters: Those it was changed with last.
        """
        asked = self.resolved(parameters)
        read = self.readings(**parameters)
        lost = {resource["Type"] for name, resource in asked.resources().items() if name not in read}
        for name, found in read.items():
            kind = asked.template["Resources"][name]["Type"]
            lost |= {f"{kind}: {path}" for path in differences(asked.properties(name), found)}
        return lost

    def _is_there(self) -> bool:
        pages = self.witness.client("cloudformation").get_paginator("list_stacks").paginate()
        stacks = [stack for page in pages for stack in page["StackSummaries"]]
        return any(
            stack["StackName"] == self.name and stack["StackStatus"] != "DELETE_COMPLETE" for stack in stacks
        )

    def _pseudo(self) -> dict[str, str]:
        return {
            "AWS::AccountId": self.witness.account,
            "AWS::Partition": "aws",
            "AWS::Region": self.witness.region,
            "AWS::StackName": self.name,
            "AWS::URLSuffix": "amazonaws.com",
        }

    def _arn(self, kind: str, physical: str) -> str:
        """Return the ARN of a resource, put together as the Service Authorization Reference has it."""
        here = f"{self.witness.region}:{self.witness.account}"
        match kind:
            case "AWS::S3::Bucket":
                return f"arn:aws:s3:::{physical}"
            case "AWS::KMS::Key":
                return f"arn:aws:kms:{here}:key/{physical}"
            case "AWS::IAM::Role":
                return f"arn:aws:iam::{self.witness.account}:role/{physical}"
            case "AWS::Logs::LogGroup":
                return f"arn:aws:logs:{here}:log-group:{physical}:*"
            case "AWS::CloudWatch::Alarm":
                return f"arn:aws:cloudwatch:{here}:alarm:{physical}"
        return ""
