"""A revision: what one deployment consists of, named by its content.

Two deployments of the same archive, image, role, settings and fleet are the same revision on every
machine, so deploying twice changes nothing, and an earlier revision can be made again from the journal.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from orchestrator.core.names import content_name
from orchestrator.core.resources import EndpointConfig, Model, Pairs, Variant

ENDPOINT_TAG = "orchestrator:endpoint"
"""The tag that says that a resource was made by the orchestrator, and for which endpoint."""

VARIANT = "primary"
"""The name of the one variant. SageMaker refuses a blue/green update that changes variant names."""

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
    """

    endpoint: str
    artifact: str
    model: Model
    config: EndpointConfig
    golden: Golden | None = None

    @property
    def name(self) -> str:
        """The revision's name, which is its endpoint config's."""
        return self.config.name

    @property
    def fingerprint(self) -> str:
        """What the model's answers carry: the first 16 digits of the manifest's digest."""
        return self.artifact[:16]


@dataclass(frozen=True, slots=True)
class Fleet:
    """The machines of a variant."""

    instance_type: str
    instance_count: int


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


def make(endpoint: str, source: Source, fleet: Fleet, *, tags: Pairs, golden: Golden | None) -> Revision:
    """Return the revision that serves ``source`` on ``fleet``, its resources named by their content."""
    marked = tags_of(endpoint, tags)
    environment = tuple(sorted(CONTAINER_ENVIRONMENT.items()))
    content = {
        "image": source.image,
        "artifact": source.url,
        "role": source.role,
        "environment": environment,
        "tags": marked,
    }
    model = Model(
        name=content_name(endpoint, content),
        image=source.image,
        artifact=source.url,
        role=source.role,
        environment=environment,
        tags=marked,
    )
    variant = Variant(VARIANT, model.name, fleet.instance_type, fleet.instance_count)
    config_name = content_name(endpoint, {"variants": [asdict(variant)], "tags": marked})
    config = EndpointConfig(config_name, (variant,), marked)
    return Revision(endpoint, source.identity, model, config, golden)


def to_record(revision: Revision) -> dict[str, object]:
    """Return ``revision`` as JSON-serialisable content, for the journal."""
    return asdict(revision)


def from_record(record: Mapping[str, object]) -> Revision:
    """Return the revision that `to_record` wrote.

    Raises:
        KeyError, TypeError, ValueError: If the record is none. The journal says which entry it was.
    """
    model, config = _mapping(record["model"]), _mapping(record["config"])
    return Revision(
        endpoint=str(record["endpoint"]),
        artifact=str(record["artifact"]),
        model=Model(
            name=str(model["name"]),
            image=str(model["image"]),
            artifact=str(model["artifact"]),
            role=str(model["role"]),
            environment=_pairs(model["environment"]),
            tags=_pairs(model["tags"]),
        ),
        config=EndpointConfig(
            name=str(config["name"]),
            variants=tuple(_variant(_mapping(variant)) for variant in _sequence(config["variants"])),
            tags=_pairs(config["tags"]),
        ),
        golden=None if record["golden"] is None else _golden(_mapping(record["golden"])),
    )


def _variant(record: Mapping[str, object]) -> Variant:
    return Variant(
        name=str(record["name"]),
        model=str(record["model"]),
        instance_type=str(record["instance_type"]),
        instance_count=int(str(record["instance_count"])),
        weight=float(str(record["weight"])),
    )


def _golden(record: Mapping[str, object]) -> Golden:
    return Golden(key=str(record["key"]), atol=float(str(record["atol"])))


def _mapping(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise TypeError(f"expected an object, not {value!r}")
    return value


def _sequence(value: object) -> list[object]:
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"expected a list, not {value!r}")
    return list(value)


def _pairs(value: object) -> Pairs:
    return tuple((str(key), str(item)) for key, item in map(_sequence, _sequence(value)))
