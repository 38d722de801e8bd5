"""The SageMaker Python SDK v3, as its users write it: resources, and ModelBuilder."""

import json
import time

import boto3
import setting
from sagemaker.core.helper.session_helper import Session
from sagemaker.core.resources import Endpoint, EndpointConfig, InferenceComponent, Model, TransformJob
from sagemaker.core.shapes import (
    AsyncInferenceConfig,
    AsyncInferenceOutputConfig,
    ContainerDefinition,
    InferenceComponentComputeResourceRequirements,
    InferenceComponentRuntimeConfig,
    InferenceComponentSpecification,
    ProductionVariant,
    Tag,
    TransformDataSource,
    TransformInput,
    TransformOutput,
    TransformResources,
    TransformS3DataSource,
)
from sagemaker.core.utils.exceptions import FailedStatusError
from sagemaker.serve.mode.function_pointers import Mode
from sagemaker.serve.model_builder import ModelBuilder
from sagemaker.serve.utils.types import ModelServer
from setting import IMAGE, ONE, ROLE, ROWS, TWO, expect, step

BUCKET = "sdk-v3"
BODY = json.dumps(ROWS)


def main():
    setting.begin(BUCKET)
    for name in ("one", "two"):
        model(name)
        EndpointConfig.create(
            endpoint_config_name=f"v3-{name}",
            production_variants=[variant(name)],
            tags=[Tag(key="team", value="ml")],
        )
    step("Model.create, EndpointConfig.create")
    endpoint = Endpoint.create(endpoint_name="v3", endpoint_config_name="v3-one")
    endpoint.wait_for_status("InService", poll=1)
    step("Endpoint.create, wait_for_status")
    expect(
        answer(endpoint.invoke(body=BODY, content_type="application/json", accept="application/json").body),
        ONE,
    )
    step("Endpoint.invoke")
    stream(endpoint)
    update(endpoint)
    expect(
        answer(endpoint.invoke(body=BODY, content_type="application/json", accept="application/json").body),
        TWO,
    )
    step("Endpoint.update")
    expect([found.endpoint_name for found in Endpoint.get_all(name_contains="v3")], ["v3"])
    expect(sorted(found.model_name for found in Model.get_all(name_contains="v3")), ["v3-one", "v3-two"])
    step("get_all")
    endpoint.delete()
    endpoint.wait_for_delete(poll=1)
    step("Endpoint.delete, wait_for_delete")

    waiting()
    component()
    unknown_image()
    transform()
    builder()


def model(name):
    container = ContainerDefinition(image=IMAGE, model_data_url=f"s3://{BUCKET}/whole/{name}.tar.gz")
    return Model.create(model_name=f"v3-{name}", primary_container=container, execution_role_arn=ROLE)


def variant(name):
    return ProductionVariant(
        variant_name="AllTraffic",
        model_name=f"v3-{name}",
        instance_type="ml.m5.xlarge",
        initial_instance_count=1,
        initial_variant_weight=1.0,
    )


def stream(endpoint):
    """Ask for an answer in parts.

    The SDK 3.27.0 takes every answer apart as nested dictionaries, and fails on the event stream that
    botocore has read: with this message the request was answered, and in the right form.
    """
    try:
        told = endpoint.invoke_with_response_stream(
            body=BODY, content_type="application/json", accept="application/json"
        )
    except AttributeError as error:
        expect(str(error), "'EventStream' object has no attribute 'get'")
        step("Endpoint.invoke_with_response_stream, up to the SDK's own reading")
        return
    expect(json.loads(b"".join(part["PayloadPart"]["Bytes"] for part in told.body)), ONE)
    step("Endpoint.invoke_with_response_stream")


def update(endpoint):
    endpoint.endpoint_config_name = "v3-two"
    endpoint.update(retain_all_variant_properties=False)
    endpoint.wait_for_status("InService", poll=1)
    expect(endpoint.endpoint_config_name, "v3-two")


def answer(body):
    return json.loads(body.read() if hasattr(body, "read") else body)


