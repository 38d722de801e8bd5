"""The parts of a multipart form, as TorchServe 0.12 finds them: Netty's `HttpPostMultipartRequestDecoder`."""

import re
from collections.abc import Iterator

_FORM_DATA = "multipart/form-data"
_PARAMETER = re.compile(r';\s*([^=;\s]+)\s*=\s*("[^"]*"|[^;]*)')
_FILE = "application/octet-stream"
_CONTROL = bytes(range(0x21)) + b"\x7f"

Part = tuple[str, str, bytes]
"""Name, media type, content. A field that is no file has no media type."""


def boundary(content_type: str) -> bytes | None:
    """Return what separates the parts, or ``None`` if Netty takes the body for no such form.

    The media type is compared as it is spelt, the parameter's name is not.
    """
    if not content_type.startswith(_FORM_DATA):
        return None
    for name, value in _PARAMETER.findall(content_type):
        if name.lower() == "boundary":
            return str(value).strip().strip('"').encode("latin-1", "replace")
    return None


def parts(body: bytes, separator: bytes) -> Iterator[Part]:
    """Yield the parts of ``body``; what is cut short is left out.

    Raises:
        ValueError: If a part has no name.
    """
    delimiter = b"\r\n--" + separator
    if not body.lstrip(_CONTROL).startswith(b"--" + separator):
        return  # Netty looks for the first delimiter at the very start, and nowhere else.
    _, *pieces = (b"\r\n" + body).split(delimiter)
    for piece in pieces[:-1] if pieces and not pieces[-1].startswith(b"--") else pieces:
        if piece.startswith(b"--"):
            return
        head, found, content = piece.partition(b"\r\n\r\n")
        if found:
            yield _part(head.decode(errors="replace"), content)


def _part(head: str, content: bytes) -> Part:
    fields = {}
    for line in head.split("\r\n"):
        name, _, value = line.partition(":")
        fields[name.strip().lower()] = value.strip()
    parameters = {
        name.lower(): value.strip().strip('"')
        for name, value in _PARAMETER.findall(fields.get("content-disposition", ""))
    }
    if "name" not in parameters:
        raise ValueError("a part without a name")
    kind = fields.get("content-type", _FILE).partition(";")[0] if "filename" in parameters else ""
    return parameters["name"], kind, content
