"""SageMaker's data plane: a live endpoint as its callers see it."""

from botocore.exceptions import ClientError

from orchestrator.adapters.aws import Clients, code_of, translated
from orchestrator.core.golden import Request, Response
from orchestrator.core.revision import fingerprint_of


class SageMakerRuntime:
    """The `Runtime` port on boto3."""

    def __init__(self, clients: Clients) -> None:
        self._api = clients("sagemaker-runtime")

    def invoke(self, endpoint: str, request: Request) -> Response:
        """Send one request; an error of the model comes back as its own status and body."""
        with translated(f"invoking endpoint '{endpoint}'"):
            try:
                answer = self._api.invoke_endpoint(
                    EndpointName=endpoint,
                    Body=request.body,
                    ContentType=request.content_type,
                    Accept=request.accept,
                )
            except ClientError as error:
                if code_of(error) != "ModelError":
                    raise
                words = error.response
                status, body = words.get("OriginalStatusCode", 0), words.get("OriginalMessage", "")
                return Response(int(status), str(body).encode())
            return Response(200, answer["Body"].read(), fingerprint_of(answer.get("CustomAttributes", "")))
