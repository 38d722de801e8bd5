"""Answers that do not come from the entry point: what TorchServe's front end says in its own words.

Statuses, reason phrases, types and messages were measured on TorchServe 0.12; an answer that is this server's
own says so.
"""

import json

from orchestrator.serving.messages import Response

_JSON = (("content-type", "application/json"),)


def found(content: object, status: int = 200) -> Response:
    """Return an answer whose body is ``content`` as TorchServe writes JSON: indented, with a line end."""
    return Response(status, _JSON, json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n")


def failure(status: int, kind: str, message: str) -> Response:
    """Return TorchServe's form of an error: ``kind`` is the simple name of a class of its own."""
    return found({"code": status, "type": kind, "message": message}, status)


def healthy() -> Response:
    """Say that a worker has loaded the model."""
    return found({"status": "Healthy"})


def unhealthy() -> Response:
    """Say that no worker has."""
    return found({"status": "Unhealthy"}, 500)


def worker_died(*, out_of_memory: bool = False) -> Response:
    """Say that the worker ended, took too long or answered what cannot be written.

    TorchServe takes the exit status 137, a SIGKILL, for one of a kernel that is out of memory; SageMaker then
    unloads other models.
    """
    return failure(507 if out_of_memory else 500, "InternalServerException", "Worker died.")


def unsupported_output() -> Response:
    """Say that the entry point returned what cannot be written, such as a set."""
    return failure(503, "InternalServerException", "Unsupported model output data type.")


def queue_full(model: str = "model") -> Response:
    """Say that too many requests wait for ``model`` already."""
    return failure(
        503,
        "ServiceUnavailableException",
        f'Model "{model}" has no worker to serve inference request. '
        "Please use scale workers API to add workers. "
        "If this is a sequence inference, please check if it is closed, or expired; or exceeds "
        "maxSequenceJobQueueSize",
    )


def no_worker_in_time() -> Response:
    """Say that a request waited as long as SageMaker would, and no worker became free.

    TorchServe would go on; SageMaker's caller gets an error of status 0.
    """
    return failure(503, "ServiceUnavailableException", "No worker became free within SageMaker's time limit.")


def too_large() -> Response:
    """Refuse a request body over the limit, in no words."""
    return Response(413, (), b"", "Request Entity Too Large")


def not_found() -> Response:
    """Refuse an unknown path."""
    message = "Requested resource is not found, please refer to API document."
    return failure(404, "ResourceNotFoundException", message)


def model_not_found(name: str) -> Response:
    """Refuse a request for a model that nobody has loaded."""
    return failure(404, "ModelNotFoundException", f"Model not found: {name}")


def method_not_allowed() -> Response:
    """Refuse a method the path does not have."""
    message = "Requested method is not allowed, please refer to API document."
    return failure(405, "MethodNotAllowedException", message)


def undecodable(message: str) -> Response:
    """Refuse a target whose percent-encoding is wrong: Netty says where, and TorchServe says 403."""
    return failure(403, "IllegalArgumentException", message)


def no_path() -> Response:
    """Refuse the target ``*``, for which TorchServe has no better words either."""
    return failure(500, "ArrayIndexOutOfBoundsException", "Index 1 out of bounds for length 1")


def invalid_message() -> Response:
    """Refuse what is no HTTP, or is HTTP that two readers could understand differently."""
    return failure(400, "BadRequestException", "Invalid HTTP message.")


def expectation_failed() -> Response:
    """Refuse any other ``Expect`` than ``100-continue``, in no words."""
    return Response(417, (), b"")


def head_too_large() -> Response:
    """Refuse a request line and headers over the limit: a measure of this server, as are those below."""
    return failure(431, "BadRequestException", "The request's headers are too large or too many.")


def timed_out() -> Response:
    """Give up a request that does not come to its end."""
    return failure(408, "RequestTimeoutException", "The request did not arrive in time.")


def too_many_connections() -> Response:
    """Refuse a connection over the limit."""
    return failure(503, "ServiceUnavailableException", "This server has as many connections as it takes.")


def misdirected(host: str) -> Response:
    """Refuse a request for another host: a measure of this server that no container has."""
    message = f"This server listens on the loopback interface and does not answer for {host}."
    return failure(421, "MisdirectedRequestException", message)


def foreign_origin(origin: str) -> Response:
    """Refuse a request that a page of another site has made in somebody's browser."""
    message = f"This server does not answer pages of another origin, such as {origin}."
    return failure(403, "ForbiddenOriginException", message)


def unauthorized() -> Response:
    """Refuse a request without the token."""
    message = "This server answers requests with its token only: Authorization: Bearer TOKEN."
    answer = failure(401, "UnauthorizedException", message)
    return Response(answer.status, (*answer.headers, ("www-authenticate", "Bearer")), answer.body)


def broken() -> Response:
    """Say that this server has a bug; its log has the traceback."""
    return failure(500, "InternalServerException", "Internal Server Error")
