"""A local cloud for the tests of others: ``with local_cloud() as cloud`` and ordinary boto3 clients.

It is a process of its own on a free port, and not a thread of the tests': moto keeps what it has by process,
models are started from it, and nothing that a test patches reaches it. It ends with the process that started
it, however that ends.
"""

import contextlib
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

from orchestrator.core.errors import OrchestratorError
from orchestrator.localcloud import lifecycle
from orchestrator.localcloud.defaults import ACCESS_KEY, REGION, SECRET_KEY, client_environment
from orchestrator.localcloud.faulting.orders import FaultOrders
from orchestrator.localcloud.quotas import PATH as QUOTAS
from orchestrator.localcloud.wanted import Wanted

_STOP_SECONDS = 60
_NOTHING_OF_THE_SHELL = {"profile": (None, None, None, None), "config_file": (None, None, os.devnull, None)}


class CloudFaults:
    """What is to go wrong in a local cloud.

    Args:
        orders: Takes them there.
        seed: Of the chance by which a fault of less than all calls chooses them.
    """

    def __init__(self, orders: FaultOrders, seed: int = 0) -> None:
        self._orders = orders
        self._seed = seed

    def add(self, kind: str, operation: str = "*", **members: object) -> Mapping[str, object]:
        """Let a fault wait for its calls; return it with its ``id``.

        Args:
            kind: Such as ``throttle``.
            operation: A name of the API or a shell pattern.
            members: What else `POST /_local/faults` takes, such as ``times`` and ``share``.

        Raises:
            OrchestratorError: If it is refused.
        """
        return self._orders.add(kind, **{"operation": operation, "seed": self._seed, **members})

    def seeded(self, seed: int) -> "CloudFaults":
        """Return what adds faults with another seed."""
        return CloudFaults(self._orders, seed)

    def lift(self) -> None:
        """Take all faults back; what is stuck goes on."""
        self._orders.lift()


@dataclass(frozen=True)
class Cloud:
    """A local cloud that runs.

    Attributes:
        url: What ``AWS_ENDPOINT_URL`` has to be.
        pid: Its process.
        environment: The variables that point any AWS client at it, and the orchestrator itself.
            ``AWS_PROFILE`` and ``AWS_SESSION_TOKEN`` have to be unset besides.
        faults: What is to go wrong in it.
    """

    url: str
    pid: int
    environment: Mapping[str, str]
    faults: CloudFaults
    _running: lifecycle.Running
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str, **options: Any) -> Any:  # noqa: ANN401 - boto3's clients have no types
        """Return a boto3 client for it, whatever the environment says.

        Args:
            service: Such as ``sagemaker``.
            options: More for ``boto3.client``; without any, the same client is returned each time.
        """
        if options:
            return self._made(service, **options)
        if service not in self._clients:
            self._clients[service] = self._made(service)
        return self._clients[service]

    def reset(self) -> None:
        """Empty it: endpoints end, and nothing that was made in it is left.

        Raises:
            OrchestratorError: If it does not do so.
        """
        lifecycle.reset(self._running)

    def quota(self, instance_type: str, value: int, **scope: str) -> None:
        """Let endpoints have so many instances of a type, and no more.

        Args:
            instance_type: Such as ``ml.m5.large``.
            value: How many; those that are there already stay.
            scope: ``region`` and ``account``, if they are others than the local cloud's own.

        Raises:
            OrchestratorError: If it is refused.
        """
        order = {"instance_type": instance_type, "value": value, **scope}
        FaultOrders(self.url, self._running.options.token or "").send("POST", QUOTAS, order)

    def close(self) -> None:
        """Close the clients."""
        for client in self._clients.values():
            client.close()

    def _made(self, service: str, **options: Any) -> Any:  # noqa: ANN401 - boto3's clients have no types
        usual = {
            "endpoint_url": self.url,
            "region_name": REGION,
            "aws_access_key_id": self._running.options.token or ACCESS_KEY,
            "aws_secret_access_key": SECRET_KEY,
            "config": Config(proxies={}),
        }
        # A session of its own: the default one belongs to who calls, and a profile that the shell names may
        # not even be there.
        own = botocore.session.Session(session_vars=_NOTHING_OF_THE_SHELL)
        return boto3.Session(botocore_session=own).client(service, **{**usual, **options})


@contextlib.contextmanager
def local_cloud(
    *,
    speed: float | None = None,
    launch_seconds: float | None = None,
    any_image: bool = False,
    state: Path | None = None,
    token: str | None = None,
    container: Sequence[str] = (),
) -> Iterator[Cloud]:
    """Run a local cloud on a free port of the loopback; nothing of it is left at the end.

    Args:
        speed: How many seconds of AWS pass in one of the machine's.
        launch_seconds: How many seconds of AWS instances take to come up.
        any_image: Whether images that nothing is known of are taken.
        state: A folder that keeps everything for the next one, if it is to be kept.
        token: What every request has to carry.
        container: The program that serves a model, in place of ``orchestrator.serving``.

    Raises:
        OrchestratorError: If it does not start.
    """
    lifecycle.check_installed()
    wanted = Wanted(0, None, token, state, speed, launch_seconds, any_image or None)
    with (
        tempfile.TemporaryDirectory(prefix="local-cloud-", ignore_cleanup_errors=True) as home,
        _process(home, wanted, container) as running,
    ):
        environment = {**client_environment(running.url, token), **_at_home(home)}
        faults = CloudFaults(FaultOrders(running.url, token or ""))
        cloud = Cloud(running.url, running.pid, environment, faults, running)
        try:
            yield cloud
        finally:
            cloud.close()


def _at_home(home: str) -> dict[str, str]:
    """Return the variable by which commands find the local cloud that runs there."""
    return {"ORCHESTRATOR_STATE_DIR": home}


@contextlib.contextmanager
def _process(home: str, wanted: Wanted, container: Sequence[str]) -> Iterator[lifecycle.Running]:
    folder = lifecycle.default_state_dir(_at_home(home))
    folder.mkdir(mode=0o700)
    command = [sys.executable, "-m", "orchestrator.localcloud", "--state-dir", str(folder)]
    command += ["--exit-with-stdin", *wanted.arguments()]
    if container:
        command += ["--container", shlex.join(container)]
    log = folder / lifecycle.LOG_FILE
    with (
        log.open("wb") as written,
        subprocess.Popen(  # noqa: S603 - our own program, with what the caller chose
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=written,
            env=wanted.environment(os.environ),
        ) as process,
    ):
        try:
            yield _answering(process, folder)
        finally:
            _end(process)


def _answering(process: "subprocess.Popen[bytes]", folder: Path) -> lifecycle.Running:
    """Return the local cloud once it has said that it answers."""
    if process.stdout is not None and process.stdout.readline() and (found := lifecycle.running(folder)):
        return found
    lines = (folder / lifecycle.LOG_FILE).read_text(errors="replace").strip().split("\n")
    raise OrchestratorError(f"the local cloud ended before it answered: {lines[-1] or 'it wrote nothing'}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
