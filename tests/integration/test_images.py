"""The tables of `sagemaker-core`, and our copy of them."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from botocore.loaders import Loader

from orchestrator.adapters import images
from orchestrator.core import containers
from orchestrator.core.errors import SpecError

EVERY_PLACE = [
    (profile.name, region) for profile in containers.PROFILES.values() for region in profile.image.accounts
]
DEFAULT = containers.DEFAULT_PROFILE


def test_the_tables_are_installed_here() -> None:
    assert version("sagemaker-core")
    assert [folder.is_dir() for folder in images.installed()] == [True]


@pytest.mark.parametrize("profile", containers.PROFILES.values(), ids=list(containers.PROFILES))
def test_our_copy_agrees_with_the_tables(profile: containers.Profile) -> None:
    assert images.shipped(profile, images.installed()) == profile.image


def test_an_address_is_the_same_with_the_tables_and_without() -> None:
    differing = [
        (profile, region)
        for profile, region in EVERY_PLACE
        if images.image_uri(profile, region) != images.image_uri(profile, region, folders=())
    ]
    assert differing == []


def test_the_domain_of_every_region_is_that_of_its_partition() -> None:
    partitions = Loader().load_data("endpoints")["partitions"]
    domains = {region: part["dnsSuffix"] for part in partitions for region in part["regions"]}
    wrong = [
        (profile, region)
        for profile, region in EVERY_PLACE
        if region in domains
        and f".{region}.{domains[region]}/" not in images.image_uri(profile, region, folders=())
    ]
    assert wrong == []


def test_the_tables_win_where_they_differ(tmp_path: Path) -> None:
    entry = {"repository": "elsewhere", "py_versions": ["py312"], "registries": {"mars-1": "123456789012"}}
    table = {"inference": {"versions": {"2.6.0": entry}}}
    (tmp_path / "pytorch.json").write_text(json.dumps(table), "utf-8")
    assert images.image_uri(DEFAULT, "mars-1", folders=[tmp_path]) == (
        "123456789012.dkr.ecr.mars-1.amazonaws.com/elsewhere:2.6.0-cpu-py312"
    )
    with pytest.raises(SpecError):
        images.image_uri(DEFAULT, "eu-west-1", folders=[tmp_path])


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"inference": {"versions": {"2.6.0": {"repository": "pytorch-inference"}}}}',
        '{"inference": {"versions": {"2.6.0": {"py_versions": ["py313"], "registries": {}}}}}',
        '{"inference": {"versions": {"2.7.0": {}}}}',
        '{"inference": [1, 2]}',
    ],
)
def test_a_table_of_another_form_is_left_aside(tmp_path: Path, content: str) -> None:
    (tmp_path / "pytorch.json").write_text(content, "utf-8")
    found = images.image_uri(DEFAULT, "eu-west-1", folders=[tmp_path])
    assert found == images.image_uri(DEFAULT, "eu-west-1", folders=())


def test_a_folder_without_tables_is_left_aside(tmp_path: Path) -> None:
    assert images.shipped(containers.find(DEFAULT), [tmp_path / "none"]) is None


def test_a_profile_that_is_not_there_is_an_error() -> None:
    with pytest.raises(SpecError, match="no container profile 'nope'"):
        images.image_uri("nope", "eu-west-1")


def imported_by(code: str, path: Path) -> list[str]:
    """Return the modules of `sagemaker` that a fresh process has imported after ``code``."""
    tell = "import sys; print(*(name for name in sys.modules if name.partition('.')[0] == 'sagemaker'))"
    run = [sys.executable, "-c", f"{code}\n{tell}"]
    return subprocess.run(run, cwd=path, check=True, capture_output=True, text=True).stdout.split()


def test_nothing_of_sagemaker_is_imported(tmp_path: Path) -> None:
    asked = f"from orchestrator.adapters import images; images.image_uri({DEFAULT!r}, 'eu-west-1')"
    assert imported_by(asked, tmp_path) == []


def test_a_package_of_that_name_without_tables_does_no_harm(tmp_path: Path) -> None:
    package = tmp_path / "sagemaker"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')\n", "utf-8")
    asked = (
        "from orchestrator.adapters import images\n"
        "assert images.installed()[0].parts[-3] == 'sagemaker'\n"
        f"assert images.image_uri({DEFAULT!r}, 'eu-west-1').startswith('763104351884.')"
    )
    assert imported_by(asked, tmp_path) == []
