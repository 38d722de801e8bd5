"""Container profiles: the serving containers a revision can target, and where AWS publishes them.

What is known of each is data in one table, as of 2026-08. The sources are AWS's deep learning containers
(github.com/aws/deep-learning-containers) for versions and dates, and for addresses the tables that
`sagemaker-core` ships. `orchestrator.adapters.images` reads the latter where they are installed; the copy
here is for where they are not. `docs/reference/container-profiles.md` shows the table to users.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.core.errors import SpecError
from orchestrator.core.resources import Pairs

DEFAULT_PROFILE = "pytorch-inference-2.6-cpu"

TOOLKIT = "pytorch-toolkit"
"""The contract of AWS's PyTorch containers, which the generated entry point speaks."""

RAY_SERVE = "ray-serve"
"""The contract of AWS's Ray containers: a Ray Serve application instead of handler functions."""

_COMMERCIAL = "763104351884"
_COMMERCIAL_REGIONS = (
    *("ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2"),
    *("ca-central-1", "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3"),
    *("sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2"),
)
_ACCOUNTS = dict.fromkeys(_COMMERCIAL_REGIONS, _COMMERCIAL) | {
    "af-south-1": "626614931356",
    "ap-east-1": "871362719292",
    "ap-east-2": "975050140332",
    "ap-northeast-3": "364406365360",
    "ap-south-2": "772153158452",
    "ap-southeast-3": "907027046896",
    "ap-southeast-4": "457447274322",
    "ap-southeast-5": "550225433462",
    "ap-southeast-6": "633930458069",
    "ap-southeast-7": "590183813437",
    "ca-west-1": "204538143572",
    "cn-north-1": "727897471807",
    "cn-northwest-1": "727897471807",
    "eu-central-2": "380420809688",
    "eu-south-1": "692866216735",
    "eu-south-2": "503227376785",
    "il-central-1": "780543022126",
    "me-central-1": "914824155844",
    "me-south-1": "217643126080",
    "mx-central-1": "637423239942",
    "us-gov-east-1": "446045086412",
    "us-gov-west-1": "442386744353",
}
_NEWER_ACCOUNTS = _ACCOUNTS | {"me-west-1": "124382933778"}
_RAY_ACCOUNTS = _NEWER_ACCOUNTS | {
    "eu-isoe-west-1": "371248457586",
    "eusc-de-east-1": "204133271717",
    "us-iso-east-1": "886529160074",
    "us-isob-east-1": "094389454867",
    "us-isof-east-1": "303241398832",
    "us-isof-south-1": "454834333376",
}

# By what a region's name begins with; a test compares them with botocore's partitions.
_DOMAINS = {
    "cn-": "amazonaws.com.cn",
    "eu-isoe-": "cloud.adc-e.uk",
    "eusc-": "amazonaws.eu",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "us-isof-": "csp.hci.ic.gov",
}


@dataclass(frozen=True, slots=True)
class Image:
    """An image that AWS publishes, and the accounts it lies in by region."""

    repository: str
    tag: str
    accounts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Profile:
    """A serving container that AWS publishes.

    Attributes:
        version: The image's own version, as its tag spells it.
        torch: The version of torch in it.
        python: Its Python, without the patch version.
        device: ``cpu`` or ``gpu``.
        architecture: ``x86-64`` or ``arm64``, which is Graviton.
        contract: Which archive layout and handler functions it understands.
        end_of_patch: The last day, or where only that is known the month, in which AWS patches it, in ISO's
            form. ``None`` where no end is known.
        image: Where it is.
        serving: What else is known of its versions: the packages that the container itself runs on.
    """

    name: str
    version: str
    torch: str
    python: str
    device: str
    architecture: str
    contract: str
    end_of_patch: str | None
    image: Image
    serving: Pairs = ()

    def is_past_patches(self, today: str) -> bool:
        """Whether AWS no longer patches the image on the ISO date ``today``.

        >>> find("pytorch-inference-2.5-cpu").end_of_patch
        '2025-10'
        >>> [find("pytorch-inference-2.5-cpu").is_past_patches(day) for day in ("2025-10-31", "2025-11-01")]
        [False, True]
        """
        return self.end_of_patch is not None and today[: len(self.end_of_patch)] > self.end_of_patch


