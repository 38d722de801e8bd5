"""What becomes of an asynchronous request: objects in S3, and messages to SNS.

The form of both: SageMaker developer guide, async-inference-check-predictions.
"""

import contextlib
import datetime as dt
import json
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.localcloud.clients import Clients
from orchestrator.localcloud.dataplane.jobs import Job
from orchestrator.localcloud.fleets.exchange import Answer
from orchestrator.localcloud.rules.artifacts import place_of

# What S3 says of objects whose content type nobody has said.
_NO_KIND = "binary/octet-stream"
# "1 GB": SageMaker developer guide, async-inference.
_MAX_INPUT_BYTES = 2**30
# "less than or equal to 128 KB": API reference, AsyncInferenceNotificationConfig.
_MAX_TOLD_BYTES = 128 * 1024
_SUCCESS, _ERROR = "SUCCESS_NOTIFICATION_TOPIC", "ERROR_NOTIFICATION_TOPIC"


class TooLargeError(Exception):
    """An input is larger than SageMaker takes."""


class Results:
    """Reads inputs, writes answers and tells who wants to know; each of it takes its time.

    Args:
        clients: For S3 and SNS.
        clock: Seconds since 1970.
    """

    def __init__(self, clients: Clients, clock: Callable[[], float]) -> None:
        self._clients = clients
        self._clock = clock

    def read(self, job: Job) -> tuple[bytes, str]:
        """Return the input of a request that has it in S3, and its content type there, if it has one.

        Raises:
            ClientError: If it is not there.
            TooLargeError: If it is larger than SageMaker takes.
        """
        bucket, key = place_of(job.source)
        s3 = self._clients.client("s3", job.place.scope)
        answer = s3.get_object(Bucket=bucket, Key=key)
        with contextlib.closing(answer["Body"]) as body:
            if answer["ContentLength"] > _MAX_INPUT_BYTES:
                raise TooLargeError(f"it is larger than {_MAX_INPUT_BYTES} bytes")
            found: bytes = body.read()
        kind = answer["ContentType"]
        return found, "" if kind == _NO_KIND else kind

    def write(self, job: Job, reason: str, answer: Answer | None) -> None:
        """Put the answer, or the failure, where it was said that it would be, and tell who wants to know.

        Raises:
            ClientError: If it cannot be written or told.
        """
        where = job.failure if reason else job.output
        if where is not None:
            self._put(job, where, reason, answer)
        topics = job.content["OutputConfig"].get("NotificationConfig") or {}
        if topic := topics.get("ErrorTopic" if reason else "SuccessTopic"):
            kept = (
                answer
                if (_ERROR if reason else _SUCCESS) in topics.get("IncludeInferenceResponseIn", ())
                else None
            )
            told = notification(job, reason, answer, kept, self._clock())
            self._clients.client("sns", job.place.scope).publish(TopicArn=topic, Message=json.dumps(told))

    def _put(self, job: Job, where: str, reason: str, answer: Answer | None) -> None:
        bucket, key = place_of(where)
        key_id = job.content["OutputConfig"].get("KmsKeyId")
        encrypted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key_id} if key_id else {}
        self._clients.client("s3", job.place.scope).put_object(
            Bucket=bucket,
            Key=key,
            Body=answer.body if answer else reason.encode(),
            ContentType=_kind(answer) or "text/plain",
            **encrypted,
        )


def notification(
    job: Job, reason: str, answer: Answer | None, told: Answer | None, now: float
) -> Mapping[str, Any]:
    """Return the message about a request.

    Args:
        job: The request.
        reason: Why it failed; empty if it did not.
        answer: What the model said, if it said anything.
        told: The same, if it is to be in the message; a large one is not.
        now: In seconds since 1970.
    """
    asked = {"contentType": dict(job.headers).get("content-type"), "endpointName": job.place.endpoint}
    response: dict[str, Any] = {"contentType": _kind(answer)}
    if reason:
        response["failureLocation"] = job.failure
    else:
        response["outputLocation"] = job.output
    if told is not None and len(told.body) <= _MAX_TOLD_BYTES:
        response["responseBody"] = told.body.decode("utf-8", "replace")
    return {
        "awsRegion": job.place.scope.region,
        "eventTime": _moment(now),
        "receivedTime": _moment(job.received),
        "invocationStatus": "Failed" if reason else "Completed",
        **({"failureReason": reason} if reason else {}),
        "requestParameters": _present({**asked, "inputLocation": job.source or None}),
        "responseParameters": _present(response),
        "inferenceId": job.inference_id,
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }


def _present(members: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


def _kind(answer: Answer | None) -> str | None:
    return dict(answer.headers).get("content-type") if answer else None


def _moment(seconds: float) -> str:
    """Return a moment as ``2021-10-26T12:09:15.123Z``."""
    moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"
