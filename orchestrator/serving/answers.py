"""Answers that do not come from the entry point: what TorchServe's front end says in its own words.

Statuses and types were measured on TorchServe 0.12, and most messages; an answer that is this server's own
says so.
"""

import json

from orchestrator.serving.messages import Response

_JSON = (("content-type", "application/json"),)


def healthy() -> Response:
    """Say that a worker has loaded the model."""
    return Response(200, _JSON, _body({"status": "Healthy"}))


def unhealthy() -> Response:
    """Say that no worker has."""
    return Response(500, _JSON, _body({"status": "Unhealthy"}))


def worker_died() -> Response:
    """Say that the worker ended, took too long or answered too much."""
    return _error(500, "InternalServerException", "Worker died.")


def unsupported_output() -> Response:
    """Say that the entry point returned what cannot be written, such as a set."""
    return _error(503, "InternalServerException", "Unsupported model output data type.")


def queue_full() -> Response:
    """Say that too many requests wait already."""
    return _error(503, "ServiceUnavailableException", "No worker is free, and the queue is full.")


def no_worker_in_time() -> Response:
    """Say that a request waited as long as SageMaker would, and no worker became free.

    TorchServe would go on; SageMaker's caller gets an error of status 0.
    """
    return _error(503, "ServiceUnavailableException", "No worker became free within SageMaker's time limit.")


def too_large() -> Response:
    """Refuse a request body over the limit, in no words."""
    return Response(413, (), b"")


def not_found() -> Response:
    """Refuse an unknown path."""
    message = "Requested resource is not found, please refer to API document."
    return _error(404, "ResourceNotFoundException", message)


def method_not_allowed() -> Response:
    """Refuse a method the path does not have."""
    message = "Requested method is not allowed, please refer to API document."
    return _error(405, "MethodNotAllowedException", message)


def misdirected(host: str) -> Response:
    """Refuse a request for another host: a measure of this server that no container has."""
    message = f"This server listens on the loopback interface and does not answer for {host}."
    return _error(421, "MisdirectedRequestException", message)


def _error(status: int, kind: str, message: str) -> Response:
    return Response(status, _JSON, _body({"code": status, "type": kind, "message": message}))


def _body(content: dict[str, object]) -> bytes:
    return json.dumps(content, indent=2).encode() + b"\n"
