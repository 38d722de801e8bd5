"""moto's answers of S3, where bodies pass it by and where it says less, or something else, than S3.

One of the modules that know moto; its names are pinned by ``tests/contract/test_moto_symbols.py``.
"""

import functools
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from xml.dom import minidom
from xml.parsers.expat import ExpatError

from moto.s3 import responses
from moto.s3.exceptions import MalformedXML, MissingKey, NoSuchUpload, PreconditionFailed
from moto.s3.responses import S3Response

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.objects import multipart, refusing
from orchestrator.localcloud.objects.checksums import Algorithm, digest, written
from orchestrator.localcloud.objects.content import Content
from orchestrator.localcloud.objects.guarding import check_bucket, check_key
from orchestrator.localcloud.objects.keys import (
    Carried,
    Key,
    Shown,
    checksum_of,
    parts_of,
    upload_algorithm,
)
from orchestrator.localcloud.objects.multipart import Order, Part
from orchestrator.localcloud.objects.telling import saying, shown_checksum

RECEIVED, SENT = "orchestrator.received", "orchestrator.sent"
"""Where a request's ASGI scope has the content that came with it, and gets the one that its answer is."""

_READS = {"GET", "HEAD", "OPTIONS"}
# moto's dictionaries are not made for writers at once: a look and the write after it belong together.
WRITING = threading.RLock()

_Answer = tuple[int, dict[str, str], Any]

_SETUP = S3Response.setup_class
_KEY, _KEY_INNER = S3Response.key_response, S3Response._key_response  # noqa: SLF001 - moto's seam
_BUCKET, _BUCKET_INNER = S3Response.bucket_response, S3Response._bucket_response  # noqa: SLF001 - moto's seam
_GET, _GET_KEY, _HEAD = S3Response.get_object, S3Response._get_key, S3Response.head_object  # noqa: SLF001 - moto's seam
_UPLOAD_PART = S3Response.upload_part
_POST = S3Response._key_response_post  # noqa: SLF001 - moto's seam


class View:
    """A content where moto's answers have bytes: its length and slices are enough for them.

    Args:
        content: It.
    """

    def __init__(self, content: Content) -> None:
        self.content = content

    def __len__(self) -> int:
        """Return its size in bytes."""
        return self.content.size

    def __getitem__(self, part: slice) -> "View":
        """Return a part of it."""
        begin, end, _ = part.indices(len(self))
        return View(self.content.between(begin, end))


