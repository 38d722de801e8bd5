"""What the installation itself carries: templates, and the runtime that ships in archives."""

import contextlib
import importlib.metadata
import platform
from importlib import resources

from orchestrator import __version__
from orchestrator.core.archive import RUNTIME, Member
from orchestrator.core.resources import Pairs


def template(name: str) -> str:
    """Return the text of the template ``name``."""
    return resources.files("orchestrator.templates").joinpath(name).read_text("utf-8")


def infra(name: str) -> str:
    """Return the text of the CloudFormation template ``name``: ``account`` or ``endpoint``."""
    return resources.files("orchestrator.infra").joinpath(f"{name}.yaml").read_text("utf-8")


def runtime() -> tuple[Member, ...]:
    """Return the runtime's modules, under their paths in an archive."""
    found = (
        file for file in resources.files("orchestrator.entrypoints").iterdir() if file.name.endswith(".py")
    )
    modules = sorted(found, key=lambda file: file.name)
    return tuple(Member(f"{RUNTIME}/{file.name}", file.read_bytes()) for file in modules)


def versions() -> Pairs:
    """Return the versions of the programs that archives are made with; torch's only where it is installed."""
    own = {"orchestrator": __version__, "python": platform.python_version()}
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        own["torch"] = importlib.metadata.version("torch")
    return tuple(sorted(own.items()))
