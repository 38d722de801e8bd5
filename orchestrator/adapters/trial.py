"""The local endpoint as an archive's first customer: it loads the model as the container will.

What the archive is to hold is laid out in a fresh folder and served from there by a child process, so that
nothing else counts, and nothing of the model's code runs in this process.
"""

import contextlib
import http.client
import importlib.util
import json
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from orchestrator.adapters.archives.tarball import stage
from orchestrator.core.archive import Member
from orchestrator.core.diagnosis import last_error
from orchestrator.core.errors import ArtifactError, MissingExtraError, RefusedError
from orchestrator.core.golden import FIRST_FAILURE, Case, Response
from orchestrator.core.revision import CONTAINER_ENVIRONMENT, CUSTOM_ATTRIBUTES, fingerprint_of

_HOST = "127.0.0.1"
_LOG = "log"
_MARK = re.compile(r"error [0-9a-f]{8}")
_TRACEBACK = "Traceback (most recent call last):"
_LOAD_SECONDS = 600
_ANSWER_SECONDS = 60  # SageMaker's own limit for one invocation
_STOP_SECONDS = 30
_WHILE_IMPORTING = re.compile(r'code/predict\.py", line \d+, in <module>')
_KINDS = {
    "WeightsError": "the weights do not fit the model's class",
    "NotAModuleError": "model.class does not make a torch.nn.Module",
}
_KEPT_AWAY = ("AWS_", "SAGEMAKER_", "TS_")
_NOTHING_CHANGED = ("state", "no archive has been written")


@dataclass(frozen=True, slots=True)
class LocalTrial:
    """Tries what an archive is to hold with the local endpoint.

    Attributes:
        environment: The developer's environment variables. AWS's are kept from the model, and so are those
            that set up a serving container.
        load_seconds: How long a model may take to load.
    """

    environment: Mapping[str, str]
    load_seconds: float = _LOAD_SECONDS

    def run(self, members: Sequence[Member], cases: Sequence[Case]) -> tuple[Response, ...]:
        """Load the model, and return its answer to each of ``cases``.

        Raises:
            ArtifactError: If it does not load, or the endpoint dies of a case.
            RefusedError: If its code fails on a case; what it has written is gone with the endpoint.
            MissingExtraError: If torch is not installed.
        """
        with self.serving(members) as served:
            answers = tuple(served.answer(case) for case in cases)
        _check_alive(cases, answers, served)
        return answers

    @contextlib.contextmanager
    def serving(self, members: Sequence[Member]) -> Iterator["ServedModel"]:
        """Yield the model, once it has loaded.

        Raises:
            ArtifactError: If it does not load.
            MissingExtraError: If torch is not installed.
        """
        if importlib.util.find_spec("torch") is None:
            raise MissingExtraError("torch", needed_for="trying the model")
        with tempfile.TemporaryDirectory(prefix="orchestrator-") as folder:
            model = Path(folder) / "model"
            stage(str(model), members)
            with self._serving(Path(folder), model) as port:
                served = ServedModel(port)
                yield served
            served.log = (Path(folder) / _LOG).read_text("utf-8", "replace")

    @contextlib.contextmanager
    def _serving(self, folder: Path, model: Path) -> Iterator[int]:
        log = folder / _LOG
        # The child's working folder is an empty one: with -m, Python imports from there first.
        empty = folder / "empty"
        empty.mkdir()
        command = [sys.executable, "-m", "orchestrator.serving", str(model), "--port", "0", "--host", _HOST]
        with log.open("wb") as stderr:
            child = subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
                [*command, "--workers", "1", "--exit-with-stdin"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd=empty,
                env=self._child_environment(),
            )
        with child:
            try:
                yield self._port(child, log)
            finally:
                _end(child)

    def _child_environment(self) -> dict[str, str]:
        kept = {name: value for name, value in self.environment.items() if not name.startswith(_KEPT_AWAY)}
        return kept | CONTAINER_ENVIRONMENT

    def _port(self, child: subprocess.Popen[bytes], log: Path) -> int:
        stdout = child.stdout
        if stdout is None:  # never, with PIPE; the type cannot say so
            raise AssertionError
        event = _first_event(stdout, child, self.load_seconds)
        if event.get("event") == "ready":
            return int(str(event["port"]))
        raise _load_error(event, log.read_text("utf-8", "replace"))


