"""Ask the container's Python worker alone: no Java, no root.

What runs is TorchServe's own `model_service_worker.py` with the toolkit's handler, in a process of the
toolkit's environment. This module is its front end: it starts the worker as TorchServe does and speaks
TorchServe's protocol over a Unix socket, lengths as big-endian 32-bit integers, -1 as the end of a list. What
only the real front end does is not here: paths, forms, limits, queues.
"""

import contextlib
import json
import os
import shutil
import socket
import struct
import subprocess
import tarfile
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from io import BytesIO
from pathlib import Path

from tests.conformance import stack
from tests.conformance.cases import Case, Request
from tests.conformance.wire import Answer, NoAnswerError

_END = -1
_NO_GPU = -1
_NO_BODY = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT, HTTPStatus.NOT_MODIFIED})
_MODEL = b"model"
_LARGEST_BYTES = 1 << 26
_CONNECT_SECONDS = 60.0
_PAUSE_SECONDS = 0.05


class _WorkerEndedError(Exception):
    """The worker closed its socket."""


class Worker:
    """One worker process; started again when it has died, as TorchServe would."""

    def __init__(self, venv: Path, base: Path, case: Case) -> None:
        self._venv = venv
        self._base = base
        self._case = case
        self._linked = _linked(base)
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._broken = False

    def close(self) -> None:
        """End the process."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def send(self, request: Request) -> Answer:
        """Return the answer to ``request``.

        Raises:
            NoAnswerError: The model does not load, or the front end would never be able to read the answer;
                all later requests of that worker wait behind this one.
        """
        if self._broken:
            raise NoAnswerError("the front end still waits for this worker")
        try:
            connection = self._loaded()
            connection.sendall(_prediction(request))
            return _answer(_Frames(connection))
        except _WorkerEndedError:
            self.close()
            return _front_end_says(500, "Worker died.")
        except (TimeoutError, ValueError) as error:
            self._broken = True
            raise NoAnswerError(str(error)) from error

    def _loaded(self) -> socket.socket:
        if self._socket is not None:
            return self._socket
        address = self._base / "worker.9000"
        package = next(self._venv.glob("lib/python3*/site-packages"))
        self._process = subprocess.Popen(
            [self._venv / "bin" / "python", package / "ts/model_service_worker.py", "--sock-type", "unix",
             "--sock-name", address, "--metrics-config", package / "ts/configs/metrics.yaml"],
            cwd=self._linked.resolve(), env=self._variables(package), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._socket = _connected(address)
        self._socket.settimeout(self._case.patience_seconds)
        handler = package / "sagemaker_pytorch_serving_container/handler_service.py"
        self._socket.sendall(_load(self._linked, f"{handler}:handle"))
        try:
            code, message = _Frames(self._socket).head()
        except _WorkerEndedError as error:
            raise ValueError("the worker died while it loaded the model") from error
        if code != HTTPStatus.OK:
            raise ValueError(message)
        return self._socket

    def _variables(self, package: Path) -> dict[str, str]:
        # What `EnvironmentUtils` of TorchServe puts together: the handler's folder, the toolkit's PYTHONPATH
        # (the archive's code), the model folder, the folder of the link to it.
        toolkit = package / "sagemaker_pytorch_serving_container"
        code = self._base / "ml/model/code"
        path = (toolkit, code, self._linked.resolve(), self._linked.parent)
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": os.pathsep.join([*map(str, path), ""]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONIOENCODING": "UTF-8",
            "SAGEMAKER_BASE_DIR": str(self._base / "ml"),
            "TS_DECODE_INPUT_REQUEST": "false",
            "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
            **self._case.environment,
        }


@contextlib.contextmanager
def running(venv: Path, case: Case) -> Iterator[tuple[Callable[[Request], Answer], Mapping[str, str]]]:
    """Lay out a case's archive; yield what asks its worker, and what the container calls the folders."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(os.path.realpath(folder))
        with tarfile.open(fileobj=BytesIO(stack.archive(case.files))) as tar:
            tar.extractall(base / "ml/model", filter="data")
        worker = Worker(venv, base, case)
        try:
            yield worker.send, {str(base / "ml"): "/opt/ml", str(venv): "/toolkit"}
        finally:
            worker.close()


