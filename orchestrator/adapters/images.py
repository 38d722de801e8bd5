"""The addresses of AWS's serving images, from the tables that `sagemaker-core` ships.

The tables are read as data. Importing `sagemaker.core` takes more than a second, finding and reading a
table takes milliseconds, and no command needs more. Where the package is not installed, or has its tables
in another form, the copy in `orchestrator.core.containers` stands in.
"""

import functools
import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.core import containers
from orchestrator.core.containers import Image, Profile

_TABLES = {containers.TOOLKIT: "pytorch.json", containers.RAY_SERVE: "ray-serve.json"}


def image_uri(profile: str, region: str, *, folders: Sequence[Path] | None = None) -> str:
    """Return the address of the profile's image in ``region``.

    Args:
        profile: The name of a container profile.
        region: An AWS region.
        folders: Where the tables may lie; by default where `sagemaker-core` is installed.

    Raises:
        SpecError: If there is no such profile, or no image of it is known in that region.
    """
    found = containers.find(profile)
    listed = shipped(found, installed() if folders is None else folders)
    return containers.address(profile, listed or found.image, region)


def installed() -> tuple[Path, ...]:
    """Return the folders of the installed `sagemaker` packages that hold tables of images."""
    # A top-level name is looked up without importing it, unlike `sagemaker.core`.
    spec = importlib.util.find_spec("sagemaker")
    places = (spec and spec.submodule_search_locations) or ()
    return tuple(Path(place) / "core" / "image_uri_config" for place in places)


def shipped(profile: Profile, folders: Sequence[Path]) -> Image | None:
    """Return the profile's image as the tables in ``folders`` have it, or ``None``."""
    name = _TABLES[profile.contract]
    return next((image for folder in folders if (image := _listed(profile, folder / name))), None)


def _listed(profile: Profile, table: Path) -> Image | None:
    try:
        content = _read(table)
        if profile.contract == containers.TOOLKIT:
            content = content["inference_graviton" if profile.architecture == "arm64" else "inference"]
        version = content.get("version_aliases", {}).get(profile.version, profile.version)
        return _image(profile, content["versions"][version])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # the table is not ours: another release may lack it, or spell it differently


@functools.cache
def _read(table: Path) -> Any:  # noqa: ANN401 - JSON of somebody else's; what fits is taken from it
    return json.loads(table.read_bytes())


def _image(profile: Profile, entry: dict[str, Any]) -> Image | None:
    """Put a tag together as `sagemaker.core.image_uris` does."""
    pythons, system = entry.get("py_versions"), entry.get("container_version", {}).get(profile.device)
    python = f"py{profile.python.replace('.', '')}"
    if pythons and python not in pythons:
        return None  # an image that the profile does not describe
    parts = (
        entry.get("tag_prefix", profile.version),
        profile.device if entry.get("processor_in_tag", True) else None,
        python if pythons else None,
        system,
        "sagemaker" if profile.architecture == "arm64" else None,
    )
    accounts = {str(region): str(account) for region, account in entry["registries"].items()}
    return Image(str(entry["repository"]), "-".join(part for part in parts if part), accounts)
