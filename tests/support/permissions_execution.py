"""What SageMaker does with an endpoint's execution role, and which actions know no resource.

The first comes from AWS's documentation alone: nothing of it can be recorded. SageMaker Developer Guide, "How
to use SageMaker AI execution roles" (CreateModel API), "Auto-Rollback Configuration and Monitoring"
(DescribeAlarms), asynchronous inference, "Prerequisites" (S3 and SNS); API reference, CreateEndpointConfig
(KmsKeyId).
"""

from collections.abc import Iterator

from tests.support.needs import Context, Need, Place
from tests.support.roles import Stack

VPC = "vpc-0a1b2c3d"

NO_RESOURCE = frozenset(
    {
        "application-autoscaling:DescribeScalableTargets",
        "application-autoscaling:DescribeScalingPolicies",
        "application-autoscaling:DescribeScheduledActions",
        "cloudwatch:GetMetricData",
        "cloudwatch:PutMetricData",
        "ec2:DescribeDhcpOptions",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcs",
        "ecr:GetAuthorizationToken",
        "events:ListRules",
        "sagemaker:ListEndpointConfigs",
        "sagemaker:ListEndpoints",
        "sagemaker:ListModels",
        "servicequotas:ListServiceQuotas",
    }
)
"""Actions without a resource type in the Service Authorization Reference: only ``*`` can be written."""


def needs_of_execution(stack: Stack) -> list[Need]:
    """Return what an endpoint with everything asks for, whose name begins with ``acme-``."""
    place = Place(stack.account, stack.region, stack.key, partition=stack.partition)
    here: Context = {"aws:RequestedRegion": (stack.region,)}
    found = (*_of_storage(stack, place), *_of_containers(place), *_of_network(place))
    return [
        Need(need.action, need.resource, {**here, **need.context}, "sagemaker on behalf") for need in found
    ] + [Need("sns:Publish", stack.topic, here, "sagemaker on behalf")]


def _of_storage(stack: Stack, place: Place) -> Iterator[Need]:
    bucket = f"arn:{stack.partition}:s3:::{stack.bucket}"
    for key in ("artifacts/0a/model.tar.gz", "inputs/0a"):
        yield Need("s3:GetObject", f"{bucket}/orchestrator/acme-pets/{key}")
    yield Need("s3:ListBucket", bucket, {"s3:prefix": ("orchestrator/acme-pets/artifacts/0a/model/",)})
    for key in ("captured/acme-pets/a.jsonl", "async/answers/0a.out"):
        for action in ("PutObject", "AbortMultipartUpload"):
            yield Need(f"s3:{action}", f"{bucket}/{key}")
    for action in ("Decrypt", "GenerateDataKey"):
        for service in ("s3", "sns"):
            yield Need(f"kms:{action}", place.key, place.via(service))
    yield Need("kms:CreateGrant", place.key, {"kms:GrantIsForAWSResource": ("true",)})


def _of_containers(place: Place) -> Iterator[Need]:
    image = f"arn:{place.partition}:ecr:{place.region}:763104351884:repository/pytorch-inference"
    for action in ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer"):
        yield Need(f"ecr:{action}", image)
    yield Need("ecr:GetAuthorizationToken", "*")
    group = "log-group:/aws/sagemaker/Endpoints/acme-pets"
    for action, rest in (
        ("CreateLogGroup", ""),
        ("DescribeLogStreams", ""),
        ("CreateLogStream", ":log-stream:primary/i-0"),
        ("PutLogEvents", ":log-stream:primary/i-0"),
    ):
        yield Need(f"logs:{action}", place.arn("logs", f"{group}{rest}"))
    for namespace in ("AWS/SageMaker", "/aws/sagemaker/Endpoints"):
        yield Need("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": (namespace,)})
    yield Need("cloudwatch:DescribeAlarms", place.arn("cloudwatch", "alarm:*"))


def _of_network(place: Place) -> Iterator[Need]:
    inside: Context = {"ec2:Vpc": (place.arn("ec2", f"vpc/{VPC}"),)}
    # A network interface that does not exist yet is in no VPC; its subnet and security groups are.
    yield Need("ec2:CreateNetworkInterface", place.arn("ec2", "network-interface/*"))
    yield Need("ec2:CreateNetworkInterface", place.arn("ec2", "subnet/subnet-0a"), inside)
    yield Need("ec2:CreateNetworkInterface", place.arn("ec2", "security-group/sg-0a"), inside)
    for action in (
        "CreateNetworkInterfacePermission",
        "DeleteNetworkInterface",
        "DeleteNetworkInterfacePermission",
    ):
        yield Need(f"ec2:{action}", place.arn("ec2", "network-interface/eni-0a"), inside)
    for noun in ("DhcpOptions", "NetworkInterfaces", "SecurityGroups", "Subnets", "Vpcs"):
        yield Need(f"ec2:Describe{noun}", "*")
