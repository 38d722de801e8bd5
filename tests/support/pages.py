"""Pages that are run: their blocks become one script, and what they show is compared with what it prints."""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TIMEOUT_SECONDS = 600
MARK = "@@ the block at line"
FENCE = re.compile(
    r"^(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<marks>[^\n`]*)\n(?P<body>.*?)^(?P=indent)(?P=fence) *$",
    re.MULTILINE | re.DOTALL,
)
_END = "@@ the end of the file"
_NOT_OURS = {"build", "dist", "node_modules"}
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
    """A fenced block of a page.

    Attributes:
        line: Where it begins, from 1.
        kind: The first word after the fence, such as ``sh``; empty if there is none.
        marks: The other words, which a forge does not show.
    """

    line: int
    kind: str
    marks: tuple[str, ...]
    text: str

    def marked(self, name: str) -> str | None:
        """Return what the mark ``name=...`` says."""
        return next((mark.partition("=")[2] for mark in self.marks if mark.startswith(f"{name}=")), None)


@dataclass(frozen=True)
class Step:
    """Something that a page does, and the lines that it shows after it."""

    line: int
    commands: str
    shown: tuple[str, ...]


def documents() -> list[Path]:
    """Return every Markdown file of the repository, but what was installed or built."""
    found: list[Path] = []
    for folder, inner, files in os.walk(ROOT):
        inner[:] = [name for name in inner if not name.startswith(".") and name not in _NOT_OURS]
        found += (Path(folder) / name for name in files if name.endswith(".md"))
    return sorted(found)


def blocks(markdown: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page, those within lists included."""
    for found in FENCE.finditer(markdown):
        kind, *marks = found["marks"].split() or [""]
        own = re.compile(f"^{found['indent']}", re.MULTILINE)
        line = markdown.count("\n", 0, found.start()) + 1
        yield Block(line, kind, tuple(marks), own.sub("", found["body"]))


def steps(markdown: str) -> Iterator[Step]:
    """Yield what a page does; a block of text right after it is what is printed."""
    found = list(blocks(markdown))
    for block, after in zip(found, [*found[1:], None], strict=True):
        commands = _commands(block)
        if commands:
            printed = after is not None and after.kind == "text" and not _commands(after)
            yield Step(block.line, commands, tuple(after.text.splitlines()) if after and printed else ())


def _commands(block: Block) -> str:
    """Return what a shell does for a block; nothing for one that is only shown."""
    for mark, redirection in (("file", ">"), ("append", ">>")):
        path = block.marked(mark)
        if path:
            there = f"mkdir -p {shlex.quote(str(Path(path).parent))}"
            return f"{there}\ncat {redirection} {shlex.quote(path)} <<'{_END}'\n{block.text}{_END}\n"
    if block.kind == "sh":
        return block.text
    if block.kind == "python" and "run" in block.marks:
        return f"python - <<'{_END}'\n{block.text}{_END}\n"
    return ""


def spelt(line: str) -> str:
    """Return a line without what differs from run to run."""
    for pattern, word in _VARIES:
        line = pattern.sub(word, line)
    return " ".join(line.split())


def is_printed(shown: str, output: str) -> bool:
    """Tell whether a line of ``output`` is the one that is ``shown``, where ``…`` stands for anything."""
    pattern = ".*".join(re.escape(part) for part in spelt(shown).split("…"))
    return any(re.fullmatch(pattern, spelt(line)) for line in output.splitlines())


def missing(done: Sequence[Step], transcript: str) -> list[str]:
    """Return the lines that a page shows and its run has not printed."""
    outputs = transcript.split(f"{MARK} ")[1:]
    return [
        f"line {step.line} and after: {shown}"
        for step, output in zip(done, outputs, strict=True)
        for shown in step.shown
        if not is_printed(shown, output)
    ]


def runnable(path: Path) -> list[Step]:
    """Return the steps of a page; without those that ask with curl on a machine that has none."""
    found = steps(path.read_text("utf-8"))
    return [step for step in found if "curl" not in step.commands or shutil.which("curl")]


def script_of(chosen: Sequence[Step]) -> str:
    """Return all steps as one script, so that variables and folders last from block to block."""
    parts = [f"echo '{MARK} {step.line}'\n{step.commands}" for step in chosen]
    # The page's port may be taken on this machine.
    return "set -euo pipefail\n" + "".join(parts).replace("port=8080", f"port={_free_port()}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def copy_examples(folder: Path) -> None:
    """Copy the examples as somebody has them who has just fetched the repository."""
    copied = shutil.ignore_patterns(*_NOT_COPIED)
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=copied)


def surroundings(folder: Path) -> dict[str, str]:
    """Return the environment of somebody who has set the project up, and has no settings of their own."""
    own = {
        name: value for name, value in os.environ.items() if not name.startswith(("ORCHESTRATOR_", "AWS_"))
    }
    return own | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "ORCHESTRATOR_STATE_DIR": str(folder / "state"),
        "AWS_CONFIG_FILE": str(folder / "no-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "no-credentials"),
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


def stop_cloud(folder: Path) -> None:
    """Stop the local cloud of a page, which a failure may have left running."""
    stop = [sys.executable, "-m", "orchestrator", "local-cloud", "stop", "--quiet"]
    subprocess.run(stop, env=surroundings(folder), check=False, capture_output=True, timeout=120)


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
