"""Container profiles: the serving containers a revision can target.

Image family, tags and accounts are those of AWS's deep learning containers and of the tables that
the SageMaker SDK ships, as of 2026-08.
"""

from dataclasses import dataclass

from orchestrator.core.errors import SpecError

DEFAULT_PROFILE = "pytorch-inference-2.6-cpu"

_COMMERCIAL_ACCOUNT = "763104351884"
_ACCOUNTS = {
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
    "me-west-1": "124382933778",
    "mx-central-1": "637423239942",
    "us-gov-east-1": "446045086412",
    "us-gov-west-1": "442386744353",
}


@dataclass(frozen=True, slots=True)
class Profile:
    """A serving container that AWS publishes.

    Attributes:
        contract: Which archive layout and handler functions it understands.
        end_of_patch: ISO date after which AWS no longer patches the image.
    """

    repository: str
    tag: str
    framework: str
    python: str
    contract: str
    end_of_patch: str


PROFILES = {
    "pytorch-inference-2.6-cpu": Profile(
        "pytorch-inference", "2.6.0-cpu-py312", "2.6", "3.12", "pytorch-toolkit", "2026-06-30"
    ),
    "pytorch-inference-2.6-gpu": Profile(
        "pytorch-inference", "2.6.0-gpu-py312", "2.6", "3.12", "pytorch-toolkit", "2026-06-30"
    ),
}


def find(profile: str) -> Profile:
    """Return the profile of that name.

    Raises:
        SpecError: If there is none.
    """
    if profile not in PROFILES:
        raise SpecError(
            f"there is no container profile '{profile}'",
            details=[("known", ", ".join(sorted(PROFILES)))],
            hint="set container.profile to one of these, or container.image to an image of your own",
        )
    return PROFILES[profile]


def image_uri(profile: str, region: str) -> str:
    """Return the address of the profile's image in ``region``; SageMaker refuses other regions' images.

    >>> image_uri("pytorch-inference-2.6-cpu", "eu-west-1")
    '763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-inference:2.6.0-cpu-py312'

    Raises:
        SpecError: If there is no such profile.
    """
    chosen = find(profile)
    account = _ACCOUNTS.get(region, _COMMERCIAL_ACCOUNT)
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"{account}.dkr.ecr.{region}.{suffix}/{chosen.repository}:{chosen.tag}"
