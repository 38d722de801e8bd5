"""pip, run for a ``requirements.txt`` as the container runs it.

Knows what pip reads and writes; must not know where environments are kept.
"""

import asyncio
import contextlib
import errno
import os
import re
import signal
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from orchestrator.core.errors import ArtifactError

Say = Callable[[str], None]
"""Is given each line that pip writes."""

WITHOUT = "orchestrator local-serve --no-requirements          serves with what is installed here"
"""The way out that is always there."""

_CHUNK_BYTES = 65536
_KEPT_LINES = 200
_SHOWN_LINES = 6
_REFERENCE = re.compile(rb"^(\s*(?:-r|-c|--requirement|--constraint)[=\s]*)([^\s#]+)", re.MULTILINE)
_OFFLINE = re.compile(r"NewConnectionError|NameResolutionError|Failed to resolve|ConnectTimeout|ProxyError")
_ARCHIVE = "/opt/ml/model/"
# What would have pip write somewhere else, or nothing at all.
_ELSEWHERE = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_PYTHON", "PIP_DRY_RUN", "PIP_REPORT")
_SETTINGS = {
    "PIP_USER": "0",
    "PIP_NO_INPUT": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_PROGRESS_BAR": "off",
    "PYTHONUNBUFFERED": "1",
}


class RequirementsError(ArtifactError):
    """What the archive's ``requirements.txt`` asks for cannot be installed; the container would exit.

    Attributes:
        output: The last lines that pip wrote.
    """

    def __init__(self, requirements: Path, output: Collection[str]) -> None:
        self.output = tuple(output)
        shown = _meaningful(self.output)
        super().__init__(
            f"what '{requirements}' asks for cannot be installed",
            details=[*(("pip", line) for line in shown), ("rule", "the container exits where pip fails")],
            hint=_advice(self.output),
        )


def asks(content: bytes) -> bool:
    """Whether there is anything but blanks and comments for pip to read."""
    lines = (line.strip() for line in content.splitlines())
    return any(line and not line.startswith(b"#") for line in lines)


def names_archive(content: bytes) -> bool:
    """Whether the file refers to what lies beside it by the path that the archive has in the container."""
    return _ARCHIVE.encode() in content


def texts(requirements: Path, content: bytes) -> Iterator[bytes]:
    """Yield the ``content`` of the file ``requirements`` and of all that it refers to on this disk."""
    seen = {requirements}
    left = [(requirements, content)]
    while left:
        path, text = left.pop()
        yield text
        for _, reference in _REFERENCE.findall(text):
            # pip takes them relative to the file that they are in.
            referred = path.parent / os.fsdecode(reference)
            if referred not in seen and referred.is_file():
                seen.add(referred)
                left.append((referred, referred.read_bytes()))


async def install(python: Path, requirements: Path, environment: Mapping[str, str], say: Say) -> None:
    """Have ``python`` install what the file ``requirements`` asks for; if cancelled, end pip.

    Args:
        python: That of an environment which sees a pip.
        requirements: As it is named in errors; paths below ``/opt/ml/model`` in it mean the archive it is in.
        environment: The container's. pip takes its variables, but for those that lead elsewhere.
        say: Is given each line that pip writes.

    Raises:
        RequirementsError: If pip fails.
    """
    # A pip that is killed leaves what it has downloaded and unpacked.
    with tempfile.TemporaryDirectory(prefix="orchestrator-", ignore_cleanup_errors=True) as temporary:
        variables = {**_variables(environment, _archive(requirements)), "TMPDIR": temporary}
        output, code = await _run(_command(python, requirements), variables, say)
    if code:
        raise RequirementsError(requirements, output[-_KEPT_LINES:])


async def _run(command: Sequence[str], variables: Mapping[str, str], say: Say) -> tuple[list[str], int]:
    pip = await asyncio.create_subprocess_exec(
        *command,
        env=variables,
        # The container's working folder: a path such as ./vendor/x.whl leads nowhere there, either.
        cwd="/",
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        start_new_session=True,
    )
    try:
        return [line async for line in _lines(pip, say)], await pip.wait()
    except BaseException:
        await _end(pip)
        raise


def _variables(environment: Mapping[str, str], archive: str) -> dict[str, str]:
    kept = {name: value for name, value in environment.items() if name not in _ELSEWHERE}
    pips = {name: value.replace(_ARCHIVE, archive) for name, value in kept.items() if name.startswith("PIP_")}
    return {**kept, **pips, **_SETTINGS}


def _archive(requirements: Path) -> str:
    return f"{requirements.absolute().parent.parent}/"


def _command(python: Path, requirements: Path) -> list[str]:
    # The environment sees our pip, which knows by its Python's prefix what it may replace.
    return [str(python), "-P", "-m", "pip", "install", "-r", str(_local(requirements, python.parents[1]))]


def _local(requirements: Path, folder: Path) -> Path:
    """Return the file itself, or one in ``folder`` that says where the archive lies on this machine."""
    content = requirements.read_bytes()
    if not names_archive(content):
        return requirements.absolute()
    code = requirements.absolute().parent
    absolute = _REFERENCE.sub(lambda found: found[1] + bytes(code / os.fsdecode(found[2])), content)
    written = folder / requirements.name
    written.write_bytes(absolute.replace(_ARCHIVE.encode(), os.fsencode(_archive(requirements))))
    return written


async def _lines(pip: asyncio.subprocess.Process, say: Say) -> AsyncIterator[str]:
    """Yield what pip writes line by line, however long a line is."""
    assert pip.stdout is not None  # noqa: S101 - for the type checker: it was started with a pipe
    rest = b""
    while chunk := await pip.stdout.read(_CHUNK_BYTES):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            text = line.decode(errors="replace").rstrip()
            say(text)
            yield text


async def _end(pip: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pip.pid, signal.SIGKILL)
    await pip.wait()


def _advice(output: Collection[str]) -> str:
    text = "\n".join(output)
    if os.strerror(errno.ENOSPC) in text:
        return "free some space on the disk"
    if _OFFLINE.search(text):
        return f"connect to the package index, or set PIP_INDEX_URL to one that can be reached\n{WITHOUT}"
    return f"correct requirements.txt\n{WITHOUT}"


def _meaningful(output: Collection[str]) -> list[str]:
    """Return the lines of pip's that say what is wrong and with what, or else its last."""
    filled = [line.strip() for line in output if line.strip() and not line.startswith("[notice]")]
    errors = [line[len("ERROR: ") :] for line in filled if line.lower().startswith("error: ")]
    return (errors or filled)[-_SHOWN_LINES:]
