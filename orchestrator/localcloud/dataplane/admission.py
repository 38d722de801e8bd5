"""Who answers a request of the data plane, and whether it may be asked at all."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request

from orchestrator.localcloud.cloudwatch.metrics import Mode
from orchestrator.localcloud.dataplane.hearing import hung_up
from orchestrator.localcloud.dataplane.modelerrors import refused, throttled, too_large
from orchestrator.localcloud.dataplane.traffic import Share, Traffic
from orchestrator.localcloud.fleets.coldstart import provisioned
from orchestrator.localcloud.fleets.exchange import MAX_BODY_BYTES, Headers
from orchestrator.localcloud.rules.deployments import is_async
from orchestrator.localcloud.rules.modeldata import MULTI_MODEL
from orchestrator.localcloud.world import Place, Variant

PREFIX = "x-amzn-sagemaker-"
"""What the headers of the data plane begin with."""

COMPONENT, TARGET_MODEL = f"{PREFIX}inference-component", f"{PREFIX}target-model"
TARGET_CONTAINER = f"{PREFIX}target-container-hostname"
_TARGET_VARIANT = f"{PREFIX}target-variant"
# "4 MB": SageMaker developer guide, serverless-endpoints-invoke.
_MAX_SERVERLESS_BYTES = 4 * 2**20
COMPONENT_REQUIRED = (
    "Inference Component Name header is required for endpoints to which you plan to deploy inference "
    "components. Please include Inference Component Name header or consider using SageMaker models."
)
"""What AWS says to a request that names none, on an endpoint that has nothing else."""

_NOT_MULTI_MODEL = "is not a multi-model endpoint and does not support target model header."


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that may go to a fleet.

    Attributes:
        headers: What the container gets of the request's.
        instance: The one that has the request's session, if it names one.
        began: When the request came, by `time.monotonic`.
    """

    place: Place
    traffic: Traffic
    share: Share
    headers: Headers
    began: float
    instance: str | None = None


def choose(traffic: Traffic, place: Place, named: Mapping[str, str]) -> Share:
    """Return who is to answer a request with these headers.

    Raises:
        ApiError: If the request names a variant that there is not, or does not name what it must.
    """
    target = named.get(_TARGET_VARIANT)
    share = traffic.choose(target)
    if share is None:
        raise refused(f"Variant {target} of endpoint {place.endpoint} not found.")
    if not share.variant.container:
        raise refused(COMPONENT_REQUIRED, "INFERENCE_COMPONENT_NAME_MISSING")
    if TARGET_MODEL in named and not is_multi_model(share.variant):
        raise refused(f"Endpoint {place.endpoint} {_NOT_MULTI_MODEL}", "TARGET_MODEL_HEADER_NOT_SUPPORTED")
    if TARGET_CONTAINER in named and "Containers" not in share.variant.container:
        raise refused(f"Endpoint {place.endpoint} is not configured for direct invocation of its containers.")
    return share


def host_of(share: Share) -> str:
    """Return the name of the variant that answers, or on whose instances an inference component is."""
    names = [variant.name for variant in (*share.deployment.variants, *share.deployment.shadows)]
    return share.variant.name if share.variant.name in names or not names else names[0]


def is_multi_model(variant: Variant) -> bool:
    """Tell whether a request must say which model it is for."""
    return bool(variant.container.get("Mode") == MULTI_MODEL)


def sets_up(share: Share) -> bool:
    """Tell whether requests may have to wait until there is somebody to answer them."""
    return share.variant.serverless is not None or is_multi_model(share.variant)


def mode_of(share: Share) -> Mode:
    """Return which metrics there are of a request."""
    if is_async(share.deployment):
        return Mode.ASYNC
    return Mode.REALTIME if share.variant.serverless is None else Mode.SERVERLESS


def bounds_of(share: Share) -> tuple[int, int]:
    """Return how many requests a serverless variant takes at once, and how many of them by provision."""
    return (share.variant.serverless or {}).get("MaxConcurrency", 0), provisioned(share.variant)


def check_room(share: Share, size_bytes: int) -> None:
    """Check what a serverless variant takes: developer guide, serverless-endpoints-invoke.

    Raises:
        ApiError: If the request is too large, or one too many.
    """
    serverless = share.variant.serverless
    if serverless is None:
        return
    if size_bytes > _MAX_SERVERLESS_BYTES:
        raise too_large(_MAX_SERVERLESS_BYTES)
    if share.fleet.answering >= serverless["MaxConcurrency"]:
        raise throttled()


async def read_body(request: Request) -> bytes:
    """Return the whole body.

    Raises:
        ApiError: If it is too large for any endpoint, or the client hangs up in its midst.
    """
    chunks, size_bytes, goes_on = [], 0, True
    while goes_on:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise hung_up()
        goes_on = message.get("more_body", False)
        size_bytes += len(message.get("body", b""))
        # Too large a body is read to its end: a client that is still sending would not see the answer.
        if size_bytes <= MAX_BODY_BYTES:
            chunks.append(message.get("body", b""))
    if size_bytes > MAX_BODY_BYTES:
        raise too_large(MAX_BODY_BYTES)
    return b"".join(chunks)


def named_headers(request: Request) -> dict[str, str]:
    """Return the headers the container gets: SageMaker drops those that its API does not name."""
    return {
        name: value
        for name, value in request.headers.items()
        if name in {"content-type", "accept"} or name.startswith(PREFIX)
    }


def returned(headers: Headers, share: Share) -> dict[str, str]:
    """Return the headers that callers get of a container's."""
    passed = {name: value for name, value in headers if name == "content-type" or name.startswith(PREFIX)}
    return {**passed, "x-Amzn-Invoked-Production-Variant": host_of(share)}
