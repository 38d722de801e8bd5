"""A revision: what one deployment consists of, named by its content.

Two deployments of the same archive, image, role, settings and fleet are the same revision on every
machine, so deploying twice changes nothing, and an earlier revision can be made again from the journal.
How traffic moves to it, how it is scaled and what is asked of it are no part of what it is.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.core import records
from orchestrator.core.names import content_name
from orchestrator.core.resources import EndpointConfig, Model, Pairs, Variant
from orchestrator.core.scaling import Scaling
from orchestrator.core.target import EndpointSpec

ENDPOINT_TAG = "orchestrator:endpoint"
"""The tag that says that a resource was made by the orchestrator, and for which endpoint."""

VARIANT = "primary"
"""The name of the one variant, unless the spec says otherwise.

SageMaker refuses a blue/green update that changes variant names.
"""

RESERVED_VARIABLES = frozenset({"SAGEMAKER_PROGRAM", "SAGEMAKER_SUBMIT_DIRECTORY"})
"""What a spec may not set: the archive is laid out for these values, and answers with no others."""

# What every revision's container is told. The container ignores SAGEMAKER_SUBMIT_DIRECTORY; the SDKs read
# it. TorchServe's own limits are 6 553 500 bytes and 120 s, SageMaker's are 25 MB and 60 s:
# reference of the PyTorch inference container.
CONTAINER_ENVIRONMENT = {
    "SAGEMAKER_PROGRAM": "predict.py",
    "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
    "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
    "TS_MAX_REQUEST_SIZE": "26214400",
    "TS_MAX_RESPONSE_SIZE": "26214400",
    "TS_DEFAULT_RESPONSE_TIMEOUT": "60",
}


CUSTOM_ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
"""The header in which answers carry the fingerprint of the model that gave them: SageMaker hands it on."""

_FINGERPRINT = re.compile(r"(?:^|;)\s*orchestrator-model=([0-9a-f]{16})(?:;|$)")


def fingerprint_of(custom_attributes: str) -> str | None:
    """Return the fingerprint in an answer's `CUSTOM_ATTRIBUTES`, or ``None``.

    >>> fingerprint_of("orchestrator-model=0123456789abcdef;trace=7"), fingerprint_of("trace=7")
    ('0123456789abcdef', None)
    """
    found = _FINGERPRINT.search(custom_attributes)
    return found.group(1) if found else None


@dataclass(frozen=True, slots=True)
class Golden:
    """Where the golden cases of a revision are kept, and how exact its answers must be."""

    key: str
    atol: float


@dataclass(frozen=True, slots=True)
class Revision:
    """One model on one endpoint config.

    Attributes:
        artifact: The digest of the archive's manifest: what the model's answers are recognised by.
        golden: How to tell that it answers rightly; not part of its identity.
        scalings: How its variants are scaled; not part of its identity.
    """

    endpoint: str
    artifact: str
    model: Model
    config: EndpointConfig
    golden: Golden | None = None
    scalings: tuple[Scaling, ...] = ()

    @property
    def name(self) -> str:
        """The revision's name, which is its endpoint config's."""
        return self.config.name

    @property
    def fingerprint(self) -> str:
        """What the model's answers carry: the first 16 digits of the manifest's digest."""
        return self.artifact[:16]

    @property
    def models(self) -> frozenset[Model]:
        """The models that are made for it. Its config may refer to others', too: see ``config.models``."""
        return frozenset({self.model})


def tags_of(endpoint: str, tags: Pairs) -> Pairs:
    """Return the user's ``tags`` and the one that marks a resource as ours, sorted."""
    return tuple(sorted({**dict(tags), ENDPOINT_TAG: endpoint}.items()))


@dataclass(frozen=True, slots=True)
class Source:
    """What a revision's model is made from.

    Attributes:
        identity: The digest of the archive's manifest.
        url: The ``s3://`` address of the artifact.
        image: The full URI of the serving image.
        role: The ARN of the execution role.
    """

    identity: str
    url: str
    image: str
    role: str


def make(
    endpoint: str,
    source: Source,
    spec: EndpointSpec,
    *,
    tags: Pairs,
    golden: Golden | None,
    scalings: Sequence[Scaling] = (),
) -> Revision:
    """Return the revision that serves ``source`` as ``spec`` says, its resources named by their content.

    A variant or shadow that names no model serves the one that is made here.
    """
    marked = tags_of(endpoint, tags)
    unnamed = _model(source, spec, marked)
    model = replace(unnamed, name=content_name(endpoint, records.content(unnamed)))
    config = EndpointConfig(
        name="",
        variants=tuple(_serving(variant, model) for variant in spec.variants),
        tags=marked,
        shadows=() if spec.shadow is None else (_serving(spec.shadow, model),),
        capture=spec.capture,
        async_inference=spec.async_inference,
        kms_key=spec.kms_key,
    )
    named = replace(config, name=content_name(endpoint, records.content(config)))
    return Revision(endpoint, source.identity, model, named, golden, tuple(scalings))


def _model(source: Source, spec: EndpointSpec, tags: Pairs) -> Model:
    environment = {**CONTAINER_ENVIRONMENT, **dict(spec.environment)}
    return Model(
        name="",
        image=source.image,
        artifact=source.url,
        role=source.role,
        environment=tuple(sorted(environment.items())),
        tags=tags,
        vpc=spec.vpc,
        network_isolation=spec.network_isolation,
    )


def _serving(variant: Variant, model: Model) -> Variant:
    return variant if variant.model else replace(variant, model=model.name)


def to_record(revision: Revision) -> dict[str, object]:
    """Return ``revision`` as JSON-serialisable content, for the journal."""
    return records.to_record(revision)


def from_record(record: Mapping[str, object]) -> Revision:
    """Return the revision that `to_record` wrote.

    Raises:
        KeyError, TypeError, ValueError: If the record is none. The journal says which entry it was.
    """
    return records.from_record(Revision, record)
