"""Which images the local cloud stands in for: those whose contract `orchestrator.serving` keeps.

No image is ever fetched or run here. A repository says which contract its containers keep; who copies one to
a registry of their own keeps its name, so the registry, the tag and the digest do not count.
"""

import re

from orchestrator.core.containers import PROFILES, TOOLKIT
from orchestrator.localcloud.world import Variant

_TAG = re.compile(r"(@.*|:[^/]*)$")
REPOSITORIES = frozenset(
    profile.image.repository for profile in PROFILES.values() if profile.contract == TOOLKIT
)
"""Of the images that are emulated: those of AWS's PyTorch inference containers."""


def is_emulated(image: str) -> bool:
    """Tell whether the local cloud can serve models as the containers of ``image`` do.

    >>> is_emulated("763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-inference:2.6.0-cpu-py312")
    True
    >>> is_emulated("registry.example.com:5000/mirror/pytorch-inference-arm64@sha256:1f0c")
    True
    >>> is_emulated("123456789012.dkr.ecr.eu-west-1.amazonaws.com/sklearn:1.2-1")
    False
    """
    return _TAG.sub("", image).rpartition("/")[2] in REPOSITORIES


def unknown(variant: Variant) -> str:
    """Return why ``variant`` does not start: no container profile knows its image."""
    image, known = variant.container.get("Image", ""), ", ".join(sorted(REPOSITORIES))
    return (
        f"The image {image} for production variant {variant.name} is not emulated by the local cloud: "
        f"it serves models for the repositories {known}. An option of the local cloud, --any-image, "
        "accepts other images for work on the control plane alone."
    )
