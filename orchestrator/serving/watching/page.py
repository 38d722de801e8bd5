"""The page for developers: one HTML document that needs nothing from anywhere else, and what it asks for.

Only for a server on a loopback address: it shows tracebacks. Its scripts and styles lie beside this module
and are put into the document when the server starts; the browser runs them by their digests and nothing else,
whatever a model or a client manages to get onto the page.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib import resources

from orchestrator.core.golden import Case
from orchestrator.serving.messages import Headers, Response
from orchestrator.serving.ports import Asked, OnPart, Situation
from orchestrator.serving.watching.recent import Recent

# In this order: each uses functions of those before it.
_SCRIPTS = ("page_parts.js", "page_answer.js", "page_form.js", "page_live.js")
_STYLE = "page.css"
_HTML = "text/html"
_EXACT = 0.0


class Page:
    """A `Room` with the page at ``/`` and its sources of facts under ``/_local/``.

    ``/`` is for browsers alone: who does not accept HTML gets the container's answer. ``/_local/state`` is
    what changes, ``/_local/cases`` what does not.

    Args:
        recent: What has happened lately.
        look: Returns how the workers are now.
        cases: Golden cases to choose from.
        atol: How far a number in an answer may be from the expected one.
        facts: What else is worth knowing, such as the program and the limits: names and values for people.
    """

    def __init__(
        self,
        recent: Recent,
        look: Callable[[], Situation],
        *,
        cases: Sequence[Case] = (),
        atol: float = _EXACT,
        facts: Mapping[str, object] | None = None,
    ) -> None:
        self._recent = recent
        self._look = look
        self._document, self._policy = _document()
        shown = {"cases": [_case(case) for case in cases], "atol": atol, "facts": dict(facts or {})}
        self._cases = json.dumps(shown).encode()

    async def answer(self, asked: Asked, on_part: OnPart) -> Response | None:  # noqa: ARG002 - a room's signature
        """Return the page, or what it asks for."""
        if asked.method != "GET":
            return None
        match asked.path:
            case "/" if _accepts_html(asked.request.headers):
                return self._response(f"{_HTML}; charset=utf-8", self._document)
            case "/_local/state":
                return self._response("application/json", self._state())
            case "/_local/cases":
                return self._response("application/json", self._cases)
            case _:
                return None

    def _state(self) -> bytes:
        situation = self._look()
        shown = {
            **self._recent.shown(),
            "workers": [asdict(worker) for worker in situation.workers],
            "waiting": situation.waiting,
            "describes": situation.describes,
        }
        return json.dumps(shown, default=str).encode()

    def _response(self, content_type: str, body: bytes) -> Response:
        headers = (
            ("content-type", content_type),
            ("content-security-policy", self._policy),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
        )
        return Response(200, headers, body)


def _document() -> tuple[bytes, str]:
    """Return the document and the policy that lets its own scripts and styles through."""
    script = "\n".join(_text(name) for name in _SCRIPTS)
    style = _text(_STYLE)
    document = _text("page.html").replace("/*style*/", style).replace("/*script*/", script)
    policy = (
        "default-src 'none'",
        f"script-src {_source(script)}",
        f"style-src {_source(style)}",
        "connect-src 'self'",
        "img-src data: blob:",
        "media-src blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        # The browser itself then refuses to make HTML of a text.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
    return document.encode(), "; ".join(policy)


def _text(name: str) -> str:
    return (resources.files(__package__) / name).read_text("utf-8")


def _source(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _accepts_html(headers: Headers) -> bool:
    return any(name.lower() == "accept" and _HTML in value.lower() for name, value in headers)


def _case(case: Case) -> dict[str, object]:
    return {
        "name": case.name,
        "content_type": case.request.content_type,
        "accept": case.request.accept,
        "body_base64": base64.b64encode(case.request.body).decode(),
        "status": case.status,
        # As text: what Python takes for JSON may hold NaN, which would make the whole list unreadable.
        "expected": json.dumps(case.expected),
    }
