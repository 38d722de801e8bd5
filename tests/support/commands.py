"""The command line as a person uses it: a process of its own, in a folder with a spec."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save_file

from tests.support.projects import NET, tensors

SPEC = """
version = 1
name = "pets"

[model]
path = "model.safetensors"
class = "src/net.py:Net"

[entrypoint]
task = "image-classification"
labels = ["cat", "dog", "owl"]

[schema.input]
image = { dtype = "float32", shape = [1, 2, 2] }

[golden]
cases = "golden/*.json"

[env.prod]
region = "eu-central-1"
bucket = "models-prod"
role_arn = "arn:aws:iam::222222222222:role/sagemaker"
"""
OWL = '{"request": {"body": {"image": [[[0, 0], [9, 0]]]}}, "response": {"body": {"label": "owl"}}}'
# Nothing of the developer's own AWS setup may reach a test.
_KEPT_AWAY = ("AWS_", "ORCHESTRATOR_")


@dataclass(frozen=True)
class Done:
    """What a command ended with."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Shell:
    """A folder to run commands in, with a local cloud of its own.

    Attributes:
        variables: Added to the environment of every command.
    """

    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_KEPT_AWAY)}
        return {
            **kept,
            "ORCHESTRATOR_STATE_DIR": str(self.folder / "state"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": str(self.folder / "no-config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(self.folder / "no-credentials"),
            **self.variables,
        }

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "orchestrator", *arguments]

    def run(self, *arguments: str, **variables: str) -> Done:
        """Run ``orchestrator ARGUMENTS`` to its end."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=180,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start ``orchestrator ARGUMENTS`` and leave it running."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


def write_files(folder: Path, spec: str = SPEC, net: str = NET) -> None:
    """Write a project with a spec, a source, weights and a golden case to ``folder``."""
    (folder / "src").mkdir(parents=True, exist_ok=True)
    (folder / "golden").mkdir(exist_ok=True)
    (folder / "orchestrator.toml").write_text(spec, "utf-8")
    (folder / "src" / "net.py").write_text(net, "utf-8")
    (folder / "golden" / "owl.json").write_text(OWL, "utf-8")
    save_file(tensors(), str(folder / "model.safetensors"))


def change_weights(folder: Path, mark: float) -> None:
    """Write weights that give the same labels with other probabilities."""
    changed = {**tensors(), "layer.bias": torch.full((3,), mark)}
    save_file(changed, str(folder / "model.safetensors"))
