"""Container profiles: what is known of them, and where their images lie."""

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.core import containers
from orchestrator.core.errors import SpecError

COMMERCIAL = "763104351884.dkr.ecr.eu-west-1.amazonaws.com"

each_profile = pytest.mark.parametrize("name", containers.PROFILES)


@each_profile
def test_a_profile_is_found_by_its_name(name: str) -> None:
    assert containers.find(name).name == name


def test_the_default_profile_is_there() -> None:
    assert containers.DEFAULT_PROFILE in containers.PROFILES


def test_a_profile_that_is_not_there_is_an_error_with_the_nearest_one() -> None:
    with pytest.raises(SpecError) as caught:
        containers.find("pytorch-inference-2.7-cpu")
    assert str(caught.value) == "there is no container profile 'pytorch-inference-2.7-cpu'"
    details = dict(caught.value.details)
    assert details["meant"] in containers.PROFILES
    assert details["known"] == ", ".join(sorted(containers.PROFILES))


@pytest.mark.parametrize(
    ("name", "day", "past"),
    [
        ("pytorch-inference-2.6-cpu", "2026-06-30", False),
        ("pytorch-inference-2.6-cpu", "2026-07-01", True),
        ("pytorch-inference-2.5-cpu", "2025-10-01", False),
        ("pytorch-inference-2.5-cpu", "2025-11-01", True),
        ("ray-serve-1.4-cpu", "2999-01-01", False),
    ],
)
def test_patches_end_after_the_day_or_where_only_that_is_known_the_month(
    name: str, day: str, *, past: bool
) -> None:
    assert containers.find(name).is_past_patches(day) is past


@pytest.mark.parametrize(
    ("name", "region", "uri"),
    [
        (
            "pytorch-inference-2.6-gpu",
            "af-south-1",
            "626614931356.dkr.ecr.af-south-1.amazonaws.com/pytorch-inference:2.6.0-gpu-py312",
        ),
        (
            "pytorch-inference-2.6-cpu",
            "cn-north-1",
            "727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn/pytorch-inference:2.6.0-cpu-py312",
        ),
        (
            "pytorch-inference-2.6-cpu-arm64",
            "eu-west-1",
            f"{COMMERCIAL}/pytorch-inference-arm64:2.6-cpu-py312-ubuntu22.04-sagemaker",
        ),
        (
            "ray-serve-1.4-cpu",
            "us-east-1",
            "763104351884.dkr.ecr.us-east-1.amazonaws.com/ray:serve-ml-sagemaker-cpu-v1.4",
        ),
    ],
)
def test_an_image_has_an_address_in_each_of_its_regions(name: str, region: str, uri: str) -> None:
    assert containers.address(name, containers.find(name).image, region) == uri


@each_profile
def test_the_account_is_that_of_the_region_everywhere(name: str) -> None:
    image = containers.find(name).image
    for region, account in image.accounts.items():
        uri = containers.address(name, image, region)
        assert uri.startswith(f"{account}.dkr.ecr.{region}.")
        assert uri.endswith(f"/{image.repository}:{image.tag}")


def test_a_region_that_is_not_known_is_not_guessed_and_near_ones_are_named() -> None:
    image = containers.find(containers.DEFAULT_PROFILE).image
    with pytest.raises(SpecError) as caught:
        containers.address(containers.DEFAULT_PROFILE, image, "eu-wets-1")
    assert str(caught.value) == (
        "no image of container profile 'pytorch-inference-2.6-cpu' is known in region 'eu-wets-1'"
    )
    assert "eu-west-1" in dict(caught.value.details)["near"].split(", ")


def test_nothing_is_named_where_nothing_is_near() -> None:
    image = replace(containers.find(containers.DEFAULT_PROFILE).image, accounts={"eu-west-1": "1"})
    with pytest.raises(SpecError) as caught:
        containers.address(containers.DEFAULT_PROFILE, image, "mars")
    assert caught.value.details == ()


def test_the_documented_table_is_the_one_of_the_code() -> None:
    document = Path(__file__).parents[2] / "docs" / "reference" / "container-profiles.md"
    shown = [
        line for line in document.read_text("utf-8").splitlines() if line.startswith(("| `pytorch", "| `ray"))
    ]
    rows = [
        (p.name, p.torch, p.python, p.device, p.architecture, p.contract, p.end_of_patch or "not known")
        for p in containers.PROFILES.values()
    ]
    assert shown == [f"| `{name}` | {' | '.join(cells)} |" for name, *cells in rows]
