"""How a bucket of S3 is kept: encryption, public access, versions, policy, tags."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.adapters.refusals import code_of
from orchestrator.adapters.store.bucket import Bucket
from orchestrator.core.premises import BY_S3, PUBLIC_BLOCKS

# What S3 answers where a bucket has none: API reference, GetBucketPolicy and its neighbours.
_NONE_CODES = {
    "NoSuchBucketPolicy",
    "NoSuchPublicAccessBlockConfiguration",
    "NoSuchTagSet",
    "ServerSideEncryptionConfigurationNotFoundError",
}


class BucketVault:
    """The `Vault` port on a bucket."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    @property
    def name(self) -> str:
        """The bucket's."""
        return self._bucket.name

    def encryption(self) -> str:
        """Return what new objects are encrypted with unless they say otherwise; empty for nothing."""
        found = self._asked("get_bucket_encryption").get("ServerSideEncryptionConfiguration", {})
        algorithms = (
            str(rule.get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm", ""))
            for rule in found.get("Rules", ())
        )
        return next(filter(None, algorithms), "")

    def open_to_public(self) -> Sequence[str]:
        """Return the settings of the public access block that are off."""
        found = self._asked("get_public_access_block").get("PublicAccessBlockConfiguration", {})
        return tuple(name for name in PUBLIC_BLOCKS if not found.get(name))

    def keeps_versions(self) -> bool:
        """Tell whether what is deleted or written over is kept."""
        return bool(self._asked("get_bucket_versioning").get("Status") == "Enabled")

    def policy(self) -> Mapping[str, object]:
        """Return the bucket's policy; empty where it has none."""
        text = self._asked("get_bucket_policy").get("Policy", "{}")
        try:
            found = json.loads(text)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def tags(self) -> Mapping[str, str]:
        """Return the bucket's tags."""
        return {pair["Key"]: pair["Value"] for pair in self._asked("get_bucket_tagging").get("TagSet", ())}

    def encrypt(self) -> None:
        """Let everything new be encrypted with S3's own keys."""
        self._set("put_bucket_encryption", ServerSideEncryptionConfiguration=BY_S3)

    def block_public_access(self) -> None:
        """Let nothing make the bucket, or what is in it, public."""
        blocks = dict.fromkeys(PUBLIC_BLOCKS, True)
        self._set("put_public_access_block", PublicAccessBlockConfiguration=blocks)

    def keep_versions(self) -> None:
        """Let it keep what is deleted or written over."""
        self._set("put_bucket_versioning", VersioningConfiguration={"Status": "Enabled"})

    def _asked(self, operation: str) -> Mapping[str, Any]:
        with self._bucket.translated(f"looking at bucket '{self.name}' ({operation})"):
            try:
                found: Mapping[str, Any] = self._bucket.call(operation)
            except ClientError as error:
                if code_of(error) in _NONE_CODES:
                    return {}
                raise
        return found

    def _set(self, operation: str, **arguments: object) -> None:
        with self._bucket.translated(f"protecting bucket '{self.name}'"):
            self._bucket.call(operation, **arguments)
