"""What callers of the data plane get instead of an answer, in the exact form that AWS clients expect.

Forms and texts: captured answers of AWS in public test suites and reports: aws/sagemaker-python-sdk#171,
aws/amazon-sagemaker-examples#1809, #4324, #799, #245, #1216, #2815.
"""

import json
from collections.abc import Mapping

from starlette.responses import Response

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.fleets.containerlog import group_of
from orchestrator.localcloud.fleets.exchange import Answer, BrokenAnswerError, CutAnswerError
from orchestrator.localcloud.world import Place

CLIENT_ERROR = 400
"""From this status on a container's answer is an error of the model."""

_SERVER_ERROR = 500
_TOO_LARGE = 413
_MAX_MESSAGE = 2048
_TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. Review the latency "
    "metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
)
_UNREAD = "and could not load the entire response body."

Asked = Answer | TimeoutError | BrokenAnswerError
"""What came of a request to a model."""


class RefusedError(ApiError):
    """A refusal of the data plane, which names its reason by a code of its own as well.

    Attributes:
        reason: Such as ``TARGET_MODEL_HEADER_NOT_SUPPORTED``; empty where AWS's is not known.
    """

    def __init__(self, code: str, message: str, *, status: int = 400, reason: str = "") -> None:
        super().__init__(code, message, status=status)
        self.reason = reason


def refused(message: str, reason: str = "") -> RefusedError:
    """Return a refusal in the data plane's spelling: ValidationError, not ValidationException."""
    return RefusedError("ValidationError", message, reason=reason)


def too_large(most_bytes: int) -> ApiError:
    """Return the refusal of a body: AWS names no code for it, so that clients take the status for one."""
    message = f"HTTP content length exceeded {most_bytes} bytes."
    return ApiError(str(_TOO_LARGE), message, status=_TOO_LARGE)


def throttled() -> ApiError:
    """Return what a serverless variant answers that has no room for one more request."""
    return ApiError("ThrottlingException", "Rate exceeded", status=429)


def answer_of(error: ApiError) -> Response:
    """Return a refusal as clients of the data plane read it: REST and JSON, whatever they sent."""
    reason = {"ErrorCode": error.reason} if isinstance(error, RefusedError) and error.reason else {}
    headers = {} if error.status == _TOO_LARGE else {"x-amzn-errortype": error.code}
    return _json({**reason, "Message": error.message}, error.status, headers)


def failure(place: Place, asked: Asked) -> Response:
    """Return what callers get of a model that refused a request, or did not answer it."""
    match asked:
        case TimeoutError():
            return _model_error(place, 0, "", _TIMED_OUT)
        case CutAnswerError(status=status):
            return _model_error(
                place, status, "", f"Received {_side(status)} error ({status}) from primary {_UNREAD}"
            )
        case BrokenAnswerError():
            return _model_error(place, 0, str(asked))
        case Answer():
            return _model_error(place, asked.status, asked.body.decode("utf-8", "replace"))


def _side(status: int) -> str:
    return "client" if CLIENT_ERROR <= status < _SERVER_ERROR else "server"


def _model_error(place: Place, status: int, original: str, message: str = "") -> Response:
    """Return what clients get of a failed model: status 424 and the container's own answer.

    Args:
        place: The endpoint.
        status: The container's own status; 0 if there was no answer.
        original: The container's own words.
        message: What happened, where it is not what the container said.
    """
    scope, group, side = place.scope, group_of(place.endpoint), _side(status)
    said = message or f'Received {side} error ({status}) from primary with message "{original}".'
    console = f"https://{scope.region}.console.aws.amazon.com/cloudwatch/home?region={scope.region}"
    where = f"See {console}#logEventViewer:group={group} in account {scope.account} for more information."
    content = {
        "ErrorCode": "CLIENT_ERROR_FROM_MODEL" if side == "client" else "INTERNAL_FAILURE_FROM_MODEL",
        "LogStreamArn": f"arn:aws:logs:{scope.region}:{scope.account}:log-group:{group}",
        "Message": f"{said} {where}"[:_MAX_MESSAGE],
        "OriginalMessage": original,
        "OriginalStatusCode": status,
    }
    return _json(content, 424, {"x-amzn-errortype": "ModelError"})


def _json(content: Mapping[str, object], status: int, headers: dict[str, str]) -> Response:
    return Response(json.dumps(content), status, headers, media_type="application/json")
