"""Who may talk to the local cloud, where it was started with a token.

The token opens everything, as the loopback does for a local cloud without one.
"""

import hmac
import re
from collections.abc import Callable
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.wanted import TOKEN_HEADER
from orchestrator.localcloud.wire import Caller

COOKIE = "local-cloud-token"
_QUERY = "token"
_OWN_PAGE = re.compile(r"/_local(/.*)?")


class Access:
    """Looks at each request for the token.

    Args:
        token: It; empty if everybody may come in.
        handed_out: Tells whether an access key id was handed out by this local cloud: only who had the token
            was given one.
    """

    def __init__(self, token: str, handed_out: Callable[[str], bool]) -> None:
        self._token = token.encode()
        self._handed_out = handed_out

    @property
    def is_open(self) -> bool:
        """Whether no token is asked for."""
        return not self._token

    def check(self, request: Request, who: Caller) -> Response | None:
        """Let a request pass, or return what sends a browser on that has shown the token in its address.

        Raises:
            ApiError: If the request does not carry the token.
        """
        if self.is_open or self._matches(request.headers.get(TOKEN_HEADER, "")):
            return None
        # Both are asked, so that the time it takes says nothing of the token.
        if self._matches(who.access_key) | self._handed_out(who.access_key):
            return None
        if _OWN_PAGE.fullmatch(request.url.path):
            if self._matches(request.cookies.get(COOKIE, "")):
                return None
            if request.method == "GET" and self._matches(request.query_params.get(_QUERY, "")):
                return self._remembered(request)
        raise ApiError(
            "UnrecognizedClientException",
            f"the local cloud asks for its token, as access key id or in the header {TOKEN_HEADER}",
            status=403,
        )

    def _matches(self, shown: str) -> bool:
        return hmac.compare_digest(shown.encode(), self._token)

    def _remembered(self, request: Request) -> Response:
        """Send the browser to the same page without the token, which it has in a cookie from then on."""
        rest = [(name, value) for name, value in request.query_params.multi_items() if name != _QUERY]
        query = f"?{urlencode(rest)}" if rest else ""
        answer = RedirectResponse(f"{request.url.path}{query}", status_code=303)
        answer.set_cookie(COOKIE, self._token.decode(), path="/_local", httponly=True, samesite="strict")
        return answer
