"""moto's S3 keys and multipart uploads, with what is in them in files of a `content.Store`.

One of the modules that know moto; its names are pinned by ``tests/contract/test_moto_symbols.py``. moto looks
its classes and functions up by name at each use: what is put in their place here works at once.
"""

import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from moto.core.common_models import BaseModel
from moto.s3 import models
from moto.s3.exceptions import EntityTooSmall, InvalidPart, InvalidPartOrder, MalformedXML
from moto.s3.models import FakeKey, FakeMultipart, S3Backend

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.objects import multipart
from orchestrator.localcloud.objects.checksums import Algorithm, Digests, written
from orchestrator.localcloud.objects.content import Content, Store
from orchestrator.localcloud.objects.multipart import Order, Part

_MIN_PART_BYTES: int = vars(models)["S3_UPLOAD_PART_MIN_SIZE"]
_COPY_OBJECT = S3Backend.copy_object


class Carried(bytes):
    """Stands for a content where moto passes an object's bytes on."""

    content: Content

    def __new__(cls, content: Content) -> "Carried":  # noqa: PYI034 - it has no subclasses
        """Return a stand-in for ``content``; it is itself empty."""
        made = super().__new__(cls)
        made.content = content
        return made

    def __bool__(self) -> bool:
        """Return true: moto would put other bytes in its place."""
        return True


