"""How a local cloud begins, is found, and ends."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.core.errors import MissingExtraError, OrchestratorError, PortInUseError, RefusedError
from orchestrator.localcloud import lifecycle
from orchestrator.localcloud.ending import holder
from orchestrator.localcloud.wanted import Wanted
from tests.support.clouds import STANDIN, TestCloud, archive, await_settled, local_cloud, publish
from tests.support.servers import eventually

GONE_SECONDS = 20


@pytest.fixture
def state_dir(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "state"
    lifecycle.stop(tmp_path / "state")


@contextlib.contextmanager
def watched(pid: int) -> Iterator[int]:
    """Hold a descriptor that becomes readable when the process ends, whoever its parent is."""
    descriptor = os.pidfd_open(pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def ends(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], GONE_SECONDS)[0])


def serving_process(cloud: TestCloud) -> int:
    """Deploy an endpoint and return the id of the process that serves it."""
    publish(cloud, "e", archive({"answer": b"here"}))
    cloud.client("sagemaker").create_endpoint(EndpointName="e", EndpointConfigName="e")
    await_settled(cloud, "e")
    answer = cloud.client("sagemaker-runtime").invoke_endpoint(
        EndpointName="e", Body=b"", CustomAttributes="pid"
    )
    return int(answer["Body"].read())


def test_it_starts_once_is_found_and_stops(state_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The user's own settings must not reach it.
    monkeypatch.setenv("AWS_PROFILE", "that-does-not-exist")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert lifecycle.running(state_dir) is None
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(lambda _: lifecycle.start(state_dir), range(2))
    assert first == second == lifecycle.running(state_dir) == lifecycle.start(state_dir)
    assert first.url == f"http://127.0.0.1:{first.port}"
    assert first.log.stat().st_mode & 0o777 == 0o600
    with watched(first.pid) as process:
        assert lifecycle.stop(state_dir)
        assert ends(process)
    assert not lifecycle.stop(state_dir)
    assert lifecycle.running(state_dir) is None
    assert not (state_dir / lifecycle.STATE_FILE).exists()


def test_a_stop_during_a_start_waits_for_it(state_dir: Path) -> None:
    with ThreadPoolExecutor(1) as threads:
        starting = threads.submit(lifecycle.start, state_dir)
        eventually((state_dir / lifecycle.LOG_FILE).exists, "the start")
        assert lifecycle.stop(state_dir)
        assert starting.result().pid
    assert lifecycle.running(state_dir) is None


def test_a_start_that_is_interrupted_leaves_no_process(state_dir: Path) -> None:
    program = "import sys; from orchestrator.__main__ import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", program, "local-cloud", "start"],
        env={**os.environ, "ORCHESTRATOR_STATE_DIR": str(state_dir)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as starting:
        owner = state_dir / "local-cloud" / lifecycle.OWNER_FILE
        eventually(lambda: holder(owner) is not None, "the process")
        starting.send_signal(signal.SIGINT)
        starting.wait(GONE_SECONDS)
    assert holder(owner) is None


def test_a_local_cloud_that_is_not_found_by_its_address_is_stopped_by_its_lock(state_dir: Path) -> None:
    with watched(lifecycle.start(state_dir).pid) as process:
        (state_dir / lifecycle.STATE_FILE).unlink()
        assert lifecycle.stop(state_dir)
        assert ends(process)


def test_the_process_is_given_no_credentials_that_model_code_could_read(
    state_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-real-one")
    given = Path(f"/proc/{lifecycle.start(state_dir).pid}/environ").read_bytes()
    assert b"PATH=" in given
    assert b"a-real-one" not in given


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"pid": 1, "port": "x", "url": ""}', '{"pid": 1, "port": 9, "url": "u"}']
)
def test_a_stale_state_file_counts_for_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / lifecycle.STATE_FILE).write_text(content)
    assert lifecycle.running(tmp_path) is None
    assert not lifecycle.stop(tmp_path)


def test_a_port_that_is_taken_is_named_and_another_is_found_when_none_was_asked_for(state_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortInUseError, match=f"port {port} on 127.0.0.1 cannot be"):
            lifecycle.start(state_dir, Wanted(port=port))
        done = subprocess.run(
            [sys.executable, "-m", "orchestrator.localcloud", "--state-dir", state_dir, "--port", str(port)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        with lifecycle.listen(None, usual=port) as found:
            assert found.getsockname()[0] == "127.0.0.1"
            assert found.getsockname()[1] not in {0, port}
    assert done.returncode == 1
    assert done.stderr == (
        f"port {port} on 127.0.0.1 cannot be listened on: Address already in use "
        "(next: choose another port, or none to get a free one)\n"
    )


def test_a_start_that_fails_shows_the_last_line_of_the_log(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("in the way")
    with pytest.raises(
        OrchestratorError, match=r"ended before it answered: the state folder .* cannot be used: File exists"
    ) as caught:
        lifecycle.start(tmp_path)
    assert caught.value.details == (("log", str(tmp_path / lifecycle.LOG_FILE)),)


def test_a_start_on_a_full_disk_ends_and_says_which_folder_is_full(tmp_path: Path) -> None:
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); "
        "from orchestrator.localcloud.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "--state-dir", tmp_path, "--port", "0"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == f"the state folder '{tmp_path}' cannot be used: File too large\n"
    assert {each.name for each in tmp_path.iterdir()} == {"owner.lock"}


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OrchestratorError, match="file/state' cannot be used: Not a directory"):
        lifecycle.start(tmp_path / "file" / "state")


def test_an_absent_extra_is_named_with_the_line_that_installs_it() -> None:
    with pytest.raises(MissingExtraError, match="'local'") as caught:
        lifecycle.check_installed(lambda name: None if name == "a2wsgi" else name)
    assert caught.value.hint is not None
    assert "[local]" in caught.value.hint


def test_finding_a_local_cloud_needs_neither_boto3_nor_moto() -> None:
    heavy = "{'boto3', 'moto', 'starlette', 'uvicorn'}"
    program = f"import sys, orchestrator.localcloud.lifecycle; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_start_imports_neither_ec2_which_takes_longer_than_all_the_rest_nor_what_makes_stacks() -> None:
    program = (
        "import os, sys; os.environ['MOTO_DISABLE_GLOBAL_CORS'] = 'true'; "
        "import orchestrator.localcloud.server; "
        "late = {'moto.ec2', 'moto.ecs', 'moto.applicationautoscaling'}; "
        "print({*late, 'orchestrator.localcloud.stacks.working'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_another_address_than_the_loopback_is_refused_without_a_token(state_dir: Path) -> None:
    with pytest.raises(RefusedError, match=r"does not listen on 0\.0\.0\.0 without a token"):
        lifecycle.start(state_dir, Wanted(host="0.0.0.0"))  # noqa: S104 - that is what is refused
    assert not state_dir.exists()


def test_sigterm_ends_its_fleets_and_removes_its_files(tmp_path: Path) -> None:
    with local_cloud(tmp_path, STANDIN) as cloud:
        with watched(serving_process(cloud)) as fleet, watched(cloud.pid) as process:
            temporary = Path((tmp_path / "temporary.txt").read_text())
            (temporary / "of a container").touch()
            os.kill(cloud.pid, signal.SIGTERM)
            assert ends(process)
            assert ends(fleet)
        assert not temporary.exists()
        assert not (tmp_path / lifecycle.STATE_FILE).exists()
        assert not (tmp_path / "models").exists()


def test_a_killed_local_cloud_leaves_no_process_and_the_next_one_no_files(tmp_path: Path) -> None:
    with local_cloud(tmp_path, STANDIN) as cloud, watched(serving_process(cloud)) as fleet:
        temporary = Path((tmp_path / "temporary.txt").read_text())
        (temporary / "of a container").touch()
        os.kill(cloud.pid, signal.SIGKILL)
        assert ends(fleet)
    assert json.loads((tmp_path / lifecycle.STATE_FILE).read_text())["pid"] == cloud.pid
    assert lifecycle.running(tmp_path) is None
    assert list((tmp_path / "models").iterdir())
    with local_cloud(tmp_path, STANDIN) as cloud:
        assert list((tmp_path / "models").iterdir()) == []
        assert not temporary.exists()
        found = lifecycle.running(tmp_path)
        assert found is not None
        assert (found.pid, found.url) == (cloud.pid, cloud.url)
