"""SageMaker and Application Auto Scaling: what serves models, through the local cloud's own control plane."""

from typing import Any

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.stacks.forms import TEXT, Form, request_of
from orchestrator.localcloud.stacks.kind import ALL, Create, Delete, Hand, Kind, Properties
from orchestrator.localcloud.stacks.kinds.common import but, chosen, is_there, pairs, retag, without_fail
from orchestrator.localcloud.stackworld import Made

_SETTLED = {"InService", "Failed", "OutOfService", "UpdateRollbackFailed"}
_MOVING = (
    "EndpointConfigName",
    "DeploymentConfig",
    "ExcludeRetainedVariantProperties",
    "RetainAllVariantProperties",
    "RetainDeploymentConfig",
)
_TARGET = ("ServiceNamespace", "ResourceId", "ScalableDimension")


def _making(verb: str, member: str) -> tuple[Create, Delete]:
    """Return how one of SageMaker's resources is made and deleted: ``create_VERB`` names it by ``member``."""
    arn_member = f"{''.join(map(str.title, verb.split('_')))}Arn"

    def create(hand: Hand, properties: Properties) -> Made:
        arn = getattr(hand.client("sagemaker"), f"create_{verb}")(**properties)[arn_member]
        return Made(arn, {member: properties[member], arn_member: arn})

    def delete(hand: Hand, made: Made, _properties: Properties) -> None:
        drop = getattr(hand.client("sagemaker"), f"delete_{verb}")
        without_fail(drop, **{member: made.attributes[member]})

    return create, delete


def _retagged(hand: Hand, made: Made, old: Properties, new: Properties) -> Made:
    sagemaker, arn = hand.client("sagemaker"), made.physical
    retag(
        old,
        new,
        lambda tags: sagemaker.add_tags(ResourceArn=arn, Tags=pairs(tags)),
        lambda names: sagemaker.delete_tags(ResourceArn=arn, TagKeys=names),
    )
    return made


def _kind(verb: str, member: str, *attributes: str) -> Kind:
    """Return a kind whose every change makes another one, but for its tags."""
    title = "".join(map(str.title, verb.split("_")))
    create, delete = _making(verb, member)
    return Kind(
        f"AWS::SageMaker::{title}",
        lambda: request_of("sagemaker", f"Create{title}"),
        create,
        delete,
        _retagged,
        attributes=attributes,
        replacing=frozenset({ALL}),
        named=member,
        name_length=63,
    )


def _create_endpoint(hand: Hand, properties: Properties) -> Made:
    request = chosen(properties, "EndpointName", "EndpointConfigName", "DeploymentConfig", "Tags")
    name, config = properties["EndpointName"], properties["EndpointConfigName"]
    arn = hand.client("sagemaker").create_endpoint(**request)["EndpointArn"]
    return Made(arn, {"EndpointName": name, "EndpointConfigName": config})


def _update_endpoint(hand: Hand, made: Made, old: Properties, new: Properties) -> Made:
    _retagged(hand, made, old, new)
    name, config = made.attributes["EndpointName"], new["EndpointConfigName"]
    if config != old["EndpointConfigName"]:
        request = chosen(new, *_MOVING)
        hand.client("sagemaker").update_endpoint(EndpointName=name, **request)
    return Made(made.physical, {"EndpointName": name, "EndpointConfigName": config})


def _has_settled(hand: Hand, made: Made) -> bool:
    """Tell whether an endpoint serves what it is to serve.

    Raises:
        ApiError: If it has settled on anything else.
    """
    seen = hand.client("sagemaker").describe_endpoint(EndpointName=made.attributes["EndpointName"])
    if seen["EndpointStatus"] not in _SETTLED:
        return False
    asked = made.attributes["EndpointConfigName"]
    if (seen["EndpointStatus"], seen["EndpointConfigName"]) != ("InService", asked):
        why = seen.get("FailureReason") or "it gives no reason"
        stands = f"{seen['EndpointStatus']} on {seen['EndpointConfigName']}"
        raise ApiError("NotStabilized", f"the endpoint is {stands}, not InService on {asked}: {why}")
    return True


