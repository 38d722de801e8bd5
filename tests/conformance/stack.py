"""Run the real container's whole stack on one archive, without Docker.

`serve` of sagemaker-pytorch-inference starts TorchServe (Java), which starts Python workers. Its paths are
fixed (`/opt/ml`, `/etc/sagemaker-ts.properties`, `/tmp/.ts.sock.*`) and it refuses to run beside another
TorchServe; so each stack has mount and PID namespaces of its own. Needs Linux, root and Java 17.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path

from tests.conformance.cases import Case, Request
from tests.conformance.wire import NoAnswerError, ask

START_SECONDS = 240.0
_PAUSE_SECONDS = 0.1
_PROPERTIES = Path("/etc/sagemaker-ts.properties")
_ML = Path("/opt/ml")

# The private /tmp comes last: the run folder may lie in the machine's own.
_INSIDE = """
set -e
run=$1 environment=$2
mount --make-rprivate /
mount --bind "$run/ml" /opt/ml
mount --bind "$run/properties" /etc/sagemaker-ts.properties
mount -t tmpfs none "$run/layer"
mkdir "$run/layer/upper" "$run/layer/work"
layers="lowerdir=$environment,upperdir=$run/layer/upper,workdir=$run/layer/work"
mount -t overlay overlay -o "$layers" "$environment"
mount -t tmpfs none /tmp
cd /opt/ml/run
exec "$environment/bin/serve"
"""


class StackError(Exception):
    """The stack did not start; the text is the end of its log."""


def missing(environment: Path) -> str | None:
    """Say what is lacking to run the stack of the toolkit in ``environment``, or nothing."""
    if os.geteuid() != 0:
        return "root"
    if environment.resolve().is_relative_to("/tmp"):  # noqa: S108 - the stack's own, empty one hides it
        return "an environment outside /tmp"
    tools = (tool for tool in ("java", "unshare", "mount") if shutil.which(tool) is None)
    return next(tools, None)


@contextlib.contextmanager
def running(environment: Path, case: Case) -> Iterator[int]:
    """Run the stack on a case's archive with one worker, and yield the port it answers on.

    Args:
        environment: The toolkit's virtual environment; not below `/tmp`, which the stack replaces.
        case: What to serve.

    Raises:
        StackError: If ``/ping`` never says 200, or no worker loads a model that ought to load.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = Path(os.path.realpath(folder))
        _lay_out(run, case.files)
        port, *others = _free_ports(4)
        variables = {**_variables(environment, port, others), **case.environment}
        with (run / "log").open("wb") as log:
            # When `unshare` is killed, so is the first process of the namespace, and with it all others.
            process = subprocess.Popen(
                ["unshare", "--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc",
                 "bash", "-c", _INSIDE, "inside", str(run), str(environment)],
                env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            _await_answer(port, "/ping", b"Healthy", process, run / "log")
            if case.load_fails is None:
                # `/ping` is 200 before the model is loaded.
                _await_answer(port, "/models/model", b'"status": "READY"', process, run / "log")
            yield port
        finally:
            process.kill()
            process.wait()
            _await_silence(port)


def archive(files: Mapping[str, bytes]) -> bytes:
    """Return a model.tar.gz with these members, sorted, and no entries for folders."""
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as tar:
        for name, content in sorted(files.items()):
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, BytesIO(content))
    return packed.getvalue()


def _lay_out(run: Path, files: Mapping[str, bytes]) -> None:
    for name in ("ml/model", "ml/run", "layer"):
        (run / name).mkdir(parents=True)
    (run / "properties").touch()
    with tarfile.open(fileobj=BytesIO(archive(files))) as tar:
        tar.extractall(run / "ml/model", filter="data")
    _ML.mkdir(parents=True, exist_ok=True)
    _PROPERTIES.touch()


def _variables(environment: Path, port: int, others: list[int]) -> dict[str, str]:
    java = Path(shutil.which("java") or "java").parent
    metrics, grpc, grpc_management = others
    return {
        "PATH": f"{environment}/bin:{java}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TEMP": "/tmp",  # noqa: S108 - the stack's own, empty one
        "MKL_THREADING_LAYER": "GNU",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONIOENCODING": "UTF-8",
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
        # The toolkit would listen on every interface.
        "TS_INFERENCE_ADDRESS": f"http://127.0.0.1:{port}",
        "TS_MANAGEMENT_ADDRESS": f"http://127.0.0.1:{port}",
        "TS_METRICS_ADDRESS": f"http://127.0.0.1:{metrics}",
        "TS_GRPC_INFERENCE_PORT": str(grpc),
        "TS_GRPC_MANAGEMENT_PORT": str(grpc_management),
    }


def _await_answer(
    port: int, path: str, content: bytes, process: "subprocess.Popen[bytes]", log: Path
) -> None:
    pause = threading.Event()
    request = Request("state", b"", (), "GET", path)
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(NoAnswerError):
            answer = ask(port, request, 5)
            if answer.status == 200 and content in answer.body:
                return
        pause.wait(_PAUSE_SECONDS)
    raise StackError(log.read_text(errors="replace")[-3000:])


def _await_silence(port: int) -> None:
    pause = threading.Event()
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return
        pause.wait(_PAUSE_SECONDS)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