# deep-learning-containers, docker/pytorch/inference of 2.6: what its Dockerfile installs.
_STACK_2_6 = (("torchserve", "0.12.0"), ("sagemaker-pytorch-inference", "2.0.25"))


def _pytorch(
    version: str, python: str, device: str, end_of_patch: str, accounts: Mapping[str, str]
) -> Profile:
    short = version.rpartition(".")[0]
    tag = f"{version}-{device}-py{python.replace('.', '')}"
    return Profile(
        name=f"pytorch-inference-{short}-{device}",
        version=version,
        torch=version,
        python=python,
        device=device,
        architecture="x86-64",
        contract=TOOLKIT,
        end_of_patch=end_of_patch,
        image=Image("pytorch-inference", tag, accounts),
        serving=_STACK_2_6 if short == "2.6" else (),
    )


def _ray(device: str, processor: str) -> Profile:
    return Profile(
        name=f"ray-serve-1.4-{device}",
        version="1.4",
        torch="2.10.0",
        python="3.13",
        device=device,
        architecture="x86-64",
        contract=RAY_SERVE,
        end_of_patch=None,
        image=Image("ray", f"serve-ml-sagemaker-{processor}-v1.4", _RAY_ACCOUNTS),
    )


_GRAVITON = Profile(
    name="pytorch-inference-2.6-cpu-arm64",
    version="2.6",
    torch="2.6.0",
    python="3.12",
    device="cpu",
    architecture="arm64",
    contract=TOOLKIT,
    end_of_patch="2026-06-30",
    image=Image("pytorch-inference-arm64", "2.6-cpu-py312-ubuntu22.04-sagemaker", _ACCOUNTS),
    serving=_STACK_2_6,
)

PROFILES = {
    profile.name: profile
    for profile in (
        _pytorch("2.6.0", "3.12", "cpu", "2026-06-30", _NEWER_ACCOUNTS),
        _pytorch("2.6.0", "3.12", "gpu", "2026-06-30", _NEWER_ACCOUNTS),
        _GRAVITON,
        _pytorch("2.5.1", "3.11", "cpu", "2025-10", _ACCOUNTS),
        _pytorch("2.5.1", "3.11", "gpu", "2025-10", _ACCOUNTS),
        _pytorch("2.4.0", "3.11", "cpu", "2025-07", _ACCOUNTS),
        _pytorch("2.4.0", "3.11", "gpu", "2025-07", _ACCOUNTS),
        _ray("cpu", "cpu"),
        _ray("gpu", "cuda"),
    )
}


def find(profile: str) -> Profile:
    """Return the profile of that name.

    Raises:
        SpecError: If there is none.
    """
    if profile not in PROFILES:
        near = difflib.get_close_matches(profile, PROFILES, n=1)
        raise SpecError(
            f"there is no container profile '{profile}'",
            details=[*(("meant", name) for name in near), ("known", ", ".join(sorted(PROFILES)))],
            hint="set container.profile to one of these, or container.image to an image of your own",
        )
    return PROFILES[profile]


def address(profile: str, image: Image, region: str) -> str:
    """Return where ``image``, that of the named profile, lies in ``region``.

    SageMaker refuses the image of another region: "Cross region ECR image pulls are not allowed".

    >>> address(DEFAULT_PROFILE, find(DEFAULT_PROFILE).image, "eu-west-1")
    '763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-inference:2.6.0-cpu-py312'

    Raises:
        SpecError: If none is known there. An address that is guessed would fail only in the cloud.
    """
    account = image.accounts.get(region)
    if account is None:
        near = difflib.get_close_matches(region, image.accounts, n=3, cutoff=0.5)
        raise SpecError(
            f"no image of container profile '{profile}' is known in region '{region}'",
            details=[("near", ", ".join(sorted(near)))] if near else [],
            hint="set region to one that has it, or container.image to an image of your own",
        )
    domain = next((name for begin, name in _DOMAINS.items() if region.startswith(begin)), "amazonaws.com")
    return f"{account}.dkr.ecr.{region}.{domain}/{image.repository}:{image.tag}"