class Key(FakeKey):
    """A version of an object."""

    store: Store
    """Where bytes are kept that moto's own services write; set by `installing`."""

    content = Content()

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - moto's own
        super().__init__(*arguments, **options)
        self.checksum_type = self.checksum_type or multipart.FULL_OBJECT

    @property
    def value(self) -> bytes:
        """All of it: for moto's own services, of which none reads large objects."""
        return self.content.read()

    @value.setter
    def value(self, given: bytes | str) -> None:
        raw = given.encode() if isinstance(given, str) else given
        self.content = raw.content if isinstance(raw, Carried) else self.store.kept(raw)
        self.contentsize = self.content.size

    @property
    def etag(self) -> str:
        """Its ETag, quoted."""
        if self._etag is None:
            self._etag = self.content.hashed()
        return f'"{self._etag}"'

    def set_metadata(self, metadata: Any, replace: bool = False) -> None:  # noqa: ANN401, FBT001, FBT002 - moto's own
        """Keep what the client has said of the object, but not what it has said of the request."""
        super().set_metadata(metadata, replace)
        for name in ("content-md5", "x-amz-checksum-type", "x-amz-checksum-algorithm"):
            self._metadata.pop(name, None)

    def dispose(self, garbage: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - moto's own
        """Let go of moto's own buffer. The files go with the last reference to them."""
        if "_value_buffer" in vars(self):  # not yet, in one that could not be made
            self._value_buffer.close()
        self.disposed = True

    def __getstate__(self) -> dict[str, Any]:
        """Return what is remembered of it: of its content, where it is."""
        return {name: value for name, value in vars(self).items() if name not in {"_value_buffer", "lock"}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what was remembered of it."""
        self.__dict__.update(state)
        self._value_buffer = tempfile.SpooledTemporaryFile()  # noqa: SIM115 - moto's, and never used
        self.lock = threading.Lock()

    def __deepcopy__(self, _: Any) -> "Key":  # noqa: ANN401 - the library's
        """Return this very key: moto copies each key to list versions, and then only reads them."""
        return self


class Shown:
    """A key for moto to look at, whose bytes are not read for it.

    Args:
        key: It.
        value: Stands for what is in it.
    """

    def __init__(self, key: Key, value: object) -> None:
        self._key = key
        self.value = value

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever it is of the key
        """Return what the key has."""
        return getattr(self._key, name)


def _complete(
    self: FakeMultipart, order: Order | Iterable[tuple[int, str]]
) -> tuple[Carried, str, tuple[str, str, int] | None]:
    """Make one content of the parts: nothing is copied.

    Raises:
        ApiError: If the object is not what the client says it is.
    """
    asked = order if isinstance(order, Order) else Order(tuple(Part(*each) for each in order))
    numbers = [part.number for part in asked.parts]
    if not numbers:
        raise MalformedXML
    if sorted(set(numbers)) != numbers:
        raise InvalidPartOrder
    contents = [_part(self.parts.get(part.number), part) for part in asked.parts]
    if any(content.size < _MIN_PART_BYTES for content in contents[:-1]):
        raise EntityTooSmall
    content, etag, checksum = multipart.completed(contents, asked, _summed(self.metadata))
    # The others are no part of the object, and go.
    self.partlist, self.parts = numbers, {number: self.parts[number] for number in numbers}
    return Carried(content), etag, checksum


def _part(key: Any, asked: Part) -> Content:  # noqa: ANN401 - one of moto's keys or nothing
    if key is None or key.etag.strip('"') != asked.etag.strip('"'):
        raise InvalidPart
    content: Content = key.content
    verified = content.checksums
    if any(verified.get(name, checksum) != checksum for name, checksum in asked.checksums.items()):
        raise InvalidPart
    return Content(content.pieces, content.hashed(), content.checksums)


def _summed(metadata: Mapping[str, str]) -> multipart.Summing | None:
    name = metadata.get("x-amz-checksum-algorithm")
    if not name or name not in set(Algorithm):
        return None
    algorithm = Algorithm(name)
    usual = multipart.FULL_OBJECT if algorithm is Algorithm.CRC64NVME else multipart.COMPOSITE
    return multipart.Summing(algorithm, metadata.get("x-amz-checksum-type") or usual)


def _copy_object(self: S3Backend, src_key: Key, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - moto's own
    shown: Any = Shown(src_key, Carried(Content(src_key.content.pieces, src_key.content.md5)))
    _COPY_OBJECT(self, shown, *arguments, **options)
    made: Any = self.get_object(options.get("dest_bucket_name") or arguments[0], arguments[1])
    # A copy is one object, however its source was uploaded (S3 user guide, "Checking object integrity").
    if made is not None:
        made.multipart, made.checksum_type, made.checksum_parts = None, multipart.FULL_OBJECT, None
        if src_key.checksum_type == multipart.COMPOSITE and src_key.checksum_algorithm:
            made.checksum_value = checksum_of(made.content, Algorithm(src_key.checksum_algorithm))


def checksum_of(content: Content, algorithm: Algorithm) -> str:
    """Return a checksum of ``content``, and read all of it if need be."""
    if algorithm in content.checksums:
        return content.checksums[algorithm]
    digests = Digests([algorithm])
    for chunk in content.chunks():
        digests.update(chunk)
    return written(digests.of(algorithm))


def _upload_part_copy(  # noqa: PLR0913, PLR0917 - moto's own
    self: S3Backend,
    dest_bucket_name: str,
    multipart_id: str,
    part_id: int,
    src_bucket_name: str,
    src_key_name: str,
    src_version_id: str | None,
    start_byte: int | None,
    end_byte: int | None,
) -> FakeKey:
    uploading = self.get_bucket(dest_bucket_name).multiparts[multipart_id]
    source: Any = self.get_object(src_bucket_name, src_key_name, version_id=src_version_id)
    begin, end = start_byte or 0, source.size if end_byte is None else end_byte + 1
    if not begin < end <= source.size and source.size:
        raise ApiError(
            "InvalidArgument", f"Range specified is not valid for source object of size: {source.size}"
        )
    content = source.content.between(begin, end)
    digests = Digests([summing.algorithm] if (summing := _summed(uploading.metadata)) else [])
    for chunk in content.chunks():
        digests.update(chunk)
    checksums = {str(each): written(digests.of(each)) for each in digests.algorithms}
    return uploading.set_part(
        part_id, Carried(Content(content.pieces, digests.md5.digest().hex(), checksums))
    )


def _untracked(cls: type[BaseModel], *_: object, **__: object) -> BaseModel:
    return object.__new__(cls)


def upload_algorithm(metadata: Mapping[str, str]) -> Algorithm | None:
    """Return what the parts of an upload are to be summed with, if anything."""
    summing = _summed(metadata)
    return summing.algorithm if summing else None


def parts_of(key: FakeKey) -> Sequence[FakeKey]:
    """Return the parts that ``key`` was uploaded in, in order; none if it was uploaded at once."""
    return [key.multipart.parts[number] for number in key.multipart.partlist] if key.multipart else []


REPLACED = (
    # moto remembers every object of every service until it is reset, for a page that is closed here.
    (BaseModel, "__new__", _untracked),
    (models, "FakeKey", Key),
    (FakeMultipart, "complete", _complete),
    (S3Backend, "copy_object", _copy_object),
    (S3Backend, "upload_part_copy", _upload_part_copy),
)
"""What `installing` puts in the place of moto's: whose, its name, and ours."""
