"""The virtual environment of the real toolkit: about 1.2 GB, made once, never below `/tmp`."""

import os
import subprocess
import sys
import venv
from pathlib import Path

VARIABLE = "ORCHESTRATOR_TOOLKIT"
"""Names an environment that is there already."""

# The texts of their errors are part of recorded answers; those of `constraints.txt`.
_LIBRARIES = ("torch==2.13.0", "numpy==2.4.6", "scipy==1.17.1")
_TOOLKIT = ("sagemaker-pytorch-inference==2.0.25", "torchserve==0.12.0", "torch-model-archiver==0.12.0")
# TorchServe's worker imports yaml and the toolkit pkg_resources; neither says so. The pins are in every
# command, the last one included, for torch would bring a newer setuptools.
_UNSTATED = ("pyyaml", "setuptools<82", "wheel")


def default() -> Path:
    """Return where the environment is, or is to be."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else Path(__file__).parents[2] / ".conformance"


def ensure(folder: Path) -> Path:
    """Return ``folder`` as an absolute path, installing the toolkit there if it is not.

    `sagemaker-inference` must not come in beside it: both packages own the module `sagemaker_inference`.
    """
    folder = folder.absolute()
    if (folder / "bin" / "serve").exists():
        return folder
    sys.stderr.write(f"installing the toolkit into {folder}; this takes minutes\n")
    venv.create(folder, with_pip=True)
    _install(folder, *_LIBRARIES, *_UNSTATED)
    _install(folder, *_TOOLKIT, *_LIBRARIES, *_UNSTATED)
    return folder


def _install(folder: Path, *requirements: str) -> None:
    subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", *requirements], check=True)
