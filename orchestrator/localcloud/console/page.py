"""The console page: files that lie beside this module, sent so that a browser runs nothing else.

The page needs nothing from anywhere else, and no text of a model or a client becomes HTML on it.
"""

from importlib import resources

from starlette.responses import Response

PAGE = "/_local"
"""Where the page is."""

FILES = f"{PAGE}/page/"
"""What it is made of is below it."""

_TYPES = {".css": "text/css", ".js": "text/javascript"}
_FILES = ("page.css", "page_parts.js", "page_charts.js", "page_endpoints.js", "page_live.js")
_POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    # The browser itself then refuses to make HTML of a text.
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
)
_HEADERS = {
    "content-security-policy": "; ".join(_POLICY),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # A local cloud of another version may answer at the same address tomorrow.
    "cache-control": "no-store",
}


def page(path: str) -> Response | None:
    """Return the page, or one of the files it is made of; ``None`` if ``path`` is neither."""
    if path.removesuffix("/") == PAGE:
        return _sent("page.html", "text/html")
    name = path.removeprefix(FILES)
    if name in _FILES:
        return _sent(name, _TYPES[name[name.rindex(".") :]])
    return None


def _sent(name: str, content_type: str) -> Response:
    content = (resources.files(__package__) / name).read_bytes()
    return Response(content, media_type=content_type, headers=_HEADERS)
