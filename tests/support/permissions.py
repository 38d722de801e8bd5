"""What IAM asks about each call of AWS that the orchestrator makes: actions, resources and condition keys.

The sources are the Service Authorization Reference (actions, resource types, condition keys and dependent
actions of a service) and where it says less, the guide that is named beside the entry.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tests.support import permissions_s3
from tests.support.calls import Call
from tests.support.needs import Ask, Context, Need, Parameters, Place


def needs(calls: Sequence[Call], place: Place) -> Iterator[Need]:
    """Yield what IAM is asked for ``calls``, in their order.

    Raises:
        KeyError: If nothing is known of an operation: whoever adds one says what it needs.
    """
    for call in calls:
        for need in _ASKS[call.name](call.parameters, place):
            context = {"aws:RequestedRegion": (place.region,), **need.context}
            yield Need(need.action, need.resource, context, call.name)


def distinct(found: Iterable[Need]) -> list[Need]:
    """Return one of all needs that differ in nothing but the values of condition keys."""
    return list({(one.action, one.resource, frozenset(one.context)): one for one in found}.values())


def known_operations() -> frozenset[str]:
    """Return the names of all calls that something is known of."""
    return frozenset(_ASKS)


# SageMaker

_NAMED = {"endpoint": "EndpointName", "endpoint-config": "EndpointConfigName", "model": "ModelName"}


def _tags(request: Parameters) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in request.get("Tags", ())}


def _requested(tags: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    keys = {"aws:TagKeys": tuple(tags)} if tags else {}
    return {**keys, **{f"aws:RequestTag/{key}": (value,) for key, value in tags.items()}}


def _owned(place: Place, arn: str) -> Context:
    return {f"aws:ResourceTag/{key}": (value,) for key, value in place.tags.get(arn, {}).items()}


def _about(kind: str, *actions: str) -> Ask:
    """Return what is asked for operations on something that exists, whatever they are called."""

    def ask(request: Parameters, place: Place) -> Iterator[Need]:
        arn = place.sagemaker(kind, request[_NAMED[kind]])
        for action in actions:
            yield Need(action, arn, _owned(place, arn))

    return ask


def _creating(kind: str, operation: str) -> Ask:
    def ask(request: Parameters, place: Place) -> Iterator[Need]:
        arn, tags = place.sagemaker(kind, request[_NAMED[kind]]), _tags(request)
        place.tags[arn] = {**place.tags.get(arn, {}), **tags}
        yield Need(f"sagemaker:{operation}", arn, _requested(tags))
        if kind == "endpoint":
            config = place.sagemaker("endpoint-config", request["EndpointConfigName"])
            yield Need(f"sagemaker:{operation}", config, {**_requested(tags), **_owned(place, config)})
        if tags:
            said = {**_requested(tags), "sagemaker:TaggingAction": (operation,)}
            yield Need("sagemaker:AddTags", arn, said)
        if "ExecutionRoleArn" in request:
            service = {"iam:PassedToService": ("sagemaker.amazonaws.com",)}
            yield Need("iam:PassRole", request["ExecutionRoleArn"], service)

    return ask


def _updating(request: Parameters, place: Place) -> Iterator[Need]:
    yield from _about("endpoint", "sagemaker:UpdateEndpoint")(request, place)
    yield from _about("endpoint-config", "sagemaker:UpdateEndpoint")(request, place)


def _adding_tags(request: Parameters, place: Place) -> Iterator[Need]:
    arn, tags = request["ResourceArn"], _tags(request)
    yield Need("sagemaker:AddTags", arn, {**_requested(tags), **_owned(place, arn)})
    place.tags[arn] = {**place.tags.get(arn, {}), **tags}


def _listing_tags(request: Parameters, place: Place) -> Iterator[Need]:
    arn = request["ResourceArn"]
    yield Need("sagemaker:ListTags", arn, _owned(place, arn))


def _everywhere(action: str) -> Ask:
    """Return what is asked for operations that are about no resource in particular."""

    def ask(request: Parameters, place: Place) -> Iterator[Need]:
        yield Need(action, "*")

    return ask


def _nothing(request: Parameters, place: Place) -> Iterator[Need]:
    """Ask for nothing: "No permissions are required", API reference, GetCallerIdentity."""
    yield from ()


# Application Auto Scaling


def _scaling(action: str) -> Ask:
    def ask(request: Parameters, place: Place) -> Iterator[Need]:
        # The id of a target is made by the service; nobody can know it.
        target = place.arn("application-autoscaling", "scalable-target/0123456789abcdef0123456789abcdef0123")
        said = {
            "application-autoscaling:service-namespace": (request["ServiceNamespace"],),
            "application-autoscaling:scalable-dimension": (request["ScalableDimension"],),
        }
        yield Need(f"application-autoscaling:{action}", target, said)
        yield from _on_behalf(action, request, place)

    return ask


def _on_behalf(action: str, request: Parameters, place: Place) -> Iterator[Need]:
    """Yield what the caller has to be allowed besides.

    Application Auto Scaling user guide, "Permissions validation for API calls on target resources", and
    SageMaker Developer Guide, "Auto scaling prerequisites".
    """
    _, endpoint, _, _ = request["ResourceId"].split("/")
    arn = place.sagemaker("endpoint", endpoint)
    if action == "RegisterScalableTarget":
        for name in ("DescribeEndpoint", "UpdateEndpointWeightsAndCapacities"):
            yield Need(f"sagemaker:{name}", arn, _owned(place, arn))
        role = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
        service = "sagemaker.application-autoscaling.amazonaws.com"
        linked = f"arn:{place.partition}:iam::{place.account}:role/aws-service-role/{service}/{role}"
        yield Need("iam:CreateServiceLinkedRole", linked, {"iam:AWSServiceName": (service,)})
    if request.get("PolicyType") == "TargetTrackingScaling" or action == "DeregisterScalableTarget":
        alarm = place.arn("cloudwatch", f"alarm:TargetTracking-{request['ResourceId']}-AlarmHigh-0a1b")
        for name in ("PutMetricAlarm", "DescribeAlarms", "DeleteAlarms"):
            yield Need(f"cloudwatch:{name}", alarm)


# CloudWatch and the rest


def _alarms(request: Parameters, place: Place) -> Iterator[Need]:
    for name in request["AlarmNames"]:
        yield Need("cloudwatch:DeleteAlarms", place.arn("cloudwatch", f"alarm:{name}"))


def _alarm(action: str) -> Ask:
    def ask(request: Parameters, place: Place) -> Iterator[Need]:
        yield Need(action, place.arn("cloudwatch", f"alarm:{request['AlarmName']}"))

    return ask


def _all_alarms(request: Parameters, place: Place) -> Iterator[Need]:
    # "scoped to *" for composite alarms: API reference, DescribeAlarms.
    yield Need("cloudwatch:DescribeAlarms", place.arn("cloudwatch", "alarm:*"))


def _log(request: Parameters, place: Place) -> Iterator[Need]:
    yield Need("logs:FilterLogEvents", place.arn("logs", f"log-group:{request['logGroupName']}"))


def _image(request: Parameters, place: Place) -> Iterator[Need]:
    where = f"arn:{place.partition}:ecr:{place.region}:{request['registryId']}"
    yield Need("ecr:BatchGetImage", f"{where}:repository/{request['repositoryName']}")


def _role(request: Parameters, place: Place) -> Iterator[Need]:
    yield Need("iam:GetRole", f"arn:{place.partition}:iam::{place.account}:role/{request['RoleName']}")


def _named(action: str, member: str) -> Ask:
    """Return what is asked for operations that are told the ARN itself."""

    def ask(request: Parameters, place: Place) -> Iterator[Need]:
        yield Need(action, request[member])

    return ask


def _rule(request: Parameters, place: Place) -> Iterator[Need]:
    yield Need("events:ListTargetsByRule", place.arn("events", f"rule/{request['Rule']}"))


_ASKS: Mapping[str, Ask] = {
    **permissions_s3.ASKS,
    "sagemaker CreateModel": _creating("model", "CreateModel"),
    "sagemaker CreateEndpointConfig": _creating("endpoint-config", "CreateEndpointConfig"),
    "sagemaker CreateEndpoint": _creating("endpoint", "CreateEndpoint"),
    "sagemaker UpdateEndpoint": _updating,
    "sagemaker AddTags": _adding_tags,
    "sagemaker ListTags": _listing_tags,
    **{
        f"sagemaker {operation}{noun}": _about(kind, f"sagemaker:{operation}{noun}")
        for (kind, noun), operation in itertools.product(
            (("endpoint", "Endpoint"), ("endpoint-config", "EndpointConfig"), ("model", "Model")),
            ("Describe", "Delete"),
        )
    },
    "sagemaker UpdateEndpointWeightsAndCapacities": _about(
        "endpoint", "sagemaker:UpdateEndpointWeightsAndCapacities"
    ),
    **{
        f"sagemaker {operation}": _everywhere(f"sagemaker:{operation}")
        for operation in ("ListEndpoints", "ListEndpointConfigs", "ListModels")
    },
    **{
        f"sagemaker-runtime {operation}": _about("endpoint", f"sagemaker:{operation}")
        for operation in ("InvokeEndpoint", "InvokeEndpointAsync", "InvokeEndpointWithResponseStream")
    },
    **{
        f"application-autoscaling {operation}": _scaling(operation)
        for operation in (
            "RegisterScalableTarget",
            "DeregisterScalableTarget",
            "PutScalingPolicy",
            "DeleteScalingPolicy",
            "PutScheduledAction",
            "DeleteScheduledAction",
        )
    },
    **{
        f"application-autoscaling {operation}": _everywhere(f"application-autoscaling:{operation}")
        for operation in ("DescribeScalableTargets", "DescribeScalingPolicies", "DescribeScheduledActions")
    },
    "cloudwatch PutMetricAlarm": _alarm("cloudwatch:PutMetricAlarm"),
    "cloudwatch SetAlarmState": _alarm("cloudwatch:SetAlarmState"),
    "cloudwatch DeleteAlarms": _alarms,
    "cloudwatch DescribeAlarms": _all_alarms,
    "cloudwatch GetMetricData": _everywhere("cloudwatch:GetMetricData"),
    "logs FilterLogEvents": _log,
    "ecr BatchGetImage": _image,
    "iam GetRole": _role,
    "iam SimulatePrincipalPolicy": _named("iam:SimulatePrincipalPolicy", "PolicySourceArn"),
    "kms DescribeKey": _named("kms:DescribeKey", "KeyId"),
    "sns GetTopicAttributes": _named("sns:GetTopicAttributes", "TopicArn"),
    "events ListRules": _everywhere("events:ListRules"),
    "events ListTargetsByRule": _rule,
    "ec2 DescribeSubnets": _everywhere("ec2:DescribeSubnets"),
    "ec2 DescribeSecurityGroups": _everywhere("ec2:DescribeSecurityGroups"),
    "service-quotas ListServiceQuotas": _everywhere("servicequotas:ListServiceQuotas"),
    "sts GetCallerIdentity": _nothing,
    # Asked of whoever takes a role on: who is a session of it already does not (adapters/aws.py).
    "sts AssumeRole": _nothing,
}
