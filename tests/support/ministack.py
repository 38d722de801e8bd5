"""MiniStack, an AWS in one process that others wrote: the second witness of what our templates deploy.

It pins its own botocore, so it lives in an environment of its own (about 110 MB). Clients are ours. It knows
no SageMaker.
"""

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support import environments
from tests.support.servers import eventually

ACCOUNT = "123456789012"
REGION = "eu-central-1"
_VERSION = "1.5.33"


def installed() -> Path:
    """Return the environment's folder, installing MiniStack there if it is not.

    Raises:
        CalledProcessError: If it cannot be installed; pip's words are in ``stderr``.
    """
    return environments.installed("ministack", f"ministack=={_VERSION}")


@contextlib.contextmanager
def ministack(environment: Path, folder: Path) -> Iterator[str]:
    """Run MiniStack and give its address.

    Args:
        environment: What `installed` returned.
        folder: Where it may write.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "MINISTACK_REGION": REGION,
        "LOG_LEVEL": "WARNING",
        "TMPDIR": str(folder),
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
    }
    with (
        (folder / "ministack.log").open("wb") as log,
        subprocess.Popen(
            [environment / "bin" / "ministack"], env=settings, cwd=folder, stdout=log, stderr=log
        ) as process,
    ):
        try:
            eventually(lambda: process.poll() is not None or _listens(port), "MiniStack listens")
            assert process.poll() is None, (folder / "ministack.log").read_text()
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
