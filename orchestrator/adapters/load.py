"""One HTTP server, asked once or as often as it can bear: the `Load` port."""

import http.client
from collections.abc import Sequence
from urllib.parse import SplitResult, urlsplit

from orchestrator.adapters.volley import PATIENCE_SECONDS, Connection, Shot, Volley
from orchestrator.core.errors import OrchestratorError, SpecError
from orchestrator.core.golden import Case, Request, Response
from orchestrator.core.latency import Measured, Pace
from orchestrator.core.revision import CUSTOM_ATTRIBUTES, fingerprint_of

DEFAULT_PATH = "/invocations"


class HttpLoad:
    """A plain HTTP/1.1 server."""

    def __init__(self, url: str, token: str | None = None) -> None:
        """Take the server's address; a path in it replaces ``/invocations``.

        Raises:
            SpecError: If it is not the address of a plain HTTP server, or the token fits no header.
        """
        split = _parts(url)
        self._host, self._port = str(split.hostname), split.port or http.client.HTTP_PORT
        path = split.path if split.path.strip("/") else DEFAULT_PATH
        self._path = f"{path}?{split.query}" if split.query else path
        self._token = token
        if token is not None and not (token.isascii() and token.isprintable()):
            raise SpecError("the token cannot be sent: a header holds printable ASCII only")

    @property
    def url(self) -> str:
        """Where the requests go."""
        return f"http://{self._authority}{self._path}"

    @property
    def _authority(self) -> str:
        return f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"

    def ask(self, request: Request) -> Response:
        """Send one request over a connection of its own.

        Raises:
            OrchestratorError: If nobody answers.
        """
        connection = http.client.HTTPConnection(self._host, self._port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("POST", self._path, request.body, self._headers(request))
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise OrchestratorError(
                f"nobody answers at '{self.url}'",
                details=[("error", str(error) or type(error).__name__)],
                hint="orchestrator local-serve          serves the project at http://127.0.0.1:8080",
            ) from error
        finally:
            connection.close()
        return Response(answer.status, body, fingerprint_of(answer.getheader(CUSTOM_ATTRIBUTES) or ""))

    def run(self, cases: Sequence[Case], pace: Pace) -> Measured:
        """Send the requests of ``cases``, at least one, in turn; an answer is right if its status is."""
        shots = [Shot(self._wire(case.request), case.status) for case in cases]
        return Volley(lambda: Connection(self._host, self._port), shots, pace).measured()

    def _headers(self, request: Request) -> dict[str, str]:
        headers = {"Content-Type": request.content_type, "Accept": request.accept}
        return headers if self._token is None else {**headers, "Authorization": f"Bearer {self._token}"}

    def _wire(self, request: Request) -> bytes:
        fields = {
            "Host": self._authority,
            "Content-Length": str(len(request.body)),
            **self._headers(request),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"POST {self._path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + request.body


def _parts(url: str) -> SplitResult:
    try:
        split = urlsplit(url if "://" in url else f"http://{url}")
        fits = split.scheme == "http" and split.hostname and split.port != 0 and not split.username
    except ValueError:
        fits = None
        split = urlsplit("")
    if not fits or not url.isascii() or not url.isprintable() or " " in url:
        raise SpecError(
            f"'{url}' is not the address of a plain HTTP server",
            details=[("rule", "http://HOST:PORT, with a path if it is not /invocations")],
        )
    return split
