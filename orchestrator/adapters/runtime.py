"""SageMaker's data plane: a live endpoint as its callers see it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from orchestrator.adapters.aws import Clients
from orchestrator.adapters.refusals import code_of, message_of, translated
from orchestrator.adapters.store.bucket import MISSING_CODES
from orchestrator.core.errors import CloudError, OrchestratorError
from orchestrator.core.golden import Request, Response
from orchestrator.core.live import Pending
from orchestrator.core.revision import fingerprint_of

_MODEL_ERROR = "ModelError"
# Both come inside of a stream that has begun: service model of `sagemaker-runtime`, ResponseStream.
_STREAM_ERRORS = {"ModelStreamError", "InternalStreamFailure"}


class SageMakerRuntime:
    """The `Runtime` port on boto3."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._api = clients("sagemaker-runtime")

    def invoke(self, endpoint: str, request: Request, *, variant: str | None = None) -> Response:
        """Send one request; an error of the model comes back as its own status and body."""
        with translated(f"invoking endpoint '{endpoint}'"):
            try:
                answer = self._api.invoke_endpoint(**_members(endpoint, request, variant))
            except ClientError as error:
                if code_of(error) != _MODEL_ERROR:
                    raise
                return _refusal(error)
            return Response(200, answer["Body"].read(), fingerprint_of(answer.get("CustomAttributes", "")))

    def invoke_stream(
        self, endpoint: str, request: Request, *, variant: str | None = None
    ) -> Iterator[bytes]:
        """Send one request, and yield the parts of the answer as they come.

        Raises:
            OrchestratorError: If the model refuses it, or stops in the middle of its answer.
        """
        with translated(f"invoking endpoint '{endpoint}'"), _told(endpoint):
            answer = self._api.invoke_endpoint_with_response_stream(**_members(endpoint, request, variant))
            stream = answer["Body"]
            try:
                for event in stream:
                    if "PayloadPart" in event:
                        yield event["PayloadPart"]["Bytes"]
            finally:
                stream.close()  # whoever has seen enough leaves in the middle

    def invoke_async(self, endpoint: str, request: Request, input_url: str) -> Pending:
        """Have what lies at ``input_url`` answered in its own time; the request's body is not sent."""
        with translated(f"invoking endpoint '{endpoint}'"):
            given = self._api.invoke_endpoint_async(
                EndpointName=endpoint,
                InputLocation=input_url,
                ContentType=request.content_type,
                Accept=request.accept,
            )
        return Pending(
            endpoint, given["OutputLocation"], given.get("FailureLocation", ""), given.get("InferenceId", "")
        )

    def collect(self, pending: Pending) -> Response | None:
        """Return the answer to an asynchronous request, or ``None`` if there is none yet.

        A failure has the status 0: what SageMaker writes of it does not say with which status the model
        refused. S3 answers 403 in place of 404 to those who may not list the bucket.

        Raises:
            DeniedError: If we may not read it there, or may not know that it is absent.
        """
        for url, status in ((pending.output_url, 200), (pending.failure_url, 0)):
            body = self._object(url) if url else None
            if body is not None:
                return Response(status, body)
        return None

    def _object(self, url: str) -> bytes | None:
        place = urlsplit(url)
        with translated(f"reading {url}"):
            try:
                found = self._clients("s3").get_object(Bucket=place.netloc, Key=place.path.lstrip("/"))
            except ClientError as error:
                if code_of(error) in MISSING_CODES:
                    return None
                raise
            body: bytes = found["Body"].read()
            return body


def _members(endpoint: str, request: Request, variant: str | None) -> dict[str, Any]:
    """Return the members of a call that sends ``request``."""
    chosen = {} if variant is None else {"TargetVariant": variant}
    return {
        "EndpointName": endpoint,
        "Body": request.body,
        "ContentType": request.content_type,
        "Accept": request.accept,
        **chosen,
    }


def _refusal(error: ClientError) -> Response:
    words = error.response
    return Response(int(words.get("OriginalStatusCode", 0)), str(words.get("OriginalMessage", "")).encode())


@contextmanager
def _told(endpoint: str) -> Iterator[None]:
    """Turn what the model itself says no with into our errors; the rest is none of its business.

    Raises:
        OrchestratorError: If the model refused the request, or stopped in the middle.
        CloudError: If SageMaker stopped in the middle.
    """
    hint = f"orchestrator logs {endpoint}"
    try:
        yield
    except ClientError as error:
        code, words = code_of(error), message_of(error)
        if code == _MODEL_ERROR:
            refused = _refusal(error)
            text = refused.body.decode("utf-8", "replace").rstrip()
            raise OrchestratorError(
                f"the model of endpoint '{endpoint}' answered {refused.status}",
                details=[("model", text or words)],
                hint=hint,
            ) from error
        if code in _STREAM_ERRORS:
            kind = OrchestratorError if code == "ModelStreamError" else CloudError
            raise kind(
                f"the answer of endpoint '{endpoint}' broke off",
                details=[("AWS", f"{code}: {words}"), ("state", "what came before it is incomplete")],
                hint=hint,
            ) from error
        raise
