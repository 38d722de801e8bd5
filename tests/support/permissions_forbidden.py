"""What the deployer role of a stack for endpoints called ``acme-...`` has no business with.

For each statement something just outside of its resources, and for each condition something that fails it
alone.
"""

from tests.support.needs import Context, Need

_ACCOUNT = "123456789012"
_HERE = f"eu-west-1:{_ACCOUNT}"
_SAGEMAKER = f"arn:aws:sagemaker:{_HERE}"
_ALARM = f"arn:aws:cloudwatch:{_HERE}:alarm"
_BUCKET = "arn:aws:s3:::models"
_KEY = f"arn:aws:kms:{_HERE}:key"
_LINKED = f"arn:aws:iam::{_ACCOUNT}:role/aws-service-role"
_SERVICE = "sagemaker.application-autoscaling.amazonaws.com"
_SCALABLE = "scalable-target/0a"
_OURS = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"

_ASKED: Context = {
    "aws:TagKeys": ("orchestrator:endpoint",),
    "aws:RequestTag/orchestrator:endpoint": ("acme-pets",),
}
_OWNED: Context = {"aws:ResourceTag/orchestrator:endpoint": ("acme-pets",)}
_ANCHOR: Context = {
    "aws:TagKeys": ("orchestrator:journal",),
    "aws:RequestTag/orchestrator:journal": ("1:0a",),
}
_FOREIGN: Context = {
    "aws:TagKeys": ("orchestrator:journal", "team"),
    "aws:RequestTag/orchestrator:journal": ("1:0a",),
    "aws:RequestTag/team": ("others",),
}
_MAKING: Context = {**_ASKED, "sagemaker:TaggingAction": ("CreateModel",)}

