"""The tour of the README does what it says: its blocks are run, and the outputs it shows are compared."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TIMEOUT_SECONDS = 600
MARK = "@@ the block at line"
_FENCED = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NOT_COPIED = ("artifacts", "golden", "model.tar.gz", "__pycache__")
# What differs from run to run, most particular first. Everything else has to be as shown.
_VARIES = (
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d"), "TIME"),
    (re.compile(r"\b[0-9a-f]{12,}\b"), "DIGEST"),
    (re.compile(r"\b127\.0\.0\.1:\d+"), "ADDRESS"),
    (re.compile(r"\b\d+\.\d+(e-\d+)?"), "NUMBER"),
    (re.compile(r"\b\d+ s\b"), "SECONDS"),
)


@dataclass(frozen=True)
class Block:
    """A block of commands, and the lines that the README shows after it."""

    line: int
    commands: str
    shown: tuple[str, ...]


def blocks(markdown: str) -> Iterator[Block]:
    """Yield the blocks to run; a block of text right after commands is what they print."""
    found = list(_FENCED.finditer(markdown))
    for block, after in zip(found, [*found[1:], None], strict=True):
        if block[1] == "sh":
            shown = after[2].splitlines() if after is not None and after[1] == "text" else ()
            yield Block(markdown.count("\n", 0, block.start()) + 1, block[2], tuple(shown))


def spelt(line: str) -> str:
    for pattern, word in _VARIES:
        line = pattern.sub(word, line)
    return " ".join(line.split())


def is_printed(shown: str, output: str) -> bool:
    """Tell whether a line of ``output`` is the one that is ``shown``, where ``…`` stands for anything."""
    pattern = ".*".join(re.escape(part) for part in spelt(shown).split("…"))
    return any(re.fullmatch(pattern, spelt(line)) for line in output.splitlines())


def tour() -> list[Block]:
    """Return the README's blocks; without those that ask with curl on a machine that has none."""
    found = blocks((ROOT / "README.md").read_text("utf-8"))
    return [block for block in found if "curl" not in block.commands or shutil.which("curl")]


def script_of(steps: list[Block]) -> str:
    """Return all blocks as one script, so that variables and folders last from block to block."""
    parts = [f"echo '{MARK} {step.line}'\n{step.commands}" for step in steps]
    # The README's port may be taken on this machine.
    return "set -euo pipefail\n" + "".join(parts).replace("port=8080", f"port={free_port()}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def surroundings(folder: Path) -> dict[str, str]:
    """Return the environment of somebody who has set the project up, and has no settings of their own."""
    own = {
        name: value for name, value in os.environ.items() if not name.startswith(("ORCHESTRATOR_", "AWS_"))
    }
    return own | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "ORCHESTRATOR_STATE_DIR": str(folder / "state"),
        # Other tests run beside this one, and threads that spin while they wait would slow training down.
        "OMP_WAIT_POLICY": "PASSIVE",
        "TMPDIR": str(folder),
    }


def processes_of(folder: Path) -> list[str]:
    """Return the command lines of all processes that were given ``folder`` in any way."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            given = command + (process / "environ").read_bytes()
        except OSError:  # it has ended meanwhile, or is somebody else's
            continue
        if os.fsencode(folder) in given:
            found.append(command.replace(b"\0", b" ").decode("utf-8", "replace"))
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder with a copy of the examples; no local cloud of it outlives the test."""
    copied = shutil.ignore_patterns(*_NOT_COPIED)
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=copied)
    yield tmp_path
    stop = [sys.executable, "-m", "orchestrator", "local-cloud", "stop", "--quiet"]
    subprocess.run(stop, env=surroundings(tmp_path), check=False, capture_output=True, timeout=120)


def run(script: str, folder: Path) -> tuple[int, str]:
    """Run ``script`` in ``folder``; return its exit code and all that it and its children have printed."""
    transcript = folder / "transcript.txt"
    with transcript.open("wb") as output:
        process = subprocess.Popen(
            ["bash", "-c", script],
            cwd=folder,
            env=surroundings(folder),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(TIMEOUT_SECONDS)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    return code, transcript.read_text("utf-8", "replace")


@pytest.mark.slow
def test_the_tour_of_the_readme_does_and_prints_what_it_says(folder: Path) -> None:
    steps = tour()
    code, transcript = run(script_of(steps), folder)
    left = processes_of(folder)
    assert code == 0, f"a block failed:\n{transcript}"
    outputs = transcript.split(f"{MARK} ")[1:]
    missing = [
        f"line {step.line} and after: {shown}"
        for step, output in zip(steps, outputs, strict=True)
        for shown in step.shown
        if not is_printed(shown, output)
    ]
    assert not missing, "\n".join(["the README shows what was not printed:", *missing, transcript])
    assert not left, f"the tour left processes behind: {left}"


def test_a_block_is_paired_with_the_text_right_after_it() -> None:
    markdown = "```sh\ntrue\n```\n\n```sh\necho 1\n```\nprints\n```text\n1\n```\n```console\n$ rm\n```\n"
    assert list(blocks(markdown)) == [Block(1, "true\n", ()), Block(5, "echo 1\n", ("1",))]


def test_shown_lines_are_compared_but_for_what_varies() -> None:
    printed = "  + model digits-91e2b901f2cf\nexit code 4\ntook 21 s, 97.2%\n"
    assert is_printed("+ model digits-000000000000", printed)
    assert is_printed("took 60 s, …", printed)
    assert not is_printed("exit code 5", printed)
    assert not is_printed("+ model", printed)


def test_a_failing_block_ends_the_script_with_its_output(folder: Path) -> None:
    steps = [Block(1, "echo before\nfalse\n", ()), Block(5, "echo after\n", ())]
    code, transcript = run(script_of(steps), folder)
    assert code == 1
    assert "before" in transcript
    assert "after" not in transcript


def test_a_process_that_is_left_behind_is_found(folder: Path) -> None:
    command = ["bash", "-c", "echo started; read -r"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=surroundings(folder), stdin=pipe, stdout=pipe) as left:
        stdin, stdout = left.stdin, left.stdout
        assert stdin is not None
        assert stdout is not None
        assert stdout.readline() == b"started\n"
        assert processes_of(folder) == ["bash -c echo started; read -r "]
        stdin.close()
    assert processes_of(folder) == []