def waiting():
    """Ask an asynchronous endpoint."""
    output = AsyncInferenceOutputConfig(s3_output_path=f"s3://{BUCKET}/answers")
    EndpointConfig.create(
        endpoint_config_name="v3-async",
        production_variants=[variant("one")],
        async_inference_config=AsyncInferenceConfig(output_config=output),
    )
    endpoint = Endpoint.create(endpoint_name="v3-async", endpoint_config_name="v3-async")
    endpoint.wait_for_status("InService", poll=1)
    s3 = boto3.client("s3")
    s3.put_object(Bucket=BUCKET, Key="rows.json", Body=BODY.encode())
    told = endpoint.invoke_async(
        input_location=f"s3://{BUCKET}/rows.json", content_type="application/json", accept="application/json"
    )
    key = told.output_location.removeprefix(f"s3://{BUCKET}/")
    s3.get_waiter("object_exists").wait(Bucket=BUCKET, Key=key, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    expect(json.loads(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()), ONE)
    endpoint.delete()
    step("Endpoint.invoke_async")


def component():
    """Serve a model by an inference component."""
    bare = ProductionVariant(
        variant_name="AllTraffic", instance_type="ml.m5.xlarge", initial_instance_count=1
    )
    EndpointConfig.create(
        endpoint_config_name="v3-parts", production_variants=[bare], execution_role_arn=ROLE
    )
    endpoint = Endpoint.create(endpoint_name="v3-parts", endpoint_config_name="v3-parts")
    endpoint.wait_for_status("InService", poll=1)
    needs = InferenceComponentComputeResourceRequirements(
        number_of_cpu_cores_required=1, min_memory_required_in_mb=256
    )
    part = InferenceComponent.create(
        inference_component_name="v3",
        endpoint_name="v3-parts",
        variant_name="AllTraffic",
        specification=InferenceComponentSpecification(
            model_name="v3-one", compute_resource_requirements=needs
        ),
        runtime_config=InferenceComponentRuntimeConfig(copy_count=1),
    )
    part.wait_for_status("InService", poll=1)
    told = endpoint.invoke(
        body=BODY, content_type="application/json", accept="application/json", inference_component_name="v3"
    )
    expect(answer(told.body), ONE)
    part.delete()
    part.wait_for_delete(poll=1)
    endpoint.delete()
    step("InferenceComponent")


def unknown_image():
    """Deploy an image that has its model in it, and that nobody knows here: the endpoint says so."""
    image = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/ours:1"
    Model.create(
        model_name="v3-ours", primary_container=ContainerDefinition(image=image), execution_role_arn=ROLE
    )
    EndpointConfig.create(endpoint_config_name="v3-ours", production_variants=[variant("ours")])
    endpoint = Endpoint.create(endpoint_name="v3-ours", endpoint_config_name="v3-ours")
    try:
        endpoint.wait_for_status("InService", poll=1)
    except FailedStatusError as error:
        expect(image in str(error), True)
    expect(Endpoint.get("v3-ours").endpoint_status, "Failed")
    endpoint.delete()
    step("an image that is not known ends in Failed")


def transform():
    """Run a batch transform."""
    s3 = boto3.client("s3")
    s3.put_object(Bucket=BUCKET, Key="rows/one.csv", Body=b"1,2\n3,4\n")
    job = TransformJob.create(
        transform_job_name="v3",
        model_name="v3-one",
        transform_input=TransformInput(
            data_source=TransformDataSource(
                s3_data_source=TransformS3DataSource(s3_data_type="S3Prefix", s3_uri=f"s3://{BUCKET}/rows/")
            ),
            content_type="text/csv",
            split_type="Line",
        ),
        transform_output=TransformOutput(
            s3_output_path=f"s3://{BUCKET}/transformed", accept="text/csv", assemble_with="Line"
        ),
        transform_resources=TransformResources(instance_type="ml.m5.xlarge", instance_count=1),
    )
    job.wait(poll=1)
    found = s3.get_object(Bucket=BUCKET, Key="transformed/one.csv.out")["Body"].read()
    expect(found.split(), [b"3.0", b"7.0"])
    step("TransformJob")


def builder():
    """Build a model from an artifact in S3, and deploy it."""
    built = ModelBuilder(
        s3_model_data_url=f"s3://{BUCKET}/whole/one.tar.gz",
        image_uri=IMAGE,
        model_server=ModelServer.TORCHSERVE,
        role_arn=ROLE,
        instance_type="ml.m5.xlarge",
        mode=Mode.SAGEMAKER_ENDPOINT,
        sagemaker_session=Session(),
        env_vars={"SAGEMAKER_PROGRAM": "inference.py"},
    )
    built.build(model_name=f"v3-built-{int(time.time())}")
    step("ModelBuilder.build")
    endpoint = built.deploy(endpoint_name="v3-built", initial_instance_count=1, instance_type="ml.m5.xlarge")
    expect(
        answer(endpoint.invoke(body=BODY, content_type="application/json", accept="application/json").body),
        ONE,
    )
    endpoint.delete()
    step("ModelBuilder.deploy")


if __name__ == "__main__":
    main()
