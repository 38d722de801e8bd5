"""The bucket: whose and where it is, how it is protected, and whether we may write to it."""

import json
from collections.abc import Callable, Iterator

from orchestrator.core.checkup import Group
from orchestrator.core.errors import CloudError, DeniedError, NotFoundError, ThrottledError, UnreachableError
from orchestrator.core.health import Finding, Severity
from orchestrator.core.names import lock_key
from orchestrator.core.premises import BY_S3, PUBLIC_BLOCKS, Vault
from orchestrator.core.repairs import Deed, Repair
from orchestrator.core.stacks import STACK_TAG
from orchestrator.core.trust import refuses_plain_http
from orchestrator.usecases.examining.scene import Scene
from orchestrator.usecases.examining.table import Check, Where, one_line

# No ETag is like this: whatever lies there, the condition does not hold, and nothing is written.
_NEVER = '"written-by-nobody"'
_ALL_BLOCKED = ",".join(f"{name}=true" for name in PUBLIC_BLOCKS)


def _bucket(scene: Scene) -> Iterator[Finding]:
    target, subject = scene.spec.target, f"bucket {scene.spec.target.bucket}"
    if target.bucket is None:
        what = f"none is set for the environment '{target.environment}'"
        fix = f"orchestrator bootstrap          makes one; or set bucket in [env.{target.environment}]"
        yield Finding(Severity.ERROR, "bucket", what, fix)
        return
    try:
        region = scene.bucket_region
    except NotFoundError:
        what, fix = "it does not exist", "orchestrator bootstrap          makes one"
        yield Finding(Severity.ERROR, subject, what, fix)
        return
    except DeniedError as error:
        owner = dict(error.details).get("owner", "it may be somebody else's")
        fix = "correct bucket or bucket_owner, or let the deployer's role use it"
        yield Finding(Severity.ERROR, subject, f"{one_line(error)}; {owner}", fix)
        return
    if region and region != target.region:
        what = (
            f"it is in '{region}', and the endpoint in '{target.region}': SageMaker does not fetch from there"
        )
        yield Finding(Severity.ERROR, subject, what, f"set bucket to one in {target.region}")


def _write(scene: Scene) -> Iterator[Finding]:
    kept = scene.kept
    try:
        kept.lock.write(b"", over=_NEVER)
        kept.store.keys(lock_key(scene.name))
        kept.lock.read()
    except (ThrottledError, UnreachableError):
        raise
    except CloudError as error:
        rights = "s3:ListBucket, s3:GetObject and s3:PutObject, and its KMS key, enabled"
        fix = f"let the deployer's role read and write it: {rights}"
        yield Finding(Severity.ERROR, f"bucket {scene.spec.target.bucket}", one_line(error), fix)


def _encryption(scene: Scene) -> Iterator[Finding]:
    vault = scene.vault
    if not vault.encryption():
        rules = json.dumps(BY_S3)
        fix = f"aws s3api put-bucket-encryption --bucket {vault.name} --server-side-encryption-configuration"
        repair = _repair(vault, Deed.ENCRYPT, "let S3 encrypt what is new in it")
        yield _weak(vault, "what is new in it is not encrypted by itself", f"{fix} '{rules}'", repair)


def _public_access(scene: Scene) -> Iterator[Finding]:
    vault = scene.vault
    if off := vault.open_to_public():
        what = f"its public access block lacks {', '.join(off)}"
        fix = f"aws s3api put-public-access-block --bucket {vault.name} --public-access-block-configuration"
        repair = _repair(vault, Deed.BLOCK_PUBLIC_ACCESS, "block all public access to it")
        yield _weak(vault, what, f"{fix} {_ALL_BLOCKED}", repair)


def _versioning(scene: Scene) -> Iterator[Finding]:
    vault = scene.vault
    if not vault.keeps_versions():
        what = "it keeps no versions: what is deleted or written over is gone"
        fix = (
            f"aws s3api put-bucket-versioning --bucket {vault.name} --versioning-configuration Status=Enabled"
        )
        yield _weak(vault, what, fix, _repair(vault, Deed.KEEP_VERSIONS, "let it keep versions"))


def _tls(scene: Scene) -> Iterator[Finding]:
    vault = scene.vault
    if not refuses_plain_http(vault.policy()):
        what = "its policy does not deny what comes without TLS (aws:SecureTransport false)"
        yield _weak(vault, what, "orchestrator bootstrap          makes a bucket with such a policy", None)


def _weak(vault: Vault, what: str, fix: str, repair: Repair | None) -> Finding:
    return Finding(Severity.WARNING, f"bucket {vault.name}", what, fix, repair=repair)


def _repair(vault: Vault, deed: Deed, says: str) -> Repair | None:
    """Return the repair of a bucket that `bootstrap` has made; of somebody else's, none."""
    try:
        ours = STACK_TAG in vault.tags()  # CloudFormation passes a stack's tags on to its bucket
    except DeniedError:
        return None
    return Repair(deed, vault.name, f"bucket {vault.name}: {says}") if ours else None


def _check(
    code: str, looks: str, examine: Callable[[Scene], Iterator[Finding]], *, mends: bool
) -> Check[Scene]:
    return Check(code, Group.ACCOUNT, looks, Severity.WARNING, examine, Where.REMOTE, mends)


CHECKS = (
    Check("bucket", Group.ACCOUNT, "the bucket: there, ours, in the region", Severity.ERROR, _bucket),
    Check(
        "bucket-write",
        Group.ACCOUNT,
        "whether we may list, read and write the bucket, by a write that cannot succeed",
        Severity.ERROR,
        _write,
    ),
    _check("bucket-encryption", "the bucket's default encryption", _encryption, mends=True),
    _check("bucket-public-access", "the bucket's public access block", _public_access, mends=True),
    _check("bucket-versioning", "whether the bucket keeps versions", _versioning, mends=True),
    _check("bucket-tls", "whether the bucket's policy refuses plain HTTP", _tls, mends=False),
)
