"""Templates with every kind of resource that a stack of the local cloud can have."""

import json
from typing import Any

from orchestrator.localcloud.defaults import ACCOUNT
from tests.support.clouds import BUCKET, IMAGE, ROLE
from tests.support.stacks import att, ref, resource, written

TOPIC, QUEUE = "AWS::SNS::Topic", "AWS::SQS::Queue"
Resources = dict[str, dict[str, Any]]


def others(tag: str, number: int) -> Resources:
    """Return resources of all kinds that the templates below do not have, each with the tag or the number."""
    return {**stored(tag), **permitted(tag, number), **heard(tag, number), **watching(tag), **scaled(number)}


def document(tag: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": ACCOUNT}}
    return {"Version": "2012-10-17", "Id": tag, "Statement": [statement]}


def tags(tag: str) -> list[dict[str, str]]:
    return [{"Key": "number", "Value": tag}]


def stored(tag: str) -> Resources:
    arn = {"Fn::Sub": "${Bucket.Arn}/*"}
    statement = {"Sid": tag, "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": arn}
    shared = {"Version": "2012-10-17", "Statement": [statement]}
    return {
        "Bucket": resource("AWS::S3::Bucket", OwnershipControls={"Rules": [{"ObjectOwnership": tag}]}),
        "Shared": resource("AWS::S3::BucketPolicy", Bucket=ref("Bucket"), PolicyDocument=shared),
        "Key": resource("AWS::KMS::Key", Description=tag, Tags=tags(tag)),
        "Alias": resource("AWS::KMS::Alias", AliasName="alias/other", TargetKeyId=ref("Key")),
        "Parameter": resource("AWS::SSM::Parameter", Type="String", Value=tag, Tags={"number": tag}),
        "Registry": resource("AWS::SageMaker::ModelPackageGroup", Tags=tags(tag)),
    }


def permitted(tag: str, number: int) -> Resources:
    inline = {**document(tag), "Statement": [{"Effect": "Allow", "Action": f"s3:{tag}", "Resource": "*"}]}
    return {
        "Role": resource(
            "AWS::IAM::Role",
            AssumeRolePolicyDocument=document(tag),
            MaxSessionDuration=3600 * number,
            Tags=tags(tag),
        ),
        "Inline": resource("AWS::IAM::Policy", PolicyName="in", PolicyDocument=inline, Roles=[ref("Role")]),
        "Issuer": resource("AWS::IAM::OIDCProvider", Url="https://ci.example.com", ClientIdList=[tag]),
    }


def heard(tag: str, number: int) -> Resources:
    policy = document(tag)
    return {
        "Topic": resource(TOPIC, DisplayName=tag, Tags=tags(tag)),
        "Queue": resource(QUEUE, Tags=tags(tag)),
        "TopicPolicy": resource("AWS::SNS::TopicPolicy", Topics=[ref("Topic")], PolicyDocument=policy),
        "QueuePolicy": resource("AWS::SQS::QueuePolicy", Queues=[ref("Queue")], PolicyDocument=policy),
        "Heard": resource(
            "AWS::SNS::Subscription",
            TopicArn=ref("Topic"),
            Protocol="sqs",
            Endpoint=att("Queue", "Arn"),
            RawMessageDelivery=number == 1,
        ),
    }


def watching(tag: str) -> Resources:
    board = json.dumps({"widgets": [{"type": "text", "properties": {"markdown": tag}}]})
    rule = {"Fn::Sub": 'ALARM("${Alarm}")'}
    return {
        "Writing": resource(
            "AWS::Logs::ResourcePolicy", PolicyName="w", PolicyDocument=json.dumps(document(tag))
        ),
        "Alarm": alarm("other", 1),
        "Both": resource("AWS::CloudWatch::CompositeAlarm", AlarmDescription=tag, AlarmRule=rule),
        "Board": resource("AWS::CloudWatch::Dashboard", DashboardBody=board),
    }


def scaled(number: int) -> Resources:
    metric = {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}
    return {
        "Target": resource(
            "AWS::ApplicationAutoScaling::ScalableTarget",
            ServiceNamespace="sagemaker",
            ScalableDimension="sagemaker:variant:DesiredInstanceCount",
            ResourceId="endpoint/scaled/variant/primary",
            MinCapacity=1,
            MaxCapacity=number + 1,
        ),
        "Scaling": resource(
            "AWS::ApplicationAutoScaling::ScalingPolicy",
            PolicyName="track",
            PolicyType="TargetTrackingScaling",
            ScalingTargetId=ref("Target"),
            TargetTrackingScalingPolicyConfiguration={
                "TargetValue": number,
                "PredefinedMetricSpecification": metric,
            },
        ),
    }


def alarm(name: str, threshold: int, *actions: object) -> dict[str, Any]:
    return resource(
        "AWS::CloudWatch::Alarm",
        AlarmName=name,
        Namespace="N",
        MetricName="M",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=threshold,
        ComparisonOperator="GreaterThanThreshold",
        AlarmActions=list(actions),
    )


def shop() -> str:
    """Return a bucket that is encrypted with a key, and exported."""
    rule = {"Id": "old", "Status": "Enabled", "NoncurrentVersionExpiration": {"NoncurrentDays": "30"}}
    key = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": att("Key", "Arn")}
    encryption = {"ServerSideEncryptionByDefault": key, "BucketKeyEnabled": True}
    bucket = resource(
        "AWS::S3::Bucket",
        BucketName="made-by-a-stack",
        BucketEncryption={"ServerSideEncryptionConfiguration": [encryption]},
        VersioningConfiguration={"Status": "Enabled"},
        LifecycleConfiguration={"Rules": [rule]},
        Tags=[{"Key": "own", "Value": "yes"}],
    )
    resources = {"Bucket": bucket, "Key": resource("AWS::KMS::Key", EnableKeyRotation="true")}
    exported = {"Value": ref("Bucket"), "Export": {"Name": "shop-bucket"}}
    return written(resources, Outputs={"Bucket": exported})


def endpoint(environment: str) -> str:
    """Return a model, a config and an endpoint that serves it."""
    container = {
        "Image": IMAGE,
        "ModelDataUrl": f"s3://{BUCKET}/stacks/model.tar.gz",
        "Environment": {"WHICH": environment},
    }
    variant = {
        "VariantName": "primary",
        "ModelName": att("Model", "ModelName"),
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": "1",
    }
    return written(
        {
            "Model": resource("AWS::SageMaker::Model", ExecutionRoleArn=ROLE, PrimaryContainer=container),
            "Config": resource("AWS::SageMaker::EndpointConfig", ProductionVariants=[variant]),
            "Endpoint": resource(
                "AWS::SageMaker::Endpoint",
                EndpointName="served",
                EndpointConfigName=att("Config", "EndpointConfigName"),
            ),
        }
    )


def watched(action: str, threshold: int) -> str:
    """Return a role with a policy, and an alarm and a rule that tell a topic."""
    version, who = {"Version": "2012-10-17"}, {"Principal": {"Service": "sagemaker.amazonaws.com"}}
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", **who}
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    return written(
        {
            "Role": resource(
                "AWS::IAM::Role",
                RoleName="by-a-stack",
                AssumeRolePolicyDocument={**version, "Statement": [trust]},
            ),
            "Policy": resource(
                "AWS::IAM::ManagedPolicy",
                PolicyDocument={**version, "Statement": [statement]},
                Roles=[ref("Role")],
            ),
            "Topic": resource(TOPIC),
            "Alarm": alarm("by-a-stack", threshold, ref("Topic")),
            "Rule": resource(
                "AWS::Events::Rule",
                EventPattern={"source": ["aws.sagemaker"]},
                Targets=[{"Id": "topic", "Arn": ref("Topic")}],
            ),
        }
    )