def _is_gone(hand: Hand, made: Made) -> bool:
    describe = hand.client("sagemaker").describe_endpoint
    return not is_there(describe, EndpointName=made.attributes["EndpointName"])


def _target_of(properties: Properties) -> dict[str, Any]:
    if identity := properties.get("ScalingTargetId"):
        resource, dimension, namespace = str(identity).split("|")
        return {"ResourceId": resource, "ScalableDimension": dimension, "ServiceNamespace": namespace}
    return chosen(properties, *_TARGET)


def _register(hand: Hand, properties: Properties) -> Made:
    hand.client("application-autoscaling").register_scalable_target(**properties)
    resource, dimension, namespace = (
        properties[each] for each in ("ResourceId", "ScalableDimension", "ServiceNamespace")
    )
    identity = f"{resource}|{dimension}|{namespace}"
    return Made(identity, {"Id": identity})


def _register_again(hand: Hand, _made: Made, _old: Properties, new: Properties) -> Made:
    return _register(hand, new)


def _deregister(hand: Hand, _made: Made, properties: Properties) -> None:
    drop = hand.client("application-autoscaling").deregister_scalable_target
    without_fail(drop, **chosen(properties, *_TARGET))


def _put_policy(hand: Hand, properties: Properties) -> Made:
    request = {**but(properties, "ScalingTargetId"), **_target_of(properties)}
    arn = hand.client("application-autoscaling").put_scaling_policy(**request)["PolicyARN"]
    return Made(arn, {"Arn": arn})


def _put_policy_again(hand: Hand, _made: Made, _old: Properties, new: Properties) -> Made:
    return _put_policy(hand, new)


def _delete_policy(hand: Hand, _made: Made, properties: Properties) -> None:
    drop = hand.client("application-autoscaling").delete_scaling_policy
    without_fail(drop, PolicyName=properties["PolicyName"], **_target_of(properties))


def _endpoint_form() -> Form:
    update = request_of("sagemaker", "UpdateEndpoint")
    return update.and_also(Tags=request_of("sagemaker", "CreateEndpoint").members["Tags"][1])


def _policy_form() -> Form:
    return request_of("application-autoscaling", "PutScalingPolicy").and_also(ScalingTargetId=TEXT)


_delete_endpoint = _making("endpoint", "EndpointName")[1]
KINDS = (
    _kind("model", "ModelName", "ModelName"),
    _kind("endpoint_config", "EndpointConfigName", "EndpointConfigName"),
    _kind("model_package_group", "ModelPackageGroupName", "ModelPackageGroupArn"),
    Kind(
        "AWS::SageMaker::Endpoint",
        _endpoint_form,
        _create_endpoint,
        _delete_endpoint,
        _update_endpoint,
        attributes=("EndpointName",),
        required=("EndpointConfigName",),
        replacing=frozenset({"EndpointName"}),
        named="EndpointName",
        name_length=63,
        settled=_has_settled,
        gone=_is_gone,
    ),
    Kind(
        "AWS::ApplicationAutoScaling::ScalableTarget",
        lambda: request_of("application-autoscaling", "RegisterScalableTarget").without("Tags"),
        _register,
        _deregister,
        _register_again,
        attributes=("Id",),
        required=("MaxCapacity", "MinCapacity", *_TARGET),
        replacing=frozenset(_TARGET),
    ),
    Kind(
        "AWS::ApplicationAutoScaling::ScalingPolicy",
        _policy_form,
        _put_policy,
        _delete_policy,
        _put_policy_again,
        attributes=("Arn",),
        required=("PolicyName", "PolicyType"),
        replacing=frozenset({"PolicyName", "ScalingTargetId", *_TARGET}),
    ),
)