class _Frames:
    """Reads what a worker writes."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def head(self) -> tuple[int, str]:
        """Return the code and the message that start every frame, to the end of a load frame."""
        code, message = self.integer(), self.text()
        self.integer()
        return code, message

    def integer(self) -> int:
        (value,) = struct.unpack("!i", self._exactly(4))
        assert isinstance(value, int)
        return value

    def text(self) -> str:
        return self.content(self.integer()).decode()

    def content(self, length: int) -> bytes:
        if not 0 <= length <= _LARGEST_BYTES:
            raise ValueError("a length that no front end could read")
        return self._exactly(length)

    def _exactly(self, length: int) -> bytes:
        parts = bytearray()
        while len(parts) < length:
            try:
                part = self._connection.recv(length - len(parts))
            except ConnectionError as error:
                raise _WorkerEndedError from error
            if not part:
                raise _WorkerEndedError
            parts += part
        return bytes(parts)


def _answer(frames: _Frames) -> Answer:
    """Return the answer in one frame, or in several where the first ones say that another follows."""
    first: tuple[int, str, dict[str, str]] | None = None
    parts: list[bytes] = []
    while True:
        code, message = frames.integer(), frames.text()
        frames.text()
        kind, status, phrase = frames.text(), frames.integer(), frames.text()
        headers = {frames.text().lower(): frames.text() for _ in range(frames.integer())}
        body = frames.content(frames.integer())
        if frames.integer() != _END:
            raise ValueError("the frame does not end where it says")
        if code != HTTPStatus.OK:
            return _front_end_says(code, message)
        if kind and "content-type" not in headers:
            headers["content-type"] = kind
        first = first or (status, phrase, headers)
        parts.append(body)
        if headers.get("ts_stream_next") != "true":
            break
    chunks = tuple(len(part) for part in parts if part) if len(parts) > 1 else None
    status, phrase, headers = first
    body = b"" if status in _NO_BODY else b"".join(parts)
    return Answer(status, phrase, tuple(headers.items()), body, chunks)


def _front_end_says(code: int, message: str) -> Answer:
    content = {"code": code, "type": "InternalServerException", "message": message}
    body = json.dumps(content, indent=2).encode() + b"\n"
    return Answer(code, HTTPStatus(code).phrase, (("content-type", "application/json"),), body)


def _load(linked: Path, handler: str) -> bytes:
    one = struct.pack("!i", 1)
    path, named = os.fsencode(linked), handler.encode()
    gpu_and_envelope = struct.pack("!ii", _NO_GPU, 0)
    return b"".join([b"L", _sized(_MODEL), _sized(path), one, _sized(named), gpu_and_envelope, b"\x01"])


def _prediction(request: Request) -> bytes:
    headers = {"Host": "127.0.0.1", **dict(request.headers), "Content-Length": str(len(request.body))}
    kind = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    end = struct.pack("!i", _END)
    spelt = b"".join(
        _sized(name.encode()) + _sized(value.strip().encode()) for name, value in headers.items()
    )
    body = _sized(b"body") + _sized(kind.encode()) + _sized(request.body)
    return b"".join([b"I", _sized(str(uuid.uuid4()).encode()), spelt, end, body, end, end])


def _sized(content: bytes) -> bytes:
    return struct.pack("!i", len(content)) + content


def _linked(base: Path) -> Path:
    """Return the link that the worker loads; a root's only entry is the model, if it is a folder."""
    root = base / "ml/model"
    entries = list(root.iterdir())
    model = entries[0] if len(entries) == 1 and entries[0].is_dir() else root
    link = base / "models" / uuid.uuid4().hex / model.name
    shutil.rmtree(link.parent, ignore_errors=True)
    link.parent.mkdir(parents=True)
    link.symlink_to(model, target_is_directory=True)
    return link


def _connected(address: Path) -> socket.socket:
    pause = threading.Event()
    for _ in range(int(_CONNECT_SECONDS / _PAUSE_SECONDS)):
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(address))
        except OSError:
            connection.close()
            pause.wait(_PAUSE_SECONDS)
        else:
            return connection
    raise NoAnswerError("the worker does not listen")