def _setup_class(self: S3Response, request: Any, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - moto's own
    _SETUP(self, request, *arguments, **options)
    content = request.environ.get("asgi.scope", {}).get(RECEIVED)
    if content is not None:
        self.body = self.raw_body = Carried(content)


def _guard(method: str) -> AbstractContextManager[object]:
    return nullcontext() if method in _READS else WRITING


def _passing_by(original: Callable[..., _Answer]) -> Callable[..., _Answer]:
    """Let the content of an answer go past moto, and one request write at a time."""

    @functools.wraps(original)
    def answer(self: S3Response, request: Any, full_url: str, headers: Any) -> _Answer:  # noqa: ANN401 - moto's own
        with _guard(request.method):
            status, found, body = original(self, request, full_url, headers)
        if isinstance(body, View):
            request.environ["asgi.scope"][SENT] = body.content
            body = b""
        return status, found, body

    return answer


def _key_inner(self: S3Response, request: Any, full_url: str) -> Any:  # noqa: ANN401 - moto's own
    check_key(self, request)
    refusing.check_key(self, request, self.backend.buckets.get(self.bucket_name))
    refusing.check_source(self, request.headers)
    if "x-amz-copy-source" in request.headers or "uploadId" in request.args:
        _check_conditions(self, request)
    return _KEY_INNER(self, request, full_url)


def _check_conditions(self: S3Response, request: Any) -> None:  # noqa: ANN401 - moto's own
    """Check what moto takes no notice of where an object is made without a body.

    Raises:
        PreconditionFailed: If the object is not what the client has seen.
        MissingKey: If it is not there at all.
    """
    if request.method not in {"PUT", "POST"} or "partNumber" in request.args:
        return
    name = self.parse_key_name()
    key, wanted = self.backend.get_object(self.bucket_name, name), request.headers.get("If-Match")
    if request.headers.get("If-None-Match") == "*" and key is not None:
        raise PreconditionFailed("If-None-Match")
    if wanted and key is None:
        raise MissingKey(key=name)
    if wanted and key is not None and wanted.strip('"') != key.etag.strip('"'):
        raise PreconditionFailed("If-Match")


def _bucket_inner(self: S3Response, request: Any, full_url: str) -> Any:  # noqa: ANN401 - moto's own
    check_bucket(self, request)
    refusing.check_bucket(self, request)
    return _BUCKET_INNER(self, request, full_url)


def _get_object(self: S3Response) -> Any:  # noqa: ANN401 - moto's own
    found: tuple[Any, bool] = _GET_KEY(self)
    key, not_modified = found
    shown: Any = Shown(key, View(key.content) if key.size else b"")
    # For this answer only.
    vars(self)["_get_key"] = lambda: (shown, not_modified)
    answer: Any = _GET(self)
    status, headers, body = answer
    if "x-amz-checksum-type" not in headers and headers.get(
        f"x-amz-checksum-{key.checksum_algorithm}".lower()
    ):
        headers["x-amz-checksum-type"] = key.checksum_type
    number = self._get_int_param("partNumber")
    if number and (parts := parts_of(key)) and isinstance(body, View):
        return _one_part(number, parts, headers, body)
    return status, headers, body


def _one_part(number: int, parts: Any, headers: dict[str, str], body: View) -> _Answer:  # noqa: ANN401 - keys
    if number > len(parts):
        raise _unsatisfiable()
    begin = sum(part.size for part in parts[: number - 1])
    end = begin + parts[number - 1].size
    headers |= {
        "content-range": f"bytes {begin}-{end - 1}/{len(body)}",
        "content-length": str(end - begin),
        "x-amz-mp-parts-count": str(len(parts)),
    }
    return 206, headers, body[begin:end]


def _unsatisfiable() -> ApiError:
    return ApiError("InvalidPartNumber", "The requested partnumber is not satisfiable", status=416)


def _head_object(self: S3Response, bucket_name: str, query: Any, key_name: str, headers: Any) -> Any:  # noqa: ANN401 - moto's own
    version, number = query.get("versionId", [None])[0], self._get_int_param("partNumber")
    whole = self.backend.get_object(bucket_name, key_name, version)
    if number and isinstance(whole, Key) and whole.multipart and number not in whole.multipart.parts:
        raise _unsatisfiable()
    status, found, body = _HEAD(self, bucket_name, query, key_name, headers)
    key = self.backend.get_object(bucket_name, key_name, version)
    name = f"x-amz-checksum-{key.checksum_algorithm}".lower() if key else ""
    if key and found.get(name):
        found["x-amz-checksum-type"] = key.checksum_type
        if key.checksum_type == multipart.COMPOSITE:
            found[name] = f"{key.checksum_value}-{key.checksum_parts}"
    return status, found, body


def _upload_part(self: S3Response) -> Any:  # noqa: ANN401 - moto's own
    upload_id = self._get_param("uploadId")
    uploading = self.backend.get_bucket(self.bucket_name).multiparts.get(upload_id)
    if uploading is None:
        raise NoSuchUpload(upload_id=upload_id)
    algorithm = upload_algorithm(uploading.metadata)
    if algorithm is not None and isinstance(self.body, Carried):
        # What the client has not summed as it said it would is summed here.
        content = self.body.content
        sums = {str(algorithm): checksum_of(content, algorithm)}
        self.body = Carried(Content(content.pieces, content.md5, sums))
    return _UPLOAD_PART(self)


def _key_response_post(self: S3Response, request: Any, body: bytes, *rest: Any) -> Any:  # noqa: ANN401 - moto's own
    if "uploadId" in request.args:
        name = self.parse_key_name()
        saying(self, lambda _: shown_checksum(self.backend.get_object(self.bucket_name, name)))
    if "uploads" not in request.args:
        return _POST(self, request, body, *rest)
    kind, name = (self.headers.get(f"x-amz-checksum-{each}", "") for each in ("type", "algorithm"))
    linear = {str(each) for each in Algorithm if each.is_linear}
    if kind == multipart.FULL_OBJECT and name not in linear:
        raise _unfit(kind, name)
    if kind == multipart.COMPOSITE and name == Algorithm.CRC64NVME:
        raise _unfit(kind, name)
    return _POST(self, request, body, *rest)


def _unfit(kind: str, name: str) -> ApiError:
    return ApiError(
        "InvalidRequest",
        f"The {kind} checksum type cannot be used with the {name.lower()} checksum algorithm.",
    )


def _order(self: S3Response, body: bytes) -> Order:
    """Read CompleteMultipartUpload, all of it.

    Raises:
        MalformedXML: If it is none.
    """
    if b"<!" in body:
        raise MalformedXML  # entities could make it as long as they like
    try:
        document = minidom.parseString(body)  # noqa: S318 - see the line above
        parts = tuple(_part(each) for each in document.getElementsByTagName("Part"))
    except (ExpatError, IndexError, ValueError) as error:
        raise MalformedXML from error
    given = {each: self.headers.get(each.header) for each in Algorithm}
    size = self.headers.get("x-amz-mp-object-size", "")
    return Order(
        parts,
        {str(name): value for name, value in given.items() if value},
        self.headers.get("x-amz-checksum-type", ""),
        int(size) if size.isdecimal() else None,
    )


def _part(element: Any) -> Part:  # noqa: ANN401 - minidom has no types for it
    def text(name: str) -> str:
        (found,) = element.getElementsByTagName(name)
        return "".join(node.data for node in found.childNodes).strip()

    checksums = {str(each): f"Checksum{each}" for each in Algorithm}
    return Part(
        int(text("PartNumber")),
        text("ETag"),
        {name: text(tag) for name, tag in checksums.items() if element.getElementsByTagName(tag)},
    )


def _compute_checksum(body: bytes, algorithm: str, encode_base64: bool = True) -> bytes:  # noqa: FBT001, FBT002 - moto's own
    if algorithm not in set(Algorithm):
        raise ApiError("InvalidRequest", f"Checksum algorithm provided is unsupported: {algorithm}")
    made = digest(Algorithm(algorithm))
    made.update(body)
    return written(made.digest()).encode() if encode_base64 else made.digest()


REPLACED = (
    (S3Response, "setup_class", _setup_class),
    (S3Response, "key_response", _passing_by(_KEY)),
    (S3Response, "bucket_response", _passing_by(_BUCKET)),
    (S3Response, "_key_response", _key_inner),
    (S3Response, "_bucket_response", _bucket_inner),
    (S3Response, "get_object", _get_object),
    (S3Response, "head_object", _head_object),
    (S3Response, "upload_part", _upload_part),
    (S3Response, "_key_response_post", _key_response_post),
    (S3Response, "_complete_multipart_body", _order),
    (responses, "compute_checksum", _compute_checksum),
)
"""What `installing` puts in the place of moto's: whose, its name, and ours."""
