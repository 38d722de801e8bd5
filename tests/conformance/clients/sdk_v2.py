"""The SageMaker Python SDK v2, as its users write it."""

import pathlib
import tempfile

import boto3
import numpy as np
import sagemaker
import setting
from sagemaker.async_inference import AsyncInferenceConfig, WaiterConfig
from sagemaker.deserializers import CSVDeserializer, JSONDeserializer, NumpyDeserializer
from sagemaker.multidatamodel import MultiDataModel
from sagemaker.pytorch import PyTorchModel, PyTorchPredictor
from sagemaker.serializers import CSVSerializer, JSONSerializer, NumpySerializer
from sagemaker.serverless import ServerlessInferenceConfig
from setting import ONE, ROLE, ROWS, TWO, archive, expect, step

BUCKET = "sdk-v2"
JSON = {"serializer": JSONSerializer(), "deserializer": JSONDeserializer()}
MACHINE = {"instance_type": "ml.m5.xlarge", "initial_instance_count": 1}


def model(session, name):
    return PyTorchModel(
        model_data=f"s3://{BUCKET}/bare/{name}.tar.gz",
        role=ROLE,
        framework_version="2.6.0",
        py_version="py312",
        entry_point="predict.py",
        source_dir=str(setting.SOURCE),
        sagemaker_session=session,
    )


def main():
    setting.begin(BUCKET)
    # It is made with the first need of it, and has the name that it has on AWS.
    expect(sagemaker.Session().default_bucket(), "sagemaker-eu-west-1-123456789012")
    step("Session.default_bucket")
    session = sagemaker.Session(default_bucket=BUCKET)
    realtime(session)
    serverless(session)
    waiting(session)
    transform(session)
    many(session)


def realtime(session):
    predictor = model(session, "one").deploy(**MACHINE, **JSON)
    step("PyTorchModel.deploy")
    expect(predictor.predict(ROWS), ONE)
    name = predictor.endpoint_name
    array = PyTorchPredictor(name, session, serializer=NumpySerializer(), deserializer=NumpyDeserializer())
    expect(array.predict(np.asarray(ROWS)).tolist(), ONE)
    table = PyTorchPredictor(name, session, serializer=CSVSerializer(), deserializer=CSVDeserializer())
    expect([float(row[0]) for row in table.predict(ROWS)], ONE)
    step("predict with JSON, NumPy and CSV")
    second = model(session, "two")
    second.create(instance_type="ml.m5.xlarge")
    predictor.update_endpoint(model_name=second.name, **MACHINE)
    expect(predictor.predict(ROWS), TWO)
    step("update_endpoint")
    predictor.delete_endpoint()
    step("delete_endpoint")


def serverless(session):
    config = ServerlessInferenceConfig(memory_size_in_mb=2048, max_concurrency=2)
    predictor = model(session, "one").deploy(serverless_inference_config=config, **JSON)
    expect(predictor.predict(ROWS), ONE)
    predictor.delete_endpoint()
    step("serverless deploy and predict")


def waiting(session):
    config = AsyncInferenceConfig(output_path=f"s3://{BUCKET}/answers")
    predictor = model(session, "one").deploy(async_inference_config=config, **MACHINE, **JSON)
    # The SDK goes on to look for a failure after the answer has come, usually for a quarter of an hour.
    patience = WaiterConfig(max_attempts=30, delay=1)
    expect(predictor.predict(ROWS, waiter_config=patience), ONE)
    answer = predictor.predict_async(data=ROWS)
    expect(answer.get_result(patience), ONE)
    predictor.delete_endpoint()
    step("asynchronous deploy, predict and predict_async")


def transform(session):
    s3 = boto3.client("s3")
    s3.put_object(Bucket=BUCKET, Key="rows/one.csv", Body=b"7,1,2\n8,3,4\n")
    transformer = model(session, "one").transformer(
        instance_count=1,
        instance_type="ml.m5.xlarge",
        strategy="MultiRecord",
        assemble_with="Line",
        accept="text/csv",
        output_path=f"s3://{BUCKET}/transformed",
    )
    rows = f"s3://{BUCKET}/rows/"
    filters = {"input_filter": "$[1:]", "join_source": "Input", "output_filter": "$[0,-1]"}
    transformer.transform(rows, content_type="text/csv", split_type="Line", wait=True, logs=True, **filters)
    found = s3.get_object(Bucket=BUCKET, Key="transformed/one.csv.out")["Body"].read()
    expect(found, b"7,3.0\n8,7.0\n")
    step("transformer, with filters and its log")


def many(session):
    with tempfile.TemporaryDirectory() as folder:
        for name in ("one", "two"):
            path = pathlib.Path(folder, f"{name}.tar.gz")
            path.write_bytes(archive(name, with_code=True))
            boto3.client("s3").upload_file(str(path), BUCKET, f"many/{name}.tar.gz")
    prefix = f"s3://{BUCKET}/many/"
    several = MultiDataModel("many", prefix, model=model(session, "one"), sagemaker_session=session)
    predictor = several.deploy(**MACHINE, **JSON)
    expect(sorted(several.list_models()), ["one.tar.gz", "two.tar.gz"])
    expect(predictor.predict(ROWS, target_model="one.tar.gz"), ONE)
    expect(predictor.predict(ROWS, target_model="two.tar.gz"), TWO)
    predictor.delete_endpoint()
    step("MultiDataModel")


if __name__ == "__main__":
    main()
