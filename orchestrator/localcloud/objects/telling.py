"""What S3 says of uploads and of many deletions at once, where moto says less, or something else.

One of the modules that know moto.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from xml.parsers.expat import ExpatError

from moto.core.responses import ActionResult
from moto.s3 import responses
from moto.s3.exceptions import MalformedXML
from moto.s3.models import FakeKey, FakeMultipart
from moto.s3.responses import S3Response

from orchestrator.localcloud.objects.keys import parts_of
from orchestrator.localcloud.objects.multipart import COMPOSITE

_MOST = 1000
_STALE = "At least one of the pre-conditions you specified did not hold"
_BEGIN = FakeMultipart.__init__
_ATTRIBUTES = S3Response.get_object_attributes
_XML: Any = vars(responses)["xmltodict"]
_DELETE_KEYS = S3Response._bucket_response_delete_keys  # noqa: SLF001 - moto's seam


def saying(response: S3Response, more: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
    """Let this answer say what ``more`` makes of what moto is about to say."""
    original = response.serialized

    def serialized(result: Any) -> Any:  # noqa: ANN401 - moto's own
        said = result.result
        return original(ActionResult({**said, **more(said)}) if isinstance(said, dict) else result)

    vars(response)["serialized"] = serialized


def shown_checksum(key: FakeKey | None) -> Mapping[str, str | None]:
    """Return the checksum of an object as answers that name it have it; none if it has none."""
    if key is None or not key.checksum_value or not key.checksum_algorithm:
        return {}
    of_parts = f"-{key.checksum_parts}" if key.checksum_type == COMPOSITE else ""
    return {
        f"Checksum{key.checksum_algorithm}": f"{key.checksum_value}{of_parts}",
        "ChecksumType": key.checksum_type,
    }


def _begin(self: FakeMultipart, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - moto's own
    _BEGIN(self, *arguments, **options)
    vars(self)["initiated"] = dt.datetime.now(dt.UTC)


def _initiated(upload: FakeMultipart) -> dt.datetime:
    moment: dt.datetime = getattr(upload, "initiated", None) or dt.datetime.fromtimestamp(0, dt.UTC)
    return moment


def _list_uploads(self: S3Response) -> Any:  # noqa: ANN401 - moto's own
    """Answer ListMultipartUploads: by key, then by the moment at which each was begun (API reference)."""

    def asked(name: str) -> str:
        return str(self.querystring.get(name, [""])[0])

    uploads = self.backend.list_multipart_uploads(self.bucket_name).values()
    prefix, delimiter, most = asked("prefix"), asked("delimiter"), int(asked("max-uploads") or _MOST)
    found = sorted(
        (each for each in uploads if each.key_name.startswith(prefix)),
        key=lambda each: (each.key_name, _initiated(each), each.id),
    )
    left = _after(found, asked("key-marker"), asked("upload-id-marker"), delimiter)
    entries = _entries(left, prefix, delimiter)
    shown, is_truncated = entries[:most], len(entries) > most
    marks = ("key-marker", "upload-id-marker", "prefix", "delimiter")
    named = zip(("KeyMarker", "UploadIdMarker", "Prefix", "Delimiter"), map(asked, marks), strict=True)
    self.data["Action"] = "ListMultipartUploads"
    result = {
        **{name: value for name, value in named if value or name.endswith("Marker")},
        "Bucket": self.bucket_name,
        "MaxUploads": most,
        "IsTruncated": is_truncated,
        "Uploads": [_told(each, self.current_account) for _, each in shown if each is not None],
        "CommonPrefixes": [{"Prefix": folder} for folder, each in shown if each is None],
    }
    if is_truncated and shown:
        name, last = shown[-1]
        result |= {"NextKeyMarker": name, "NextUploadIdMarker": last.id if last is not None else ""}
    return self.serialized(ActionResult(result))


def _after(found: Sequence[FakeMultipart], name: str, upload: str, delimiter: str) -> Sequence[FakeMultipart]:
    ids = [each.id for each in found]
    if name and upload in ids:
        return found[ids.index(upload) + 1 :]
    is_folder = bool(delimiter) and name.endswith(delimiter)
    return [
        each for each in found if each.key_name > name and not (is_folder and each.key_name.startswith(name))
    ]


def _entries(
    found: Sequence[FakeMultipart], prefix: str, delimiter: str
) -> Sequence[tuple[str, FakeMultipart | None]]:
    """Return keys with their uploads, and folders in the place of what is below them."""
    entries: list[tuple[str, FakeMultipart | None]] = []
    for each in found:
        before, cut, _ = each.key_name[len(prefix) :].partition(delimiter or "\0")
        folder = (f"{prefix}{before}{cut}", None)
        if not cut:
            entries.append((each.key_name, each))
        elif entries[-1:] != [folder]:
            entries.append(folder)
    return entries


def _told(upload: FakeMultipart, account: str) -> Mapping[str, Any]:
    owner = {"ID": account, "DisplayName": account}
    return {
        "Key": upload.key_name,
        "UploadId": upload.id,
        "Initiator": owner,
        "Owner": owner,
        "StorageClass": upload.storage or "STANDARD",
        "Initiated": _initiated(upload),
        "ChecksumAlgorithm": upload.metadata.get("x-amz-checksum-algorithm"),
        "ChecksumType": upload.metadata.get("x-amz-checksum-type"),
    }


def _attributes(self: S3Response) -> Any:  # noqa: ANN401 - moto's own
    """Answer GetObjectAttributes, with the parts: each of them only if they were summed (API reference)."""
    if "ObjectParts" in self.headers.get("x-amz-object-attributes", ""):
        key = self.backend.get_object(
            self.bucket_name, self.parse_key_name(), version_id=self.querystring.get("versionId", [None])[0]
        )
        parts = parts_of(key) if isinstance(key, FakeKey) else []
        if parts:
            is_summed = isinstance(key, FakeKey) and key.checksum_value is not None
            saying(self, lambda _: {"ObjectParts": _parts(self.headers, parts, is_summed)})
    return _ATTRIBUTES(self)


def _parts(headers: Mapping[str, str], parts: Sequence[Any], is_summed: bool) -> Mapping[str, Any]:  # noqa: FBT001 - private
    if not is_summed:
        return {"TotalPartsCount": len(parts)}
    marker, most = (headers.get(f"x-amz-{name}", "") for name in ("part-number-marker", "max-parts"))
    begin, size = (int(each) if each.isdecimal() else None for each in (marker, most))
    left = [part for part in parts if int(part.name) > (begin or 0)]
    size = min(_MOST if size is None else size, _MOST)
    shown = left[:size]
    return {
        "TotalPartsCount": len(parts),
        "PartNumberMarker": begin or 0,
        "NextPartNumberMarker": int(shown[-1].name) if shown else begin or 0,
        "MaxParts": size,
        "IsTruncated": len(left) > size,
        "Parts": [
            {"PartNumber": int(part.name), "Size": part.size}
            | {f"Checksum{name}": value for name, value in part.content.checksums.items()}
            for part in shown
        ],
    }


def _delete_keys(self: S3Response, bucket_name: str, authenticated: bool = True) -> Any:  # noqa: ANN401, FBT001, FBT002 - moto's own
    """Answer DeleteObjects: quiet if asked to, and without what is not as the client has seen it."""
    try:
        order = _XML.parse(self.body, strip_whitespace=False, force_list=("Object",))["Delete"]
        asked = [each for each in order["Object"] if each["Key"]]
    except (ExpatError, KeyError, TypeError) as error:
        raise MalformedXML from error
    if len(asked) > _MOST:
        raise MalformedXML
    stale = [each for each in asked if not _is_as_seen(self, bucket_name, each)]
    errors = [{"Key": each["Key"], "Code": "PreconditionFailed", "Message": _STALE} for each in stale]
    is_quiet = str(order.get("Quiet", "")).strip().lower() == "true"
    saying(
        self,
        lambda said: {
            "Errors": [*said["Errors"], *errors],
            "Deleted": [] if is_quiet else said["Deleted"],
        },
    )
    if len(stale) == len(asked):
        self.data["Action"] = "DeleteObjects"
        return self.serialized(ActionResult({"Deleted": [], "Errors": []}))
    left = [each for each in asked if each not in stale]
    self.body = _XML.unparse({"Delete": {"Object": left}}).encode()
    return _DELETE_KEYS(self, bucket_name, authenticated)


def _is_as_seen(response: S3Response, bucket_name: str, asked: Mapping[str, str]) -> bool:
    wanted = asked.get("ETag")
    if not wanted:
        return True
    key = response.backend.get_object(bucket_name, asked["Key"], version_id=asked.get("VersionId"))
    return isinstance(key, FakeKey) and wanted.strip('"') == key.etag.strip('"')


REPLACED = (
    (FakeMultipart, "__init__", _begin),
    (S3Response, "list_multipart_uploads", _list_uploads),
    (S3Response, "get_object_attributes", _attributes),
    (S3Response, "_bucket_response_delete_keys", _delete_keys),
)
"""What `installing` puts in the place of moto's: whose, its name, and ours."""
