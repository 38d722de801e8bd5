"""Objects, looked up in this process: a model of several GB is not sent to ourselves over HTTP.

One of the modules that know moto.
"""

import io
from typing import BinaryIO

from moto.s3.exceptions import MissingBucket
from moto.s3.models import s3_backends
from moto.utilities.utils import get_partition

from orchestrator.localcloud.objects.content import CHUNK_BYTES, Reader
from orchestrator.localcloud.objects.keys import Key
from orchestrator.localcloud.world import Scope


def size(scope: Scope, bucket: str, key: str) -> int | None:
    """Return the size of an object in bytes, or ``None`` if there is none."""
    found = _key(scope, bucket, key)
    return None if found is None else found.content.size


def opened(scope: Scope, bucket: str, key: str) -> BinaryIO | None:
    """Return what is in an object as a stream, or ``None`` if there is none.

    It stays as it was when it was opened, whatever becomes of the object meanwhile.
    """
    found = _key(scope, bucket, key)
    return None if found is None else io.BufferedReader(Reader(found.content), CHUNK_BYTES)


def _key(scope: Scope, bucket: str, key: str) -> Key | None:
    try:
        found = s3_backends[scope.account][get_partition(scope.region)].get_object(bucket, key)
    except MissingBucket:
        return None
    return found if isinstance(found, Key) else None
