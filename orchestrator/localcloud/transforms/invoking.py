"""How a transform job asks its model: parameters, time-outs, retries and what they say.

Words of failures: aws/sagemaker-python-sdk#1882 and #1951. SageMaker developer guide,
your-algorithms-batch-code: what the model says of itself in ``/execution-parameters`` stands behind what the
job says, and before the defaults.
"""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from orchestrator.localcloud.fleets.exchange import Answer, BrokenAnswerError, Headers, gathered
from orchestrator.localcloud.fleets.fleet import Fleet
from orchestrator.localcloud.pace import Pace
from orchestrator.localcloud.transforms.errors import Blame, TransformError
from orchestrator.localcloud.transforms.jobs import DEFAULT_PAYLOAD_MB, MAX_PAYLOAD_MB
from orchestrator.localcloud.world import Content

_MB = 1024 * 1024
_MAX_ANSWER_BYTES = 4 * MAX_PAYLOAD_MB * _MB
# Defaults of ModelClientConfig: API reference.
_TIMEOUT_SECONDS, _RETRIES = 600, 3
_LOOK_SECONDS = 2
_FIRST_PAUSE_SECONDS = 1.0
_CLIENT_ERROR, _SERVER_ERROR = 400, 500
_PARAMETERS = "/execution-parameters"
_STRATEGIES = {"SingleRecord": "SINGLE_RECORD", "MultiRecord": "MULTI_RECORD"}
_MAX_LINE = 1000


@dataclass(frozen=True, slots=True)
class Parameters:
    """How much a model is asked at once.

    Attributes:
        at_once: Requests that an instance gets at a time.
        payload_mb: How large one may be.
        strategy: ``SINGLE_RECORD`` or ``MULTI_RECORD``.
    """

    at_once: int
    payload_mb: int
    strategy: str

    @property
    def several(self) -> bool:
        """Whether a request has as many records as it can."""
        return self.strategy == _STRATEGIES["MultiRecord"]

    @property
    def limit_bytes(self) -> int:
        """How large a request may be."""
        return self.payload_mb * _MB

    def __str__(self) -> str:
        """As the data log begins."""
        said = f"MaxConcurrentTransforms={self.at_once}, MaxPayloadInMB={self.payload_mb}"
        return f"{said}, BatchStrategy={self.strategy}"


def parameters(content: Content, model: Mapping[str, Any]) -> Parameters:
    """Return what holds for a job.

    Args:
        content: The job as it was asked for.
        model: What its model said in ``/execution-parameters``.
    """
    strategy = _STRATEGIES.get(content.get("BatchStrategy", ""))
    return Parameters(
        content.get("MaxConcurrentTransforms") or _number(model, "MaxConcurrentTransforms") or 1,
        content.get("MaxPayloadInMB") or _number(model, "MaxPayloadInMB") or DEFAULT_PAYLOAD_MB,
        strategy or _said(model.get("BatchStrategy")) or _STRATEGIES["MultiRecord"],
    )


def variables(content: Content) -> dict[str, str]:
    """Return what a container sees of its job.

    "If the user doesn't set values for them, they aren't passed": your-algorithms-batch-code.
    """
    said = {
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": content.get("MaxPayloadInMB"),
        "SAGEMAKER_BATCH_STRATEGY": _STRATEGIES.get(content.get("BatchStrategy", "")),
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": content.get("MaxConcurrentTransforms"),
    }
    own = {name: str(value) for name, value in said.items() if value is not None}
    return {**content.get("Environment", {}), "SAGEMAKER_BATCH": "true", **own}


async def look(fleet: Fleet) -> Mapping[str, Any]:
    """Return what a model says of itself; nothing if it does not answer that."""
    with suppress(BrokenAnswerError, TimeoutError, ValueError):
        # Python 3.11's wait_for may swallow that the job is stopped.
        async with asyncio.timeout(_LOOK_SECONDS):
            answer = await fleet.look(_PARAMETERS)
        said = json.loads(answer.body) if answer.status < _CLIENT_ERROR else {}
        return said if isinstance(said, dict) else {}
    return {}


class Asking:
    """Asks the fleet of a job.

    Args:
        fleet: Its instances.
        content: The job as it was asked for.
        pace: What pauses between retries go by.
    """

    def __init__(self, fleet: Fleet, content: Content, pace: Pace) -> None:
        client = content.get("ModelClientConfig", {})
        self._fleet = fleet
        self._headers = _headers(content)
        self._timeout_seconds = client.get("InvocationsTimeoutInSeconds", _TIMEOUT_SECONDS)
        self._retries = client.get("InvocationsMaxRetries", _RETRIES)
        self._pace = pace

    async def answer(self, body: bytes) -> bytes:
        """Return the model's answer to one request.

        Raises:
            TransformError: If it is none.
        """
        pause_seconds, left = _FIRST_PAUSE_SECONDS, self._retries
        while True:
            try:
                return await self._asked(body)
            except TransformError as error:
                # A request that the model refuses is refused once more; one that it failed at, perhaps not.
                if error.blame is Blame.CLIENT or not left:
                    raise
            left -= 1
            await self._pace.wait(pause_seconds)
            pause_seconds *= 2

    async def _asked(self, body: bytes) -> bytes:
        try:
            async with (
                asyncio.timeout(self._timeout_seconds),
                self._fleet.stream(self._headers, body) as streamed,
            ):
                answer = await gathered(streamed, _MAX_ANSWER_BYTES)
        except (BrokenAnswerError, TimeoutError) as error:
            raise TransformError("Unable to get response from algorithm", blame=Blame.ALGORITHM) from error
        if answer.status >= _CLIENT_ERROR:
            raise _failure(answer)
        return answer.body


def _failure(answer: Answer) -> TransformError:
    blame = Blame.CLIENT if answer.status < _SERVER_ERROR else Blame.ALGORITHM
    said = [line[:_MAX_LINE] for line in answer.body.decode(errors="replace").splitlines()]
    return TransformError(f"{blame}: {answer.status}", "", "Message:", *said, blame=blame)


def _headers(content: Content) -> Headers:
    said = {
        "content-type": content["TransformInput"].get("ContentType"),
        "accept": content["TransformOutput"].get("Accept"),
    }
    return [(name, value) for name, value in said.items() if value]


def _number(model: Mapping[str, Any], name: str) -> int:
    value = model.get(name)
    return value if isinstance(value, int) and value > 0 else 0


def _said(strategy: object) -> str:
    return strategy if isinstance(strategy, str) and strategy in _STRATEGIES.values() else ""
