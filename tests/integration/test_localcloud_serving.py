"""The local cloud with the program that really serves models in it."""

import json
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.support.clouds import archive, await_settled, local_cloud, publish
from tests.support.entrypoints_samples import COMMANDED, ECHO

BROKEN = f"""{ECHO}

def model_fn(model_dir):
    raise RuntimeError("no such layer")
"""


@pytest.mark.slow
def test_an_entry_point_serves_refuses_and_survives_a_broken_successor(tmp_path: Path) -> None:
    with local_cloud(tmp_path) as cloud:
        for name, source in (("echo", ECHO), ("commanded", COMMANDED), ("broken", BROKEN)):
            publish(cloud, name, archive({"model.pt": b"", "code/predict.py": source.encode()}))
        sagemaker, runtime = cloud.client("sagemaker"), cloud.client("sagemaker-runtime")
        asked = {"EndpointName": "e", "ContentType": "application/json", "Accept": "application/json"}
        sagemaker.create_endpoint(EndpointName="e", EndpointConfigName="echo")
        assert await_settled(cloud, "e")["EndpointConfigName"] == "echo"
        answer = json.loads(runtime.invoke_endpoint(**asked, Body=b"[1]")["Body"].read())
        assert answer["accept"] == "application/json"

        sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="commanded")
        assert await_settled(cloud, "e")["EndpointConfigName"] == "commanded"
        with pytest.raises(ClientError) as caught:
            runtime.invoke_endpoint(**asked, Body=json.dumps(["raise", "wrong shape"]).encode())
        assert caught.value.response["Error"]["Code"] == "ModelError"
        assert "wrong shape" in caught.value.response["OriginalMessage"]

        sagemaker.update_endpoint(EndpointName="e", EndpointConfigName="broken")
        assert await_settled(cloud, "e")["EndpointConfigName"] == "commanded"
        assert runtime.invoke_endpoint(**asked, Body=b'["none", 0]')["Body"].read()
        events = cloud.client("logs").filter_log_events(logGroupName="/aws/sagemaker/Endpoints/e")["events"]
        lines = [event["message"] for event in events]
        assert "RuntimeError: no such layer" in lines, lines
