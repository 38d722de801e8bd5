"""Who may ask: pure rules about a request's headers.

A page of any site can have the browser of whoever runs this server send requests to it: Host and Origin tell
them apart (DNS rebinding, cross-site requests). Whoever else can reach the server has to know its token.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.serving import answers
from orchestrator.serving.messages import Response

RawHeaders = Sequence[tuple[bytes, bytes]]
"""Names in lower case, and values, as ASGI has them."""

_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
_SCHEME = b"bearer"
# What a browser says of a request that its user, or a page of this very server, has made.
# https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header
_OWN_SITES = frozenset({b"same-origin", b"none"})
_PAGE = b"/"


@dataclass(frozen=True, slots=True)
class Access:
    """The rules of one server; see `local` and `guarded`.

    Attributes:
        hosts: The names that a request's Host may have, without port; `None` accepts any.
        token_digest: Of the token that a request has to carry: SHA-256, so that no dump of memory or of this
            value shows the token itself; `None` asks for none.
    """

    hosts: frozenset[str] | None = None
    token_digest: bytes | None = None

    def refusal(self, path: bytes, headers: RawHeaders, *, is_free: bool = False) -> Response | None:
        """Return why a request is not answered, or ``None`` if it is.

        Args:
            path: As it came. A link on another site may lead to the page at ``/``, and nowhere else.
            headers: All of the request's.
            is_free: Whether the token is not asked for: those who look after the server, such as a load
                balancer, ask for ``/ping`` and do not know it.
        """
        named = {name: value for name, value in headers if name in _READ}
        for name, value in headers:
            if name == b"host" and not self._is_own(value):
                return answers.misdirected(value.decode("latin-1"))
        origin = named.get(b"origin")
        if origin is not None and origin.lower() not in _origins(named.get(b"host", b"")):
            return answers.foreign_origin(origin.decode("latin-1"))
        if named.get(b"sec-fetch-site", b"none") not in _OWN_SITES and path != _PAGE:
            return answers.foreign_origin("another site")
        if not is_free and not self._knows_token(named.get(b"authorization", b"")):
            return answers.unauthorized()
        return None

    def _is_own(self, host: bytes) -> bool:
        return self.hosts is None or _without_port(host.decode("latin-1")).lower() in self.hosts

    def _knows_token(self, authorization: bytes) -> bool:
        if self.token_digest is None:
            return True
        scheme, _, token = authorization.partition(b" ")
        given = hashlib.sha256(token.strip()).digest()
        return scheme.lower() == _SCHEME and hmac.compare_digest(given, self.token_digest)


_READ = frozenset({b"host", b"origin", b"sec-fetch-site", b"authorization"})


def local(host: str, address: str, token: str | None = None) -> Access:
    """Return the rules of a server that listens on a loopback ``address`` under the name ``host``.

    >>> local("127.0.0.1", "127.0.0.1").refusal(b"/ping", [(b"host", b"evil.example")]).status
    421
    """
    own = {host.lower(), f"[{address}]" if ":" in address else address}
    return Access(_LOCAL_HOSTS | own, None if token is None else _digest(token))


def guarded(token: str) -> Access:
    """Return the rules of a server that others can reach: whoever asks has to know ``token``.

    >>> guarded("s3cret").refusal(b"/invocations", [(b"authorization", b"Bearer guess")]).status
    401
    """
    return Access(None, _digest(token))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _origins(host: bytes) -> tuple[bytes, bytes]:
    return b"http://" + host.lower(), b"https://" + host.lower()


def _without_port(host: str) -> str:
    name, separator, port = host.rpartition(":")
    return name if separator and port.isdigit() else host
