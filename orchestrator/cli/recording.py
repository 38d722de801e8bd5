"""Golden cases that are written of what a model answers."""

from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from orchestrator.api import wiring
from orchestrator.api.project import Project
from orchestrator.api.used import Whom
from orchestrator.cli.invoke import Asked
from orchestrator.cli.terminal import Terminal
from orchestrator.cli.transfer import TerminalTransfer
from orchestrator.core import golden, recording
from orchestrator.core.errors import OrchestratorError, SpecError
from orchestrator.core.golden import Request
from orchestrator.core.spec import Spec

_EVERYBODY_READS = 0o644
_WILD = "*?["


def request(body: str, content_type: str | None, accept: str) -> Request:
    """Return what is to be asked: a file, or stdin.

    Raises:
        SpecError: If the file cannot be read.
    """
    return Asked(body=body, content_type=content_type, accept=accept).request()


def place(spec: Spec, name: str, pattern: str | None) -> Path:
    """Return where a new golden case is to lie, so that the project finds it.

    Raises:
        SpecError: If it would not be found there.
    """
    wanted = spec.golden.cases if pattern is None else pattern
    if wanted is None:
        raise SpecError(
            "the spec does not say where golden cases lie",
            details=[("rule", '[golden] cases = "golden/*.json"')],
            hint="add that to the spec, and record it again",
        )
    folders = PurePosixPath(wanted).parent.parts
    wild = next((at for at, one in enumerate(folders) if set(one) & set(_WILD)), len(folders))
    suffix = PurePosixPath(wanted).suffix
    file = name if name.endswith(suffix) else f"{name}{suffix}"
    # A folder called ** may be none at all; no other is known by its pattern. What leads out is never read.
    is_inside = not PurePosixPath(wanted).is_absolute() and ".." not in folders
    is_found = is_inside and fnmatch(file, PurePosixPath(wanted).name) and set(folders[wild:]) <= {"**"}
    if not is_found or "/" in file or file.startswith("."):
        raise SpecError(
            f"no golden case '{name}' would be found",
            details=[("rule", f"the name of a file in the project that '{wanted}' matches")],
            hint="choose a name that fits: orchestrator test --record first --body request.json",
        )
    path = PurePosixPath(*folders[:wild], file)
    return Path(spec.root) / path


def record(project: Project, whom: Whom, path: Path, asked: Request, terminal: Terminal) -> None:
    """Ask a model, and write its answer as a golden case.

    Raises:
        RefusedError: If there is such a case, and nobody consents to its end.
        ArtifactError: If the model's code fails on it.
        OrchestratorError: If it cannot be written.
    """
    shown = path.relative_to(project.spec.root).as_posix()
    if path.exists():
        terminal.confirm(f"Replace the golden case {shown}?", destructive=True)
    response = project.answer(asked, whom, TerminalTransfer(terminal))
    text = recording.recorded(asked, response)
    golden.parse(shown, text)  # what could not be read again is not written
    make_folders(str(path))
    write(str(path), text.encode())
    if response.status >= golden.FIRST_ERROR:
        terminal.warn([f"the model answered {response.status}: the case wants that error"])
    document = {"case": shown, "status": response.status, "fingerprint": response.fingerprint}
    terminal.result(f"wrote {shown}: read what it wants of the model before you trust it", document)


def make_folders(path: str) -> None:
    """Make the folders that a file is to lie in, before there is anything to lose.

    Raises:
        OrchestratorError: If they cannot be made.
    """
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OrchestratorError(
            f"nothing can be written to '{path}': {error.strerror or error}", hint="name another place"
        ) from error


def write(path: str, content: bytes) -> None:
    """Write a file that others may read.

    Raises:
        OrchestratorError: If it cannot be written.
    """
    wiring.write_file(path, content, mode=_EVERYBODY_READS)
