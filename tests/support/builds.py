"""Builds of files that are no model, for tests of what becomes of a build."""

import hashlib

from orchestrator.core.archive import MANIFEST, Member
from orchestrator.core.checkpoint import Format, Kind, Weights
from orchestrator.core.manifest import File, manifest_of
from orchestrator.core.resources import Variant
from orchestrator.core.spec import S3_PREFIX, ModelSpec, PackageSpec, Spec
from orchestrator.core.target import LOCAL, EndpointSpec, Target
from orchestrator.usecases.build import Build
from tests.support.builders import ROLE

WEIGHTS = b"weights" * 1000
FILES = {"model.safetensors": WEIGHTS, "code/predict.py": b"first", "code/inference.py": b"same"}


def listed(path: str, content: bytes) -> File:
    return File(path, len(content), hashlib.sha256(content).hexdigest())


def build(*, predict: bytes = b"first", **more: bytes) -> Build:
    """Return a build of `FILES` and ``more``, with another entry point if need be."""
    contents = {**FILES, "code/predict.py": predict, **more}
    manifest = manifest_of([listed(path, content) for path, content in contents.items()], ())
    contents[MANIFEST] = manifest.to_bytes()
    return Build(
        tuple(Member(path, content) for path, content in contents.items()),
        tuple(listed(path, content) for path, content in contents.items()),
        manifest,
        Weights(Kind.SAFETENSORS, (), Format.SAFETENSORS),
    )


def spec(layout: str = S3_PREFIX) -> Spec:
    """Return the spec of the endpoint ``digits``."""
    fleet = EndpointSpec(variants=(Variant("primary", "", "ml.m5.large", 1),))
    target = Target(LOCAL, "eu-west-1", "bucket", ROLE, fleet, 5, "profile")
    return Spec("digits", "/", ModelSpec("m", None), target, package=PackageSpec(layout=layout))
