"""What a request has become when TorchServe's worker hands it to the toolkit.

Between the client and the worker is TorchServe's front end, in Java: it parses forms with Netty, makes inputs
of the query's fields, and keeps headers in a `java.util.HashMap`, whose order user code can see. Measured on
TorchServe 0.12.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_plus

from orchestrator.serving.messages import Request
from orchestrator.serving.worker import multipart

BODY = "body"
_URLENCODED = "application/x-www-form-urlencoded"
_HEX = re.compile(rb"%([0-9A-Fa-f]{2})?")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})?")
_CONTENT_TYPE = re.compile("[Cc]ontent-?[Tt]ype")
# `HashMap`: as many buckets, doubled when more than three quarters of them could be taken.
_BUCKETS = 16


class FormError(Exception):
    """A form that Netty refuses, in its own words."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A request as the toolkit sees it.

    Attributes:
        body: The input of that name, ``None`` if there is none.
        properties: What the context calls headers: the type of each input, then the headers.
        content_type: Of the request, by the toolkit's own rule; not always text.
        accept: Likewise; ``None`` or empty if there is none.
        is_form: Whether the front end has parsed the body.
    """

    body: bytearray | None
    properties: dict[str, object]
    content_type: object
    accept: object
    is_form: bool


def arrived(request: Request) -> Arrived:
    """Return ``request`` as the toolkit gets it.

    Raises:
        FormError: If the front end would refuse it.
    """
    headers = in_java_order(dict(request.headers))
    declared = next((value for name, value in request.headers if name.lower() == "content-type"), "")
    inputs, is_form = _inputs(request, declared)
    body = None
    properties: dict[str, object] = {}
    for name, content_type, value in inputs:
        properties[name] = {"content-type": content_type}
        if name == BODY:
            body = value
    properties.update(headers)
    accept = properties.get("Accept") or properties.get("accept")
    return Arrived(body, properties, _content_type(properties), accept, is_form)


def in_java_order(headers: dict[str, str]) -> dict[str, str]:
    """Return ``headers`` in the order of a Java `HashMap` that they were put into one by one.

    >>> list(in_java_order({"X-A": "1", "Host": "h", "Content-Type": "t"}))
    ['Host', 'X-A', 'Content-Type']
    """
    buckets = _BUCKETS
    while len(headers) > buckets * 3 // 4:
        buckets *= 2
    names = sorted(headers, key=lambda name: _java_hash(name) & (buckets - 1))
    return {name: headers[name] for name in names}


@lru_cache(maxsize=1024)
def _java_hash(text: str) -> int:
    """Return what `HashMap` makes of `String.hashCode`; text holds no surrogates."""
    code = 0
    for character in text:
        code = (31 * code + ord(character)) & 0xFFFFFFFF
    return code ^ (code >> 16)


def _content_type(properties: Iterable[tuple[str, object]] | dict[str, object]) -> object:
    for name, value in dict(properties).items():
        if _CONTENT_TYPE.match(name):
            return value
    return None


_Input = tuple[str, str, bytearray]


def _inputs(request: Request, declared: str) -> tuple[list[_Input], bool]:
    inputs = list(_of_query(request.query)) if request.query else []
    boundary = multipart.boundary(declared)
    if boundary is not None:
        try:
            parts = list(multipart.parts(request.body, boundary))
        except ValueError as error:
            raise FormError(str(error)) from error
        return [*inputs, *((name, kind, bytearray(value)) for name, kind, value in parts)], True
    media_type = declared.partition(";")[0]
    if media_type.lower() == _URLENCODED:
        return [*inputs, *_of_form(request.body)], True
    return [*inputs, (BODY, media_type, bytearray(request.body))], False


def _of_query(query: str) -> Iterator[_Input]:
    """Yield the fields of a query; Netty keeps those of one name together."""
    fields: dict[str, list[str]] = {}
    for field in re.split("[&;]", query.partition("#")[0]):
        name, _, value = field.partition("=")
        if name:
            fields.setdefault(_unquoted(name), []).append(_unquoted(value))
    for name, values in fields.items():
        for value in values:
            yield (name, "", bytearray(value.encode()))


def _unquoted(text: str) -> str:
    return unquote_plus(text, errors="replace")


def _of_form(body: bytes) -> Iterator[_Input]:
    """Yield the fields of a urlencoded body, in order, as Netty's `HttpPostStandardRequestDecoder` does."""
    rest = body
    while rest:
        equals, ampersand = rest.find(b"="), rest.find(b"&")
        if equals < 0 and ampersand < 0:
            return  # A name without a sign after it is dropped.
        if 0 <= ampersand < equals or equals < 0:
            yield (_name(rest[:ampersand]), "", bytearray())
            rest = rest[ampersand + 1 :]
            continue
        name = _name(rest[:equals])
        value, end, rest = _until(rest[equals + 1 :])
        yield (name, "", bytearray(_value(value)))
        if end in {b"\r", b"\n"}:
            return


def _until(text: bytes) -> tuple[bytes, bytes, bytes]:
    """Return a value, the sign that ends it, and what follows: a line's end ends the form."""
    found = re.search(rb"[&\r\n]", text)
    if found is None:
        return text, b"", b""
    if found.group() == b"\r" and text[found.end() : found.end() + 1] not in {b"", b"\n"}:
        raise FormError("Bad end of line")
    return text[: found.start()], found.group(), text[found.end() :]


def _name(raw: bytes) -> str:
    text = raw.decode(errors="replace")
    if any(found.group(1) is None for found in _ESCAPE.finditer(text)):
        raise FormError(f"Bad string: '{text}'")
    name = unquote_plus(text, errors="replace").replace("\r", " ").replace("\t", " ").strip()
    if not name:
        raise FormError("java.lang.IllegalArgumentException: empty name")
    return name


def _value(raw: bytes) -> bytes:
    for found in _HEX.finditer(raw):
        if found.group(1) is None:
            text = raw.decode(errors="replace")
            raise FormError(f"Invalid hex byte at index '{found.start()}' in string: '{text}'")
    return _HEX.sub(lambda found: bytes.fromhex(found.group(1).decode()), raw.replace(b"+", b" "))
