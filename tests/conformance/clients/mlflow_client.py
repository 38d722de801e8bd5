"""MLflow's SageMaker deployment client: create, update, get, list, delete.

Its own image is not emulated: the local cloud has to accept any image, and the model is not asked.
"""

import tempfile

import mlflow.pyfunc
import setting
from mlflow.deployments import get_deploy_client
from setting import ROLE, expect, step

BUCKET = "mlflow"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/mlflow-pyfunc:3.17.2"


class Sum(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: list[float], params=None) -> list[float]:
        return [sum(model_input)]


def main():
    setting.begin(BUCKET)
    client = get_deploy_client("sagemaker:/eu-west-1")
    config = {
        "execution_role_arn": ROLE,
        "bucket_name": BUCKET,
        "image_url": IMAGE,
        "region_name": "eu-west-1",
        "instance_type": "ml.m5.xlarge",
        "instance_count": 1,
        "synchronous": True,
        "timeout_seconds": 300,
    }
    with tempfile.TemporaryDirectory() as folder:
        mlflow.pyfunc.save_model(f"{folder}/model", python_model=Sum())
        client.create_deployment("mlflow", f"{folder}/model", flavor="python_function", config=config)
        step("create_deployment")
        first = client.get_deployment("mlflow")
        expect(first["EndpointStatus"], "InService")
        expect([found["EndpointName"] for found in client.list_deployments()], ["mlflow"])
        step("get_deployment, list_deployments")
        replace = {**config, "mode": "replace", "archive": False}
        client.update_deployment("mlflow", f"{folder}/model", flavor="python_function", config=replace)
        second = client.get_deployment("mlflow")
        expect(second["EndpointStatus"], "InService")
        expect(second["EndpointConfigName"] == first["EndpointConfigName"], False)
        step("update_deployment")
    client.delete_deployment("mlflow", config={"region_name": "eu-west-1", "archive": False})
    expect(client.list_deployments(), [])
    step("delete_deployment")


if __name__ == "__main__":
    main()
