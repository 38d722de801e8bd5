"""Who may do what to a bucket and its objects: policies, public access blocks, owners, expiry, keys of KMS.

One of the modules that know moto. No signature is ever checked: nobody's secret is known here.
"""

import datetime as dt
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from moto.iam.access_control import PermissionResult
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends
from moto.s3.models import FakeBucket, s3_backends
from moto.s3.responses import ACTION_MAP, S3Response
from moto.s3.utils import bucket_policy_is_public
from moto.sts.models import sts_backends

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.objects.policies import Asked, Decision, decide, parsed
from orchestrator.localcloud.objects.presigned import check_expiry

CALLER = "orchestrator.caller"
"""Where a request's ASGI scope has its `wire.Caller`."""

_ALL_USERS = ("global/AllUsers", "global/AuthenticatedUsers")
_PUBLIC_ACLS = {"public-read", "public-read-write", "authenticated-read"}
# What the account that owns a bucket can always do, or a wrong policy would lock it for ever (S3 user guide).
_ALWAYS = {"s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"}
# moto's names of what it asks `get_permission` for that are no actions of S3.
_ACTIONS = {
    "s3:HeadObject": "s3:GetObject",
    "s3:PostObject": "s3:PutObject",
    "s3:OptionsObject": "s3:GetObject",
}
_OBJECT_ACTIONS = {
    ("GET", "attributes"): "GetObjectAttributes",
    ("GET", "retention"): "GetObjectRetention",
    ("GET", "legal-hold"): "GetObjectLegalHold",
    ("PUT", "retention"): "PutObjectRetention",
    ("PUT", "legal-hold"): "PutObjectLegalHold",
    ("DELETE", "tagging"): "DeleteObjectTagging",
}
_UNUSABLE = {"Disabled": "KMS.DisabledException", "PendingDeletion": "KMS.KMSInvalidStateException"}

_PRESENT: ContextVar[Asked | None] = ContextVar("asked", default=None)


def denied(message: str = "Access Denied") -> ApiError:
    """Return S3's refusal."""
    return ApiError("AccessDenied", message, status=403)


def check_key(response: S3Response, request: Any) -> None:  # noqa: ANN401 - werkzeug's
    """Check a request for an object.

    Raises:
        ApiError: If it is refused.
    """
    bucket = _bucket(response)
    if bucket is None:
        return
    _check_request(request, bucket)
    query = request.args
    asked = _asked(response, request, _action("KEY", request.method, query))
    upload = bucket.multiparts.get(query.get("uploadId", ""))
    if upload is not None and upload.sse_encryption:
        # Parts are judged by what their upload was begun with.
        known = {"s3:x-amz-server-side-encryption": upload.sse_encryption}
        if upload.kms_key_id:
            known["s3:x-amz-server-side-encryption-aws-kms-key-id"] = upload.kms_key_id
        asked = replace(asked, context={**known, **asked.context})
    decision = _judge(bucket, asked)
    block = bucket.public_access_block
    if not asked.principals and decision is not Decision.ALLOWED and block and block.ignore_public_acls:
        raise denied()
    _check_acl(request, bucket)
    _check_encryption(response, request, bucket)


def check_bucket(response: S3Response, request: Any) -> None:  # noqa: ANN401 - werkzeug's
    """Check a request for a bucket.

    Raises:
        ApiError: If it is refused, or puts a policy that is none.
    """
    bucket = _bucket(response)
    if bucket is None:
        return
    _check_request(request, bucket)
    asked = _asked(response, request, _action("BUCKET", request.method, request.args))
    if request.method != "POST":
        _judge(bucket, asked)
    _PRESENT.set(asked)
    _check_acl(request, bucket)
    if request.method == "PUT" and "policy" in request.args:
        parsed(response.body, _arn(bucket))
        block = bucket.public_access_block
        if block and block.block_public_policy and bucket_policy_is_public(response.body):
            raise denied("because public policies are prevented by the BlockPublicPolicy setting")


def _bucket(response: S3Response) -> FakeBucket | None:
    account = s3_backends.bucket_accounts.get(response.bucket_name)
    if account is None:
        return None
    partition, owner = account
    found: FakeBucket | None = s3_backends[owner][partition].buckets.get(response.bucket_name)
    return found


def _arn(bucket: FakeBucket) -> str:
    return f"arn:{bucket.partition}:s3:::{bucket.name}"


def _check_request(request: Any, bucket: FakeBucket) -> None:  # noqa: ANN401 - werkzeug's
    check_expiry(request.args, dt.datetime.now(dt.UTC))
    owner = request.headers.get("x-amz-expected-bucket-owner")
    if owner and owner != bucket.account_id:
        raise denied()
    owner = request.headers.get("x-amz-source-expected-bucket-owner")
    source = request.headers.get("x-amz-copy-source", "").lstrip("/").partition("/")[0]
    if owner and source and s3_backends.bucket_accounts.get(source, ("", owner))[1] != owner:
        raise denied()


def _action(kind: str, method: str, query: Mapping[str, str]) -> str:
    for name in query:
        if kind == "KEY" and (method, name) in _OBJECT_ACTIONS:
            return f"s3:{_OBJECT_ACTIONS[method, name]}"
    actions: Mapping[str, str] = ACTION_MAP[kind].get(method, {})
    names = {"publicAccessBlock": "public_access_block"}
    named = [actions[names.get(each, each)] for each in query if names.get(each, each) in actions]
    return f"s3:{named[0] if named else actions.get('DEFAULT', 'PutObject')}"


def _asked(response: S3Response, request: Any, action: str) -> Asked:  # noqa: ANN401 - werkzeug's
    bucket = response.bucket_name
    key = response.parse_key_name() if response.get_safe_path().strip("/") else ""
    resource = f"arn:{response.partition}:s3:::{bucket}" + (f"/{key}" if key else "")
    principals = _principals(response, request)
    return Asked(action, resource, principals, _context(response, request, principals))


