"""`local-serve` in the hands of somebody in a hurry: what it says, and what it leaves behind."""

import os
import signal
import subprocess
import tarfile
import urllib.request
from pathlib import Path

import pytest

from tests.support.commands import Shell, write_files
from tests.support.entrypoints_samples import write
from tests.support.servers import Gate, eventually

ANSWERING = """
def model_fn(model_dir): return None
def transform_fn(model, data, content_type, accept): return "ok"
"""


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    (tmp_path / "tmp").mkdir()
    return Shell(tmp_path, {"TMPDIR": str(tmp_path / "tmp"), "SAGEMAKER_MODEL_SERVER_WORKERS": "1"})


def leftovers(shell: Shell) -> list[Path]:
    return list((shell.folder / "tmp").iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_before_anything_is_served_ends_with_130_and_leaves_nothing(
    shell: Shell, tmp_path: Path, number: signal.Signals
) -> None:
    gate = Gate(tmp_path / "gate")
    model = write(tmp_path / "model", f"def model_fn(model_dir): open({gate.path!r}).read()")
    running = shell.start("local-serve", str(model), "--port", "0")
    gate.meet()
    running.send_signal(number)
    out, said = running.communicate(timeout=30)
    assert (running.returncode, out) == (130, "")
    assert "error[interrupted]" in said
    assert "Traceback" not in said
    assert leftovers(shell) == []


def test_an_archive_that_does_not_load_is_called_by_its_own_name(shell: Shell, tmp_path: Path) -> None:
    write(tmp_path / "model", "def model_fn(model_dir): raise ValueError('no weights')")
    with tarfile.open(tmp_path / "broken.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "model", ".")
    done = shell.run("local-serve", "broken.tar.gz", "--port", "0")
    assert done.code == 1
    assert (
        "error[artifact]: the model in 'broken.tar.gz' does not load\n  error  ValueError: no weights"
        in done.err
    )
    assert leftovers(shell) == []


def test_a_project_that_does_not_load_is_called_by_its_folder(shell: Shell, tmp_path: Path) -> None:
    write_files(tmp_path / "pets", net="raise ValueError('no network')")
    done = shell.run("local-serve", "-c", "pets/orchestrator.toml", "--port", "0")
    assert done.code == 1
    assert f"the model in '{tmp_path / 'pets'}' does not load" in done.err
    assert leftovers(shell) == []


def test_an_empty_target_is_not_the_current_folder(shell: Shell, tmp_path: Path) -> None:
    write(tmp_path, ANSWERING)
    done = shell.run("local-serve", "", "--port", "0")
    assert (done.code, done.err.splitlines()[0]) == (1, "error[artifact]: there is no archive or folder ''")


def test_standard_streams_may_be_closed(shell: Shell, tmp_path: Path) -> None:
    model = write(tmp_path / "model", ANSWERING)
    command = " ".join([*shell.command("local-serve", str(model), "--port", "0"), "<&- 2>&- >said"])
    running = subprocess.Popen(
        ["/bin/sh", "-c", f"exec {command}"], cwd=tmp_path, env={**os.environ, **shell.environment}
    )
    try:
        said = tmp_path / "said"
        eventually(lambda: said.is_file() and said.read_text().endswith("\n"), "its address")
        url = said.read_text().split()[2]
        with urllib.request.urlopen(urllib.request.Request(url, b"{}")) as answer:  # noqa: S310 - our own server
            assert answer.read() == b"ok"
        running.terminate()
        assert running.wait(30) == 0
    finally:
        running.kill()
