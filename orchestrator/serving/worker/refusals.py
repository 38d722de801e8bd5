"""What is answered in place of the handler functions: to exceptions that get past the toolkit, and to traps.

Source: `service.py` of TorchServe 0.12 for the exceptions.
"""

import json
import sys

from orchestrator.serving.messages import Response
from orchestrator.serving.traps import TRAPS
from orchestrator.serving.worker import formats, written

_INTERNAL_SERVER_ERROR = 500
_OUT_OF_RESOURCES, _FAILED = 507, 503


def beyond_the_toolkit(error: Exception) -> Response:
    """Do what `Service.predict` of TorchServe does with an exception."""
    prediction_error = loaded_class("ts.utils.util", "PredictionException")
    if isinstance(error, MemoryError):
        return written.refused(_OUT_OF_RESOURCES, "Out of resources")
    if prediction_error is not None and isinstance(error, prediction_error):
        return written.refused(error.error_code, error.message)  # type: ignore[attr-defined]  # see there
    if "CUDA" in str(error):
        return written.refused(_OUT_OF_RESOURCES, "Out of resources")
    return written.refused(_FAILED, "Prediction failed")


def loaded_class(module: str, name: str) -> type[Exception] | None:
    """Return a class of the toolkit, real or standing in, if user code has imported it."""
    return getattr(sys.modules.get(module), name, None)


def explained(slug: str, found: str) -> Response:
    """Return what strict fidelity answers to a request that has met a trap."""
    trap = TRAPS[slug]
    message = f"{found}: {trap.happens}; {trap.instead}"
    content = {"code": _INTERNAL_SERVER_ERROR, "type": "TrapError", "message": message, "trap": slug}
    body = json.dumps(content, indent=2).encode() + b"\n"
    return Response(_INTERNAL_SERVER_ERROR, (("content-type", formats.JSON),), body)
