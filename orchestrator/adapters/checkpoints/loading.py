"""Models that are code: loaded once, in a child process, and packaged as data where that is possible.

A pickled module becomes its weights, an exported program a graph and its weights. A TorchScript program stays
what it is: code, but code that PyTorch loads without unpickling. Whether the file may be loaded at all is for
the caller to know; nothing here asks.
"""

import contextlib
import importlib.util
import json
import os
import signal
import site
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.adapters import bundled
from orchestrator.adapters.checkpoints import describing
from orchestrator.core.archive import CODE, PROGRAM, SCRIPT, WEIGHTS, Member
from orchestrator.core.checkpoint import Format, Kind, Weights
from orchestrator.core.errors import ArtifactError, MissingExtraError, OrchestratorError, RefusedError

_CHILD = "orchestrator.adapters.checkpoints.child"
_KEPT_AWAY = ("AWS_", "ORCHESTRATOR_", "SAGEMAKER_", "TS_")
_MAX_ANSWER_BYTES = _MAX_SHOWN_BYTES = 64 * 1024
_NOTHING_WRITTEN = ("state", "nothing has been written")
_SAVE = "in your training code: torch.save(model.state_dict(), 'model.pt')"
_HINTS = {
    Format.MODULE: _SAVE,
    Format.TORCHSCRIPT: "see that it loads: python -c \"import torch; torch.jit.load('model.pt')\"",
    Format.EXPORTED: f"export it again with this version of PyTorch, or package its weights instead: {_SAVE}",
}
# How a class is missed that was in the script that saved it: in the child, that name stands for the child.
_NOT_IN_SCRIPT = f"on <module '{_CHILD}'"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a child process may use.

    Attributes:
        seconds: Of time, on the clock and of the processor.
        file_sizes: Of memory, and of each file it writes: so many times the size of the model's file,
        spare_bytes: and so many bytes besides, for Python and PyTorch themselves.
    """

    seconds: int = 600
    file_sizes: int = 4
    spare_bytes: int = 4 * 1024**3

    def memory_bytes(self, path: str) -> int:
        """Return how much memory may be used for the file at ``path``."""
        return self.file_sizes * Path(path).stat().st_size + self.spare_bytes


_DEFAULT = Limits()


@contextlib.contextmanager
def module(path: str, root: str, key: str = "", limits: Limits = _DEFAULT) -> Iterator[str]:
    """Yield the path of a safetensors file with the weights of the pickled module in ``path``.

    Args:
        path: A file that `torch.save` wrote.
        root: The project's folder, from which the module's class is imported.
        key: Where in what was saved the module lies, with ``.`` between keys. Empty for the module that was
            saved, or the only one among the values of a dict.
        limits: What loading it may use.

    Raises:
        ArtifactError: If it cannot be loaded, or holds what cannot be converted.
        RefusedError: If it crosses a limit, or ends the process.
        MissingExtraError: If torch or safetensors is not installed.
    """
    with _converted(path, Format.MODULE, limits, root=str(Path(root).absolute()), key=key) as out:
        yield str(out / WEIGHTS)


@contextlib.contextmanager
def torchscript(path: str, limits: Limits = _DEFAULT) -> Iterator[Weights]:
    """Yield the TorchScript program in ``path`` as it is, once it has been seen to load on the CPU.

    Raises:
        ArtifactError: If it cannot be loaded.
        RefusedError: If it crosses a limit, or ends the process.
        MissingExtraError: If torch or safetensors is not installed.
    """
    with _converted(path, Format.TORCHSCRIPT, limits):
        yield Weights(Kind.TORCHSCRIPT, (Member(SCRIPT, path),), Format.TORCHSCRIPT)


@contextlib.contextmanager
def exported(path: str, limits: Limits = _DEFAULT) -> Iterator[Weights]:
    """Yield the program that `torch.export.save` wrote to ``path``, as data: its graph and its tensors.

    It is compared with the original on the example inputs in the file, if there are any.

    Raises:
        ArtifactError: If it cannot be loaded, or does what cannot be kept as data.
        RefusedError: If it crosses a limit, or ends the process.
        MissingExtraError: If torch or safetensors is not installed.
    """
    described = describing.exported(path)
    describing.check_packable(described)
    with _converted(path, Format.EXPORTED, limits) as out:
        found = (Member(name, str(out / name)) for name in (PROGRAM, WEIGHTS) if (out / name).is_file())
        yield Weights(Kind.EXPORTED, tuple(found), Format.EXPORTED, described.written_by)


@contextlib.contextmanager
def _converted(path: str, format_: Format, limits: Limits, **more: str) -> Iterator[Path]:
    if any(importlib.util.find_spec(name) is None for name in ("torch", "safetensors")):
        raise MissingExtraError("torch", needed_for=f"reading a model of format '{format_}'")
    if not Path(path).is_file():
        raise ArtifactError(f"there is no model file '{path}'")
    with tempfile.TemporaryDirectory(prefix="orchestrator-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        for part in ("out", "home", "runtime"):
            (folder / part).mkdir()
        _lay_out_runtime(folder / "runtime")
        request = {
            "task": format_.value,
            "path": str(Path(path).absolute()),
            "out": str(folder / "out"),
            "runtime": str(folder / "runtime"),
            "memory_bytes": limits.memory_bytes(path),
            "seconds": limits.seconds,
            **more,
        }
        _run(request, folder, path)
        yield folder / "out"


def _lay_out_runtime(folder: Path) -> None:
    for member in bundled.runtime():
        file = folder / member.path.removeprefix(f"{CODE}/")
        file.parent.mkdir(exist_ok=True)
        if isinstance(member.content, bytes):
            file.write_bytes(member.content)


def _run(request: Mapping[str, Any], folder: Path, path: str) -> None:
    answers, log = folder / "answer", folder / "log"
    # -P: Python does not import from the folder that it is started in.
    command = [sys.executable, "-P", "-m", _CHILD, json.dumps(request)]
    with answers.open("wb") as stdout, log.open("wb") as stderr:
        child = subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            cwd=folder / "home",
            env=_environment(folder / "home"),
            start_new_session=True,
        )
    try:
        status = child.wait(request["seconds"])
    except subprocess.TimeoutExpired:
        status = None
    finally:
        # Whatever the file's code has started goes with it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    answer = _answer(answers)
    if status is None or status != 0 or answer is None or "error" in answer:
        raise _error(request, path, status, answer or {}, _last_line(log))


def _environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_KEPT_AWAY)}
    # Another home, for credentials lie in files, too; packages of the user's stay where they are.
    own = {"HOME": str(home), "PYTHONUSERBASE": site.getuserbase(), "OMP_NUM_THREADS": "1"}
    return kept | own


def _answer(answers: Path) -> dict[str, Any] | None:
    with answers.open("rb") as file:
        text = file.read(_MAX_ANSWER_BYTES)
    try:
        answer = json.loads(text)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _last_line(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _MAX_SHOWN_BYTES))
        lines = file.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def _error(
    request: Mapping[str, Any], path: str, status: int | None, answer: Mapping[str, Any], last: str
) -> OrchestratorError:
    kind, told = answer.get("kind"), str(answer.get("error", last))
    hint = _HINTS[Format(request["task"])]
    details = [("error", told), _NOTHING_WRITTEN]
    if answer and not answer.get("isolated"):
        details.append(("note", "its code ran with the network in reach: this machine gives no namespace"))
    if status is None or status == -signal.SIGXCPU:
        limit = f"it has not loaded within {request['seconds']} seconds"
        return RefusedError(f"'{path}' was stopped: {limit}", details=details[1:], hint=hint)
    if kind == "memory" or status == -signal.SIGKILL:
        limit = f"it needs more than {request['memory_bytes'] >> 20} MiB of memory to load"
        return RefusedError(f"'{path}' was stopped: {limit}", details=details, hint=hint)
    if kind is None:
        return RefusedError(
            f"'{path}' ends the process that loads it{_by(status)}", details=details, hint=hint
        )
    if kind == "unusable":
        return ArtifactError(f"'{path}' cannot be packaged: {told}", details=[_NOTHING_WRITTEN], hint=hint)
    if _NOT_IN_SCRIPT in told:
        hint = f"its class was defined in the script that saved it, and is not in the file; {_SAVE}"
    return ArtifactError(f"'{path}' cannot be loaded", details=details, hint=hint)


def _by(status: int) -> str:
    if status >= 0:
        return f" with exit status {status}"
    return f" by the signal {signal.Signals(-status).name}"