FORBIDDEN = (
    # Models, endpoint configs and endpoints: of another account, of another name, without the tag.
    Need("sagemaker:DescribeEndpoint", "arn:aws:sagemaker:eu-west-1:210987654321:endpoint/acme-pets"),
    Need("sagemaker:ListModels", "*", {"aws:RequestedRegion": ("us-east-1",)}),
    Need("events:ListRules", "*", {"aws:RequestedRegion": ("us-east-1",)}),
    Need("ec2:DescribeSubnets", "*", {"aws:RequestedRegion": ("us-east-1",)}),
    Need("sagemaker:CreateModel", f"{_SAGEMAKER}:model/other-0123456789ab", _ASKED),
    Need("sagemaker:CreateModel", f"{_SAGEMAKER}:model/acme-pets", _ASKED),
    Need("sagemaker:CreateModel", f"{_SAGEMAKER}:model/acme-pets-0123456789ab"),
    Need("sagemaker:AddTags", f"{_SAGEMAKER}:model/other-0123456789ab", _MAKING),
    Need("sagemaker:AddTags", f"{_SAGEMAKER}:model/acme-pets-0123456789ab", _ASKED),
    Need("sagemaker:AddTags", f"{_SAGEMAKER}:endpoint/other", _ASKED),
    Need("sagemaker:AddTags", f"{_SAGEMAKER}:endpoint/other", {**_ANCHOR, **_OWNED}),
    Need("sagemaker:AddTags", f"{_SAGEMAKER}:endpoint/acme-pets", _ANCHOR),
    Need("sagemaker:AddTags", f"{_SAGEMAKER}:endpoint/acme-pets", _OWNED),
    Need("sagemaker:AddTags", f"{_SAGEMAKER}:endpoint/acme-pets", {**_FOREIGN, **_OWNED}),
    Need("sagemaker:DeleteEndpoint", f"{_SAGEMAKER}:endpoint/other", _OWNED),
    Need("sagemaker:DeleteEndpoint", f"{_SAGEMAKER}:endpoint/acme-pets"),
    Need("sagemaker:UpdateEndpoint", f"{_SAGEMAKER}:endpoint/acme-pets"),
    Need("sagemaker:UpdateEndpoint", f"{_SAGEMAKER}:endpoint-config/other-0123456789ab"),
    Need("sagemaker:DeleteModel", f"{_SAGEMAKER}:model/other-0123456789ab", _OWNED),
    Need("sagemaker:DeleteModel", f"{_SAGEMAKER}:model/acme-pets-0123456789ab"),
    Need("sagemaker:InvokeEndpoint", f"{_SAGEMAKER}:endpoint/other"),
    # Roles: any but the execution role, for any but SageMaker.
    Need(
        "iam:PassRole",
        f"arn:aws:iam::{_ACCOUNT}:role/admin",
        {"iam:PassedToService": ("sagemaker.amazonaws.com",)},
    ),
    Need(
        "iam:PassRole",
        f"arn:aws:iam::{_ACCOUNT}:role/sagemaker-execution",
        {"iam:PassedToService": ("lambda.amazonaws.com",)},
    ),
    Need("iam:GetRole", f"arn:aws:iam::{_ACCOUNT}:role/admin"),
    Need("sts:AssumeRole", f"arn:aws:iam::{_ACCOUNT}:role/admin"),
    Need("iam:CreateServiceLinkedRole", f"{_LINKED}/{_SERVICE}/Another", {"iam:AWSServiceName": (_SERVICE,)}),
    Need(
        "iam:CreateServiceLinkedRole",
        f"{_LINKED}/{_SERVICE}/{_OURS}",
        {"iam:AWSServiceName": ("ecs.application-autoscaling.amazonaws.com",)},
    ),
    # What else there is in an account.
    Need(
        "application-autoscaling:DeregisterScalableTarget",
        f"arn:aws:application-autoscaling:us-east-1:{_ACCOUNT}:{_SCALABLE}",
        {"application-autoscaling:service-namespace": ("sagemaker",)},
    ),
    Need(
        "application-autoscaling:DeregisterScalableTarget",
        f"arn:aws:application-autoscaling:{_HERE}:{_SCALABLE}",
        {"application-autoscaling:service-namespace": ("ecs",)},
    ),
    Need("cloudwatch:DescribeAlarms", "arn:aws:cloudwatch:eu-west-1:210987654321:alarm:*"),
    Need("cloudwatch:DeleteAlarms", f"{_ALARM}:other-5xx"),
    Need("cloudwatch:SetAlarmState", f"{_ALARM}:acme-pets-5xx"),
    Need("logs:FilterLogEvents", f"arn:aws:logs:{_HERE}:log-group:/aws/sagemaker/Endpoints/other"),
    Need("ecr:BatchGetImage", f"arn:aws:ecr:us-east-1:{_ACCOUNT}:repository/pets"),
    Need("events:ListTargetsByRule", f"arn:aws:events:{_HERE}:rule/others"),
    Need("sns:GetTopicAttributes", f"arn:aws:sns:{_HERE}:others"),
    Need("iam:SimulatePrincipalPolicy", f"arn:aws:iam::{_ACCOUNT}:role/admin"),
    # The bucket and its key.
    Need("s3:GetBucketPolicy", "arn:aws:s3:::others"),
    Need("kms:DescribeKey", f"{_KEY}/another"),
    Need("s3:ListBucket", "arn:aws:s3:::others"),
    Need("s3:GetObject", f"{_BUCKET}/orchestrator/other/journal/000001.json"),
    Need("s3:GetObject", f"{_BUCKET}/captured/acme-pets/requests.jsonl"),
    Need("s3:PutObject", f"{_BUCKET}/async/answers/0a.out"),
    Need("s3:DeleteObject", f"{_BUCKET}/orchestrator/other/lock.json"),
    Need("kms:Decrypt", f"{_KEY}/another", {"kms:ViaService": ("s3.eu-west-1.amazonaws.com",)}),
    Need("kms:Decrypt", f"{_KEY}/0a1b", {"kms:ViaService": ("ec2.eu-west-1.amazonaws.com",)}),
)