def _principals(response: S3Response, request: Any) -> frozenset[str]:  # noqa: ANN401 - werkzeug's
    """Return whatever a policy may name the caller by; keys that nobody has made are the account's own."""
    signed = "Authorization" in request.headers or "Signature=" in request.url
    if not signed:
        return frozenset()
    account, partition = response.current_account, response.partition
    root = {account, f"arn:{partition}:iam::{account}:root"}
    key = request.environ["asgi.scope"][CALLER].access_key
    role = sts_backends[account][partition].get_assumed_role_from_access_key(key)
    if role is not None:
        return frozenset({*root, role.arn, role.role_arn})
    user = iam_backends[account][partition].get_user_from_access_key_id(key)
    return frozenset({*root, user.arn} if user is not None else root)


def _context(response: S3Response, request: Any, principals: frozenset[str]) -> Mapping[str, str]:  # noqa: ANN401 - werkzeug's
    now = dt.datetime.now(dt.UTC)
    context = {
        # Plain HTTP counts as secure: there is no other here.
        "aws:securetransport": "true",
        "s3:tlsversion": "1.3",
        "aws:sourceip": request.remote_addr or "127.0.0.1",
        "aws:currenttime": now.isoformat(),
        "aws:epochtime": str(int(now.timestamp())),
        "aws:useragent": request.headers.get("User-Agent", ""),
        "s3:signatureversion": "AWS4-HMAC-SHA256",
    }
    if "Referer" in request.headers:
        context["aws:referer"] = request.headers["Referer"]
    if principals:
        named = sorted(each for each in principals if each.startswith("arn:") and not each.endswith(":root"))
        context["aws:principalaccount"] = response.current_account
        context["aws:principalarn"] = named[0] if named else min(each for each in principals if ":" in each)
    context |= {
        f"s3:{name}": request.args[name]
        for name in ("prefix", "delimiter", "max-keys")
        if name in request.args
    }
    if "versionId" in request.args:
        context["s3:versionid"] = request.args["versionId"]
    return context | {
        f"s3:{name.lower()}": value
        for name, value in request.headers.items()
        if name.lower().startswith("x-amz-")
    }


def _judge(bucket: FakeBucket, asked: Asked) -> Decision:
    _PRESENT.set(asked)
    decision = _decided(bucket, asked)
    is_root = all(each.isdecimal() or each.endswith(":root") for each in asked.principals)
    if decision is Decision.DENIED and not (asked.principals and is_root and asked.action in _ALWAYS):
        raise denied()
    return decision


def _decided(bucket: FakeBucket, asked: Asked) -> Decision:
    if bucket.policy is None:
        return Decision.NEUTRAL
    try:
        policy = parsed(bucket.policy, _arn(bucket))
    except ApiError:  # one that came by another way than PutBucketPolicy
        return Decision.NEUTRAL
    decision = decide(policy, asked)
    block = bucket.public_access_block
    if decision is Decision.ALLOWED and not asked.principals and block and block.restrict_public_buckets:
        return Decision.NEUTRAL
    return decision


def _permission(self: FakeBucket, action: str, resource: str) -> PermissionResult:
    """Say what the bucket's policy says, where moto asks."""
    present = _PRESENT.get()
    if present is None:
        return PermissionResult.NEUTRAL
    decision = _decided(self, replace(present, action=_ACTIONS.get(action, action), resource=resource))
    return {
        Decision.ALLOWED: PermissionResult.PERMITTED,
        Decision.DENIED: PermissionResult.DENIED,
        Decision.NEUTRAL: PermissionResult.NEUTRAL,
    }[decision]


def _check_acl(request: Any, bucket: FakeBucket) -> None:  # noqa: ANN401 - werkzeug's
    block = bucket.public_access_block
    if request.method not in {"PUT", "POST"} or not block or not block.block_public_acls:
        return
    granted = " ".join(
        value for name, value in request.headers.items() if name.lower().startswith("x-amz-grant-")
    )
    if request.headers.get("x-amz-acl") in _PUBLIC_ACLS or any(group in granted for group in _ALL_USERS):
        raise denied()


def _check_encryption(response: S3Response, request: Any, bucket: FakeBucket) -> None:  # noqa: ANN401 - werkzeug's
    """Refuse what needs a key of KMS that cannot be used.

    Raises:
        ApiError: If the key is disabled or is going to be deleted.
    """
    if request.method in {"GET", "HEAD"}:
        key = response.backend.get_object(
            bucket.name, response.parse_key_name(), request.args.get("versionId")
        )
        needed = key.kms_key_id if key is not None else None
    else:
        rule = (bucket.encryption or {}).get("Rule", {}).get("ApplyServerSideEncryptionByDefault", {})
        needed = request.headers.get("x-amz-server-side-encryption-aws-kms-key-id") or rule.get(
            "KMSMasterKeyID"
        )
    if needed:
        _check_kms(needed, bucket)


def _check_kms(name: str, bucket: FakeBucket) -> None:
    region, account = (
        name.split(":")[3:5] if name.startswith("arn:") else (bucket.region_name, bucket.account_id)
    )
    backend = kms_backends[account][region]
    key = backend.keys.get(backend.any_id_to_key_id(name) if not name.startswith("alias/aws/") else "")
    if key is not None and key.key_state in _UNUSABLE:
        words = "is disabled" if key.key_state == "Disabled" else "is pending deletion"
        raise ApiError(_UNUSABLE[key.key_state], f"{key.arn} {words}.")


REPLACED = ((FakeBucket, "get_permission", _permission),)
"""What `installing` puts in the place of moto's: whose, its name, and ours."""
