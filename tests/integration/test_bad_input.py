"""Bad input: a clear error, the right exit code, and nothing changed."""

import gzip
import http.client
import json
import signal
import socket
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import SPEC, Shell, write_files

WITHOUT = """
import sys
for name in {absent!r}:
    sys.modules[name] = None
sys.argv = ["orchestrator", *{arguments!r}]
from orchestrator.__main__ import main
main()
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    write_files(tmp_path)
    return Shell(tmp_path)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    write_files(folder)
    done = Shell(folder).run("package")
    assert done.code == 0, done.err
    return folder / "model.tar.gz"


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def without(shell: Shell, absent: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command where some packages are not installed."""
    code = WITHOUT.format(absent=absent, arguments=arguments)
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=shell.folder,
        env=shell.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ('name = "pets"', 'name = "my_pets"', 2, "SageMaker takes 1 to 63"),
        ("[golden]", "[gloden]", 2, "'golden'"),
        ('path = "model.safetensors"', 'path = "absent.safetensors"', 1, "absent.safetensors"),
        ("src/net.py:Net", "src/absent.py:Net", 1, "src/absent.py"),
        ("src/net.py:Net", "src/net.py:Absent", 1, "cannot be imported"),
        ("src/net.py:Net", "src/net.py:torch", 1, "Module"),
    ],
)
def test_a_spec_that_is_wrong_packages_nothing(
    shell: Shell, old: str, new: str, code: int, said: str
) -> None:
    assert old in SPEC
    (shell.folder / "orchestrator.toml").write_text(SPEC.replace(old, new))
    done = shell.run("package")
    assert done.code == code, done.err
    assert said in done.err
    assert "Traceback" not in done.err
    assert not (shell.folder / "model.tar.gz").exists()


def test_weights_that_do_not_fit_name_the_missing_and_the_unexpected_tensors(shell: Shell) -> None:
    net = (shell.folder / "src" / "net.py").read_text()
    (shell.folder / "src" / "net.py").write_text(net.replace("self.layer", "self.dense"))
    done = shell.run("package")
    assert done.code == 1
    assert "dense.weight" in done.err
    assert "layer.weight" in done.err
    assert not (shell.folder / "model.tar.gz").exists()


@pytest.mark.parametrize(
    ("absent", "arguments", "line"),
    [
        (["torch"], ["package"], "pip install 'cloud-deployment-orchestrator[torch]'"),
        (["moto"], ["local-cloud", "start"], "pip install 'cloud-deployment-orchestrator[local]'"),
        (["moto"], ["deploy"], "pip install 'cloud-deployment-orchestrator[local]'"),
    ],
)
def test_a_missing_extra_names_the_line_that_installs_it(
    shell: Shell, absent: list[str], arguments: list[str], line: str
) -> None:
    done = without(shell, absent, *arguments)
    assert done.returncode == 1
    assert line in done.stderr
    assert "error[missing-extra]" in done.stderr


@pytest.mark.parametrize("command", [["local-serve"], ["local-cloud", "start"]])
def test_a_busy_port_is_named(shell: Shell, archive: Path, command: list[str], taken_port: int) -> None:
    target = [str(archive)] if command == ["local-serve"] else []
    done = shell.run(*command, *target, "--port", str(taken_port))
    assert done.code == 1
    assert done.err.startswith("error[port-in-use]")
    assert str(taken_port) in done.err


@pytest.mark.parametrize("command", ["verify", "local-serve"])
@pytest.mark.parametrize("damage", ["truncated", "changed", "no gzip", "empty"])
def test_a_damaged_archive_is_refused(shell: Shell, archive: Path, command: str, damage: str) -> None:
    whole = archive.read_bytes()
    content = {
        "truncated": whole[: len(whole) // 2],
        "changed": whole[:200] + bytes([whole[200] ^ 1]) + whole[201:],
        "no gzip": b"not an archive at all",
        "empty": b"",
    }[damage]
    (shell.folder / "damaged.tar.gz").write_bytes(content)
    done = shell.run(command, "damaged.tar.gz")
    assert done.code == 1, done.err
    assert done.err.startswith("error[artifact]")
    assert "damaged.tar.gz" in done.err
    assert "Traceback" not in done.err


def test_an_archive_whose_file_was_changed_is_not_what_its_manifest_says(shell: Shell, archive: Path) -> None:
    tar = gzip.decompress(archive.read_bytes())
    assert tar.count(b"ENTRY_POINT.predict") == 1
    changed = tar.replace(b"ENTRY_POINT.predict", b"ENTRY_POINT.pr3dict")
    (shell.folder / "changed.tar.gz").write_bytes(gzip.compress(changed))
    done = shell.run("verify", "changed.tar.gz")
    assert done.code == 1
    assert "'code/predict.py' has changed" in done.err


def test_verify_of_a_good_archive_names_its_identity(shell: Shell, archive: Path) -> None:
    done = shell.run("verify", str(archive), "-o", "json")
    assert done.code == 0
    assert len(json.loads(done.out)["identity"]) == 64


def test_the_archive_is_served_on_a_port_until_it_is_told_to_stop(shell: Shell, archive: Path) -> None:
    running = shell.start("local-serve", str(archive), "--port", "0", "-o", "json", "--workers", "1")
    assert running.stdout is not None
    text = ""
    for line in running.stdout:
        text += line
        if line == "}\n":
            break
    url = urllib.parse.urlsplit(json.loads(text)["url"])
    connection = http.client.HTTPConnection(url.netloc, timeout=10)
    connection.request("GET", "/ping")
    answer = connection.getresponse()
    assert (answer.status, json.load(answer)) == (200, {"status": "Healthy"})
    body = b'{"image": [[[0, 9], [0, 0]]]}'
    connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
    assert json.load(connection.getresponse())["label"] == "dog"
    connection.close()
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=30)
    assert running.returncode == 0, said
