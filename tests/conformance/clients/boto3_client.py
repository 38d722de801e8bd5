"""boto3 as a release pipeline uses it: every verb of endpoints, waiters, paginators, and the data plane."""

import json
import time

import boto3
import setting
from botocore.exceptions import ClientError
from setting import IMAGE, ONE, ROLE, ROWS, TWO, expect, step

BUCKET = "boto3"
BODY = json.dumps(ROWS)
QUICK = {"Delay": 1, "MaxAttempts": 120}

sagemaker = boto3.client("sagemaker")
runtime = boto3.client("sagemaker-runtime")
s3 = boto3.client("s3")


def refusal(call, **arguments):
    """Return the code and the message of what has to be refused."""
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]
    raise SystemExit(f"failed: {call.__name__} was not refused")


def variant(name, **more):
    return {
        "VariantName": "AllTraffic",
        "ModelName": f"boto3-{name}",
        "InstanceType": "ml.m7i.large",
        "InitialInstanceCount": 2,
        "InitialVariantWeight": 1.0,
        **more,
    }


def ask(**more):
    return runtime.invoke_endpoint(EndpointName="boto3", ContentType="application/json", Body=BODY, **more)


def main():
    setting.begin(BUCKET)
    for name in ("one", "two"):
        container = {"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/whole/{name}.tar.gz"}
        sagemaker.create_model(ModelName=f"boto3-{name}", PrimaryContainer=container, ExecutionRoleArn=ROLE)
        sagemaker.create_endpoint_config(
            EndpointConfigName=f"boto3-{name}",
            ProductionVariants=[variant(name)],
            Tags=[{"Key": "team", "Value": "ml"}],
        )
    code, message = refusal(
        sagemaker.create_model, ModelName="boto3-one", PrimaryContainer=container, ExecutionRoleArn=ROLE
    )
    expect((code, message.startswith("Cannot create already existing model")), ("ValidationException", True))
    code, _ = refusal(
        sagemaker.create_model, ModelName="no role", PrimaryContainer=container, ExecutionRoleArn=ROLE
    )
    expect(code, "ValidationException")
    missing = {"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/nothing.tar.gz"}
    code, _ = refusal(
        sagemaker.create_model, ModelName="lost", PrimaryContainer=missing, ExecutionRoleArn=ROLE
    )
    expect(code, "ValidationException")
    step("models and endpoint configs, and what is refused")

    sagemaker.create_endpoint(EndpointName="boto3", EndpointConfigName="boto3-one")
    expect(sagemaker.describe_endpoint(EndpointName="boto3")["EndpointStatus"], "Creating")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="boto3", WaiterConfig=QUICK)
    answer = ask(Accept="application/json", CustomAttributes="trace=1")
    expect((json.loads(answer["Body"].read()), answer["InvokedProductionVariant"]), (ONE, "AllTraffic"))
    step("create_endpoint, endpoint_in_service, invoke_endpoint")

    streamed = runtime.invoke_endpoint_with_response_stream(
        EndpointName="boto3", ContentType="application/json", Accept="application/json", Body=BODY
    )
    expect(json.loads(b"".join(part["PayloadPart"]["Bytes"] for part in streamed["Body"])), ONE)
    step("invoke_endpoint_with_response_stream")

    code, message = refusal(
        runtime.invoke_endpoint, EndpointName="boto3", Body=b"x", ContentType="application/x-no"
    )
    expect((code, message.startswith("Received")), ("ModelError", True))
    code, message = refusal(runtime.invoke_endpoint, EndpointName="nobody", Body=b"{}")
    expect((code, message), ("ValidationError", "Endpoint nobody of account 123456789012 not found."))
    code, _ = refusal(runtime.invoke_endpoint, EndpointName="boto3", Body=b"{}", TargetVariant="nobody")
    expect(code, "ValidationError")
    step("refusals of the data plane")
    update()
    reshape()
    lists()
    sagemaker.delete_endpoint(EndpointName="boto3")
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName="boto3", WaiterConfig=QUICK)
    for name in ("one", "two"):
        sagemaker.delete_endpoint_config(EndpointConfigName=f"boto3-{name}")
        sagemaker.delete_model(ModelName=f"boto3-{name}")
    step("delete_endpoint, endpoint_deleted, and all the rest")


def update():
    """Move traffic in steps, and see it move."""
    linear = {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {
                "Type": "LINEAR",
                "WaitIntervalInSeconds": 2,
                "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": 50},
            },
            "MaximumExecutionTimeoutInSeconds": 600,
        }
    }
    sagemaker.update_endpoint(
        EndpointName="boto3",
        EndpointConfigName="boto3-two",
        DeploymentConfig=linear,
        RetainAllVariantProperties=False,
    )
    code, message = refusal(sagemaker.delete_endpoint, EndpointName="boto3")
    expect((code, message.startswith("Cannot update in-progress endpoint")), ("ValidationException", True))
    seen = set()
    while sagemaker.describe_endpoint(EndpointName="boto3")["EndpointStatus"] == "Updating":
        seen.add(tuple(json.loads(ask(Accept="application/json")["Body"].read())))
        time.sleep(0.05)
    expect(seen, {tuple(ONE), tuple(TWO)})
    settled = sagemaker.describe_endpoint(EndpointName="boto3")
    expect((settled["EndpointStatus"], settled["EndpointConfigName"]), ("InService", "boto3-two"))
    expect(json.loads(ask(Accept="application/json")["Body"].read()), TWO)
    step("update_endpoint: both answer while it moves, and none fails")


def reshape():
    sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="boto3",
        DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": 1}],
    )
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="boto3", WaiterConfig=QUICK)
    (found,) = sagemaker.describe_endpoint(EndpointName="boto3")["ProductionVariants"]
    expect((found["CurrentInstanceCount"], found["CurrentWeight"]), (1, 1.0))
    step("update_endpoint_weights_and_capacities")


def lists():
    for number in range(25):
        sagemaker.create_endpoint_config(
            EndpointConfigName=f"paged-{number:02}",
            ProductionVariants=[variant("one", InitialVariantWeight=0.0)],
        )
    pages = sagemaker.get_paginator("list_endpoint_configs").paginate(NameContains="paged", MaxResults=10)
    sizes = [len(page["EndpointConfigs"]) for page in pages]
    expect(sizes, [10, 10, 5])
    (kept,) = sagemaker.describe_endpoint_config(EndpointConfigName="paged-07")["ProductionVariants"]
    expect(kept["InitialVariantWeight"], 0.0)
    for number in range(25):
        sagemaker.delete_endpoint_config(EndpointConfigName=f"paged-{number:02}")
    arn = sagemaker.describe_endpoint(EndpointName="boto3")["EndpointArn"]
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "stage", "Value": "test"}])
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "stage", "Value": "live"}])
    tags = [
        tag for page in sagemaker.get_paginator("list_tags").paginate(ResourceArn=arn) for tag in page["Tags"]
    ]
    expect(tags, [{"Key": "stage", "Value": "live"}])
    for operation, member in (("list_models", "Models"), ("list_endpoints", "Endpoints")):
        found = [one for page in sagemaker.get_paginator(operation).paginate() for one in page[member]]
        expect(len(found) >= 1, True)
    step("paginators and tags")


if __name__ == "__main__":
    main()
