"""One request of ``InvokeEndpointAsync``: where its input is, and where its answer goes."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.localcloud.dataplane.admission import PREFIX
from orchestrator.localcloud.dataplane.modelerrors import refused
from orchestrator.localcloud.fleets.exchange import Headers
from orchestrator.localcloud.rules.artifacts import place_of
from orchestrator.localcloud.world import Content, Place

# Service model of sagemaker-runtime: the limit of an inline body, and both default times.
_MAX_INLINE_BYTES = 128_000
_TIMEOUT_SECONDS, _LIFE_SECONDS = 900, 21_600
# What only says how the request is to be treated.
_OWN = ("inputlocation", "requestttlseconds", "invocationtimeoutseconds", "s3outputpathextension", "filename")


@dataclass(frozen=True, slots=True)
class Job:
    """One request in line, with all that its answer needs.

    Attributes:
        identity: Of the request; what its answer is called after, unless it says a name.
        content: The endpoint's ``AsyncInferenceConfig``.
        source: The address of the input; empty if the body came with the request.
        extension: What comes between the endpoint's paths and the name.
        name: Of the answer's object.
        received: In seconds since 1970.
    """

    place: Place
    identity: str
    inference_id: str
    content: Content
    headers: Headers
    body: bytes | None
    source: str
    extension: str
    name: str
    life_seconds: float
    timeout_seconds: float
    received: float

    @property
    def output(self) -> str:
        """Where the answer goes."""
        return _below(
            self.content["OutputConfig"]["S3OutputPath"], self.extension, self.name or f"{self.identity}.out"
        )

    @property
    def failure(self) -> str | None:
        """Where it goes if it is an error; ``None`` for nowhere."""
        path = self.content["OutputConfig"].get("S3FailurePath")
        return _below(path, self.extension, self.name or f"{self.identity}-error.out") if path else None


def job_of(place: Place, named: Mapping[str, str], body: bytes, content: Content, now: float) -> Job:
    """Return the request that these headers and this body are.

    Raises:
        ApiError: If it has no input, two of them, or too large a body.
    """
    said = {name.removeprefix(PREFIX): value for name, value in named.items() if name.startswith(PREFIX)}
    source = said.get("inputlocation", "")
    if bool(source) == bool(body):
        raise refused("Exactly one of InputLocation and Body must be specified.")
    if source:
        place_of(source)
    if len(body) > _MAX_INLINE_BYTES:
        raise refused(f"Body must have at most {_MAX_INLINE_BYTES} bytes.")
    identity = str(uuid.uuid4())
    return Job(
        place=place,
        identity=identity,
        inference_id=said.get("inference-id") or identity,
        content=content,
        headers=_for_the_container(named, said),
        body=body or None,
        source=source,
        extension=said.get("s3outputpathextension", ""),
        name=said.get("filename", ""),
        life_seconds=float(said.get("requestttlseconds", _LIFE_SECONDS)),
        timeout_seconds=float(said.get("invocationtimeoutseconds", _TIMEOUT_SECONDS)),
        received=now,
    )


def _for_the_container(named: Mapping[str, str], said: Mapping[str, str]) -> Headers:
    """Return the headers as the container knows them: two have other names in this call."""
    renamed = {name: said[name] for name in ("content-type", "accept") if name in said}
    dropped = {"content-type", "accept", *(PREFIX + name for name in (*_OWN, "content-type", "accept"))}
    return [*((name, value) for name, value in named.items() if name not in dropped), *renamed.items()]


def _below(path: str, extension: str, name: str) -> str:
    return "/".join(
        part.strip("/") if number else part.rstrip("/")
        for number, part in enumerate((path, extension, name))
        if part
    )
