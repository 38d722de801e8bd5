"""What is the local cloud's and not AWS's: everything below ``/_local``."""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.faults import Faults
from orchestrator.localcloud.wire import parsed, read

HEALTH = "/_local/health"
FAULTS = "/_local/faults"


class OwnPages:
    """Answers below ``/_local``.

    Args:
        faults: What is to go wrong.
        health: What ``GET /_local/health`` answers.
    """

    def __init__(self, faults: Faults, health: Callable[[], dict[str, Any]]) -> None:
        self._faults = faults
        self._health = health

    async def answer(self, request: Request) -> Response:
        """Answer one request.

        Raises:
            ApiError: If there is no such page, or the request is not one of it.
        """
        match request.method, request.url.path:
            case "GET", path if path == HEALTH:
                return JSONResponse(self._health())
            case "GET", path if path == FAULTS:
                return JSONResponse({"faults": self._faults.shown()})
            case "POST", path if path == FAULTS:
                return JSONResponse(self._faults.add(parsed(await read(request))).shown(), 201)
            case "DELETE", path if path == FAULTS:
                self._faults.lift()
                return Response(status_code=204)
            case method, path:
                raise ApiError("NotFound", f"there is no {method} {path}", status=404)