def _first_event(stdout: IO[bytes], child: subprocess.Popen[bytes], seconds: float) -> dict[str, object]:
    deadline = threading.Timer(seconds, child.kill)
    deadline.start()
    try:
        line = stdout.readline()
        in_time = deadline.is_alive()
    finally:
        deadline.cancel()
    if not in_time:
        return {"error": f"TimeoutError: it has not loaded within {seconds:g} seconds"}
    try:
        event: dict[str, object] = json.loads(line)
    except ValueError:
        return {}
    return event


def _load_error(event: Mapping[str, object], log: str) -> ArtifactError:
    traceback = str(event.get("traceback", "")) or log
    line = str(event.get("error", "")) or next(reversed(log.strip().splitlines()), "it said nothing")
    name, _, text = line.partition(": ")
    kind = name.rpartition(".")[2]
    details = [("error", line), _NOTHING_CHANGED]
    if kind in _KINDS:
        return ArtifactError(f"{_KINDS[kind]}: {text}", details=details)
    if _WHILE_IMPORTING.search(traceback):
        return ArtifactError(
            "the model's code cannot be imported from the archive",
            details=details,
            hint="see that package.include takes every file of yours that it imports: orchestrator package",
        )
    return ArtifactError("the model cannot be loaded", details=details)


@dataclass
class ServedModel:
    """A model that is served by a child process.

    Attributes:
        log: What it has written, once it has ended.
    """

    port: int
    log: str = ""

    def answer(self, case: Case) -> Response:
        """Return what the model answers to a case.

        Raises:
            ArtifactError: If it gives no answer.
        """
        connection = http.client.HTTPConnection(_HOST, self.port, timeout=_ANSWER_SECONDS)
        headers = {"Content-Type": case.request.content_type, "Accept": case.request.accept}
        try:
            connection.request("POST", "/invocations", case.request.body, headers)
            answer = connection.getresponse()
            fingerprint = fingerprint_of(answer.headers.get(CUSTOM_ATTRIBUTES, ""))
            return Response(answer.status, answer.read(), fingerprint)
        except (OSError, http.client.HTTPException) as error:
            raise ArtifactError(
                f"the model gives no answer to golden case '{case.name}'", details=[("error", str(error))]
            ) from error
        finally:
            connection.close()

    def error_behind(self, answer: Response) -> str:
        """Return the last line of the traceback behind an answer of 500 or more; empty if there is none.

        Known once the model has ended.
        """
        said = answer.body.decode("utf-8", "replace")
        return (_error_in(self.log, said) or "") if answer.status >= FIRST_FAILURE else ""


def _check_alive(cases: Sequence[Case], answers: Sequence[Response], served: ServedModel) -> None:
    for case, answer in zip(cases, answers, strict=True):
        if answer.status >= FIRST_FAILURE and answer.status != case.status:
            said = answer.body.decode("utf-8", "replace").partition("\n")[0]
            error = served.error_behind(answer)
            raise RefusedError(
                f"the model fails on golden case '{case.name}' on this machine",
                details=[
                    ("answer", f"{answer.status} {said}"),
                    *([("error", error)] if error else []),
                    _NOTHING_CHANGED,
                ],
                hint="orchestrator local-serve          shows the traceback of the same request",
            )


def _error_in(log: str, said: str) -> str | None:
    """Return the last line of the traceback that the log has under the number in what the caller was told.

    Without a number it is looked for in the answer itself: what else the log has is of other requests.
    """
    mark = _MARK.search(said.partition("\n")[0])
    found = log.partition(mark.group())[2] if mark else said
    # What follows is the container's own traceback, of the error that was made of it.
    first = found.split(_TRACEBACK)[1:2]
    return last_error([_TRACEBACK, *first[0].splitlines()]) if first else None


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
