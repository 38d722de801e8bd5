"""A small file is what it was or what it is to be: on a full disk, after a kill, with two writers."""

import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.adapters import files
from orchestrator.core.errors import OrchestratorError

KILLS = 500 * int(os.environ.get("ORCHESTRATOR_FUZZ", "1"))
FULL_DISKS = 500
OLD, NEW = json.dumps(["old"] * 5000).encode(), json.dumps(["new"] * 20000).encode()

WRITERS = """
import itertools, os, sys
from orchestrator.adapters import files
contents = [bytes.fromhex(text) for text in sys.stdin.readline().split()]
for _ in sys.stdin:
    pid = os.fork()
    if not pid:
        for content in itertools.cycle(contents):
            files.write(sys.argv[1], content)
    print(pid, flush=True)
    os.waitpid(pid, 0)
    print("gone", flush=True)
"""
"""For each line, a process of its own that writes two contents in turn until it is killed."""


@pytest.fixture
def short_files() -> Iterator[None]:
    """Let no file of this process be longer than the old content: as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(OLD) + 1, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def test_a_file_is_written_and_read_and_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    files.write(str(path), OLD)
    files.write(str(path), NEW)
    assert files.read(str(path), len(NEW)) == NEW
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["plan.json"]


def test_on_a_full_disk_the_old_file_stays_and_no_draft_is_left(tmp_path: Path, short_files: None) -> None:
    path = tmp_path / "plan.json"
    files.write(str(path), OLD)
    for _ in range(FULL_DISKS):
        with pytest.raises(OrchestratorError, match=r"writing .*plan\.json': File too large") as caught:
            files.write(str(path), NEW)
        assert ("state", "the file is what it was before") in caught.value.details
        assert path.read_bytes() == OLD
    assert [entry.name for entry in tmp_path.iterdir()] == ["plan.json"]


@pytest.mark.slow
def test_a_writer_that_is_killed_leaves_the_old_file_or_the_new_one_and_the_next_one_tidies_up(
    tmp_path: Path,
) -> None:
    path = tmp_path / "plan.json"
    files.write(str(path), OLD)
    pause = threading.Event()
    command = [sys.executable, "-c", WRITERS, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writers:
        assert writers.stdin is not None
        assert writers.stdout is not None
        print(OLD.hex(), NEW.hex(), file=writers.stdin, flush=True)
        for number in range(KILLS):
            print(file=writers.stdin, flush=True)
            pid = int(writers.stdout.readline())
            pause.wait(number % 10 * 0.0005)
            os.kill(pid, signal.SIGKILL)
            assert writers.stdout.readline() == "gone\n"
            assert path.read_bytes() in {OLD, NEW}
    files.write(str(path), OLD)
    assert [entry.name for entry in tmp_path.iterdir()] == ["plan.json"]


def test_a_draft_of_a_process_that_lives_is_left_alone(tmp_path: Path) -> None:
    draft = tmp_path / f".plan.json.draft-{os.getpid()}-other"
    draft.write_bytes(b"half")
    files.write(str(tmp_path / "plan.json"), OLD)
    assert draft.exists()


def test_a_path_that_cannot_be_written_or_read_is_named(tmp_path: Path) -> None:
    absent = str(tmp_path / "absent" / "plan.json")
    with pytest.raises(OrchestratorError, match=r"writing .*absent/plan\.json': No such file or directory"):
        files.write(absent, OLD)
    with pytest.raises(OrchestratorError, match=r"reading .*absent/plan\.json': No such file or directory"):
        files.read(absent, 10)


def test_a_file_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(b"12345")
    assert files.read(str(path), 5) == b"12345"
    with pytest.raises(OrchestratorError, match="longer than 4 bytes"):
        files.read(str(path), 4)
