"""Names of SageMaker resources and S3 keys, derived from their content.

SageMaker models and endpoint configs are immutable and are referred to by name. A name that is a
function of the content makes creating them idempotent, and lets a whole plan be resolved before the
first call.

Limits are those of the SageMaker service model (2017-07-24): at most 63 characters, letters, digits
and inner hyphens. botocore does not check them on the client's side, so we do.
"""

import hashlib
import json
import re
from collections.abc import Mapping

MAX_LENGTH = 63
RULE = f"1 to {MAX_LENGTH} letters, digits and hyphens, none at either end: CreateEndpoint"
"""What `is_valid` holds of an endpoint's name, in words."""
_DIGEST_LENGTH = 12
_STEM_LENGTH = MAX_LENGTH - _DIGEST_LENGTH - 1
_SHORT_DIGEST_LENGTH = 8
_VALID = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_KEY_ROOT = "orchestrator"


def canonical(content: object) -> bytes:
    """Return the one JSON spelling of ``content`` that digests are taken of.

    >>> canonical({"b": 1, "a": ["x"]})
    b'{"a":["x"],"b":1}'
    """
    return json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode()


def digest(content: Mapping[str, object]) -> str:
    """Return a short, stable digest of JSON-serialisable content: 12 hexadecimal digits."""
    return hashlib.sha256(canonical(content)).hexdigest()[:_DIGEST_LENGTH]


def stem(endpoint: str) -> str:
    """Return what every resource name of ``endpoint`` begins with: the name itself where there is room.

    A name that has to be cut gets a digest of the whole, so that two long names with a common
    beginning never share their resources.

    >>> stem("digits")
    'digits'
    """
    if len(endpoint) <= _STEM_LENGTH:
        return endpoint
    mark = hashlib.sha256(endpoint.encode()).hexdigest()[:_SHORT_DIGEST_LENGTH]
    return f"{endpoint[: _STEM_LENGTH - _SHORT_DIGEST_LENGTH - 1].rstrip('-')}-{mark}"


def content_name(endpoint: str, content: Mapping[str, object]) -> str:
    """Return the name of one of ``endpoint``'s resources: its stem and the digest of ``content``.

    >>> content_name("fraud", {"image": "pytorch:2.9"})
    'fraud-d8eea35fcfe0'
    """
    return f"{stem(endpoint)}-{digest(content)}"


def is_content_name(name: str, endpoint: str) -> bool:
    """Tell whether ``name`` has the form that `content_name` gives to a resource of ``endpoint``.

    >>> is_content_name("fraud-d8eea35fcfe0", "fraud"), is_content_name("fraud-eu-d8eea35fcfe0", "fraud")
    (True, False)
    """
    return re.fullmatch(rf"{re.escape(stem(endpoint))}-[0-9a-f]{{{_DIGEST_LENGTH}}}", name) is not None


def is_valid(name: str) -> bool:
    """Tell whether SageMaker accepts ``name`` for a model, an endpoint config or an endpoint.

    The service model's pattern alone allows more than 63 characters (its ``-*`` is unbounded), so
    the length is checked as well.

    >>> is_valid("digits"), is_valid("no_underscores"), is_valid("-x"), is_valid("a" * 64)
    (True, False, False, False)
    """
    return len(name) <= MAX_LENGTH and _VALID.fullmatch(name) is not None


def artifacts_prefix(endpoint: str) -> str:
    """Return what the keys of all artifacts of ``endpoint`` begin with."""
    return f"{_KEY_ROOT}/{endpoint}/artifacts/"


def artifact_key(endpoint: str, identity: str) -> str:
    """Return the S3 key of the archive whose manifest has the digest ``identity``."""
    return f"{artifacts_prefix(endpoint)}{identity}/model.tar.gz"


def artifact_prefix(endpoint: str, identity: str) -> str:
    """Return what the keys of an uncompressed artifact's files begin with; S3Prefix wants the final ``/``.

    >>> artifact_prefix("digits", "1f0c")
    'orchestrator/digits/artifacts/1f0c/model/'
    """
    return f"{artifacts_prefix(endpoint)}{identity}/model/"


def golden_key(endpoint: str, identity: str) -> str:
    """Return the S3 key of the golden cases whose content has the digest ``identity``."""
    return f"{_KEY_ROOT}/{endpoint}/golden/{identity}.json"


def journal_prefix(endpoint: str) -> str:
    """Return what the keys of all journal entries of ``endpoint`` begin with."""
    return f"{_KEY_ROOT}/{endpoint}/journal/"


def journal_key(endpoint: str, number: int) -> str:
    """Return the S3 key of journal entry ``number`` (from 1).

    >>> journal_key("digits", 1)
    'orchestrator/digits/journal/000001.json'
    """
    return f"{journal_prefix(endpoint)}{number:06d}.json"


def head_key(endpoint: str) -> str:
    """Return the S3 key of the journal's head."""
    return f"{_KEY_ROOT}/{endpoint}/journal-head.json"


def lock_key(endpoint: str) -> str:
    """Return the S3 key of the endpoint's lock."""
    return f"{_KEY_ROOT}/{endpoint}/lock.json"


def input_key(endpoint: str, digest: str) -> str:
    """Return the S3 key of the body of an asynchronous request whose content has this digest."""
    return f"{_KEY_ROOT}/{endpoint}/inputs/{digest}"
