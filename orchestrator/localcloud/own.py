"""What is the local cloud's and not AWS's: everything below ``/_local``."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.console.page import PAGE, page
from orchestrator.localcloud.console.state import State
from orchestrator.localcloud.faulting import orders
from orchestrator.localcloud.faulting.faults import Faults
from orchestrator.localcloud.quotas import PATH, Quotas
from orchestrator.localcloud.wire import parsed, read

_MOST_DIGITS = 9


class OwnPages:
    """Answers below ``/_local``.

    Args:
        faults: What is to go wrong.
        quotas: How many instances there may be.
        health: What ``GET /_local/health`` answers.
        reset: Empties the local cloud.
        state: What the console page shows.
    """

    def __init__(
        self,
        faults: Faults,
        quotas: Quotas,
        health: Callable[[], dict[str, Any]],
        reset: Callable[[], Awaitable[None]],
        state: State,
    ) -> None:
        self._faults = faults
        self._quotas = quotas
        self._health = health
        self._reset = reset
        self._state = state

    async def answer(self, request: Request) -> Response:
        """Answer one request.

        Raises:
            ApiError: If there is no such page, or the request is not one of it.
        """
        method, path = request.method, request.url.path
        match method, path.removeprefix(f"{PAGE}/"):
            case "GET", "health":
                return JSONResponse(self._health())
            case "GET", "state":
                return JSONResponse(await self._state.document(_limit(request)))
            case "GET", "logs":
                return JSONResponse(await self._state.lines(dict(request.query_params)))
            case "GET", _ if path == PATH:
                return JSONResponse(self._quotas.shown())
            case "POST", _ if path == PATH:
                return JSONResponse(self._quotas.set(parsed(await read(request))), 201)
            case "POST", "reset":
                await self._reset()
                return Response(status_code=204)
            case _ if path == orders.PATH or path.startswith(f"{orders.PATH}/"):
                return await self._of_faults(request, path.removeprefix(orders.PATH).removeprefix("/"))
            case "GET", _ if shown := page(path):
                return shown
            case _:
                raise _absent(method, path)

    async def _of_faults(self, request: Request, number: str) -> Response:
        match request.method:
            case "GET" if not number:
                return JSONResponse({"faults": self._faults.shown()})
            case "POST" if not number:
                fault = self._faults.add(orders.read(parsed(await read(request))))
                return JSONResponse(fault.shown(), 201)
            case "DELETE":
                self._faults.lift(number or None)
                return Response(status_code=204)
            case method:
                raise _absent(method, request.url.path)


def _limit(request: Request) -> int | None:
    """Return how many endpoints are asked for; ``None`` for all.

    Raises:
        ApiError: If that is no number.
    """
    asked = request.query_params.get("endpoints")
    if asked is None:
        return None
    if not (asked.isascii() and asked.isdigit() and len(asked) <= _MOST_DIGITS):
        raise ApiError("ValidationError", f"endpoints must be a whole number, not '{asked[:80]}'")
    return int(asked)


def _absent(method: str, path: str) -> ApiError:
    return ApiError("NotFound", f"there is no {method} {path}", status=404)
