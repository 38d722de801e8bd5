"""Clients that nobody here wrote, unmodified, against a local cloud.

``python -m tests.conformance.rehearsal [CLIENT ...]`` installs each client into an environment of its own,
gives it a local cloud, and runs its script in ``clients/``; it fails if one fails.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support import environments

_SCRIPTS = Path(__file__).parent / "clients"
_ROOT = Path(__file__).parents[2]
_KEPT_AWAY = ("AWS_", "ORCHESTRATOR_", "SAGEMAKER_")


@dataclass(frozen=True)
class Client:
    """A client, and what its users install.

    Attributes:
        options: Of the local cloud that it gets.
    """

    script: str
    environment: str
    requirements: Sequence[str]
    options: Sequence[str] = ()


CLIENTS: Mapping[str, Client] = {
    "boto3": Client("boto3_client.py", "aws", ("awscli", "boto3")),
    "awscli": Client("aws_cli.py", "aws", ("awscli", "boto3")),
    "sdk-v2": Client("sdk_v2.py", "sdk-v2", ("sagemaker<3",)),
    # It brings torch: the version with a small CPU build.
    "sdk-v3": Client("sdk_v3.py", "sdk-v3", ("sagemaker>=3.27", "mlflow", "torch==2.13.0")),
    "mlflow": Client(
        "mlflow_client.py", "sdk-v3", ("sagemaker>=3.27", "mlflow", "torch==2.13.0"), ("--any-image",)
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the clients; return how many failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clients", nargs="*", metavar="CLIENT", help=", ".join(CLIENTS))
    named = parser.parse_args(arguments).clients or list(CLIENTS)
    failed = [name for name in named if not _passes(name, CLIENTS[name])]
    sys.stdout.write(f"failed: {', '.join(failed)}\n" if failed else f"all of {', '.join(named)} pass\n")
    return len(failed)


def _passes(name: str, client: Client) -> bool:
    sys.stdout.write(f"{name}\n")
    sys.stdout.flush()
    python = environments.installed(client.environment, *client.requirements) / "bin" / "python"
    with tempfile.TemporaryDirectory() as folder:
        own = {key: value for key, value in os.environ.items() if not key.startswith(_KEPT_AWAY)}
        # Nothing of a developer's own AWS setup, nor of what an earlier client has written at home.
        own |= {
            "HOME": folder,
            "ORCHESTRATOR_STATE_DIR": f"{folder}/state",
            "SAGEMAKER_SUPPRESS_V2_WARNING": "1",
        }
        _orchestrator(own, "start", *client.options)
        try:
            told = _orchestrator(own, "env", "--output", "json")
            variables = json.loads(told)["environment"]
            done = subprocess.run(
                [python, _SCRIPTS / client.script], cwd=folder, env={**own, **variables}, check=False
            )
        finally:
            _orchestrator(own, "stop")
    return done.returncode == 0


def _orchestrator(variables: Mapping[str, str], *arguments: str) -> str:
    command = [sys.executable, "-m", "orchestrator", "local-cloud", *arguments]
    done = subprocess.run(
        command, cwd=_ROOT, env=dict(variables), stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


if __name__ == "__main__":
    raise SystemExit(main())
