"""What survives the end of a local cloud, and what a reset and a stop leave."""

import os
import resource
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from orchestrator.core.errors import OrchestratorError
from orchestrator.localcloud.testing import Cloud, local_cloud
from tests.support.clouds import (
    IMAGE,
    POLL,
    ROLE,
    STANDIN,
    TestCloud,
    archive,
    await_settled,
    furnish,
    publish,
)

pytestmark = pytest.mark.slow

TOKEN = "a-token-of-ours"  # noqa: S105 - it opens nothing
GONE_SECONDS = 20


def furnished(cloud: Cloud) -> TestCloud:
    clients = {name: cloud.client(name) for name in ("s3", "iam", "sagemaker")}
    made = TestCloud(cloud.url, cloud.pid, Path(), cloud.environment, clients)
    furnish(made)
    return made


def deploy(cloud: Cloud, name: str = "e") -> None:
    made = furnished(cloud)
    publish(made, name, archive({"answer": b"here"}))
    cloud.client("sagemaker").create_endpoint(
        EndpointName=name, EndpointConfigName=name, Tags=[{"Key": "team", "Value": "owls"}]
    )
    await_settled(made, name)


def asked(cloud: Cloud, wish: str = "", name: str = "e") -> str:
    answer = cloud.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=name, Body=b"hello", CustomAttributes=wish
    )
    return str(answer["Body"].read().decode())


def serves_again(cloud: Cloud) -> None:
    sagemaker = cloud.client("sagemaker")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="e", WaiterConfig=POLL)
    arn = sagemaker.describe_endpoint(EndpointName="e")["EndpointArn"]
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "owls"}]
    assert asked(cloud) == "hello"


def test_what_serves_survives_a_stop_and_a_kill_and_a_deleted_one_does_not_come_back(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with local_cloud(state=state, container=STANDIN) as cloud:
        deploy(cloud)
    with local_cloud(state=state, container=STANDIN) as cloud:
        serves_again(cloud)
        fleet = os.pidfd_open(int(asked(cloud, "pid")))
        os.kill(cloud.pid, signal.SIGKILL)
        assert select.select([fleet], [], [], GONE_SECONDS)[0]
        os.close(fleet)
    with local_cloud(state=state, container=STANDIN) as cloud:
        serves_again(cloud)
        sagemaker = cloud.client("sagemaker")
        sagemaker.delete_endpoint(EndpointName="e")
        sagemaker.get_waiter("endpoint_deleted").wait(EndpointName="e", WaiterConfig=POLL)
        with pytest.raises(ClientError, match="Cannot create already existing model"):
            sagemaker.create_model(ModelName="e", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": IMAGE})
    with local_cloud(state=state, container=STANDIN) as cloud:
        assert cloud.client("sagemaker").list_endpoints()["Endpoints"] == []
        assert [each["ModelName"] for each in cloud.client("sagemaker").list_models()["Models"]] == ["e"]


def test_on_a_full_disk_a_change_is_refused_with_the_folder_and_what_serves_goes_on(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with local_cloud(state=state, container=STANDIN) as cloud:
        deploy(cloud)
        sagemaker = cloud.client("sagemaker")
        unlimited = resource.prlimit(cloud.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(cloud.pid, resource.RLIMIT_FSIZE, (0, unlimited[1]))
        with pytest.raises(ClientError, match=f"the state folder '{state}' cannot be written"):
            sagemaker.delete_model(ModelName="e")
        assert asked(cloud) == "hello"
        with pytest.raises(OrchestratorError, match=f"could not be reset: .*'{state}' cannot be written"):
            cloud.reset()
        resource.prlimit(cloud.pid, resource.RLIMIT_FSIZE, unlimited)
        # It has begun again with what there was, and takes on more.
        sagemaker.create_endpoint(EndpointName="f", EndpointConfigName="e")
        assert sagemaker.describe_model(ModelName="e")["ModelName"] == "e"
        sagemaker.delete_model(ModelName="e")


def test_a_token_is_asked_of_everybody_and_stands_on_no_command_line(tmp_path: Path) -> None:
    with local_cloud(token=TOKEN, container=STANDIN, state=tmp_path / "state") as cloud:
        deploy(cloud)
        assert asked(cloud) == "hello"
        stranger = cloud.client("sagemaker", aws_access_key_id="local")
        with pytest.raises(ClientError, match="asks for its token") as caught:
            stranger.list_models()
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        stranger.close()
        keys = cloud.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="session")["Credentials"]
        assumed = cloud.client(
            "s3", aws_access_key_id=keys["AccessKeyId"], aws_session_token=keys["SessionToken"]
        )
        assert [each["Name"] for each in assumed.list_buckets()["Buckets"]] == ["models"]
        assumed.close()
        assert TOKEN not in "".join(shown(process) for process in processes_of(str(tmp_path)))
        assert TOKEN not in asked(cloud, "variables")
        cloud.reset()


def processes_of(text: str) -> list[Path]:
    """Return the processes whose command line or working folder names ``text``."""
    return [
        process
        for process in Path("/proc").glob("[0-9]*")
        if text in shown(process) or text in working_folder(process)
    ]


def shown(process: Path) -> str:
    try:
        return (process / "cmdline").read_text()
    except OSError:
        return ""


def working_folder(process: Path) -> str:
    try:
        return str((process / "cwd").readlink())
    except OSError:
        return ""


def test_a_stop_leaves_no_process_and_no_temporary_file_even_after_a_fleet_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary, state = tmp_path / "temporary", tmp_path / "state"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    command = [sys.executable, "-m", "orchestrator", "local-cloud"]
    environment = {**os.environ, "ORCHESTRATOR_STATE_DIR": str(state)}
    with local_cloud(container=STANDIN) as cloud:
        deploy(cloud)
        os.kill(int(asked(cloud, "pid")), signal.SIGKILL)
    assert list(temporary.iterdir()) == []
    subprocess.run([*command, "start"], env=environment, check=True, capture_output=True)
    assert processes_of(str(tmp_path))
    subprocess.run([*command, "stop"], env=environment, check=True, capture_output=True)
    assert processes_of(str(tmp_path)) == []
    assert list(temporary.iterdir()) == []
    left = {each.name for each in (state / "local-cloud").iterdir()}
    assert left == {"local-cloud.log", "owner.lock", "start.lock"}
