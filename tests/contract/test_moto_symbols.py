"""Every name of moto that the local cloud relies on: they are internal to moto and may move.

Looked up in a process of its own, since importing moto changes every boto3 session made later.
"""

import subprocess
import sys

SYMBOLS = [
    ("moto.applicationautoscaling.models", "ScalableDimensionValueSet"),
    ("moto.cloudwatch.exceptions", "CloudWatchException"),
    ("moto.cloudwatch.models", "CloudWatchBackend"),
    ("moto.cloudwatch.models", "cloudwatch_backends"),
    ("moto.cloudwatch.responses", "CloudWatchResponse"),
    ("moto.core.request", "PRESERVED_HEADER_NAMES_ENVIRON_KEY"),
    ("moto.core.request", "environ_key_for_header"),
    ("moto.core.request", "should_preserve_original_header_name"),
    ("moto.core.resource_tagging", "TaggedResource"),
    ("moto.iam.exceptions", "NotFoundException"),
    ("moto.core.responses", "ActionResult"),
    ("moto.core.responses", "EmptyResult"),
    ("moto.events.models", "Rule"),
    ("moto.events.models", "events_backends"),
    ("moto.events.utils", "EventTemplateParser"),
    ("moto.cloudformation.models", "ChangeSet"),
    ("moto.cloudformation.models", "Stack"),
    ("moto.cloudformation.parsing", "NULL_MODELS"),
    ("moto.cloudformation.parsing", "get_model_map"),
    ("moto.iam.exceptions", "MalformedPolicyDocument"),
    ("moto.iam.policy_validation", "IAMPolicyDocumentValidator"),
    ("moto.iam.models", "get_account_id_from"),
    ("moto.iam.models", "iam_backends"),
    ("moto.moto_server.werkzeug_app", "DomainDispatcherApplication"),
    ("moto.moto_server.werkzeug_app", "create_backend_app"),
    ("moto.resourcegroupstaggingapi.models", "iter_taggable_backends"),
    ("moto.s3.exceptions", "MissingBucket"),
    ("moto.s3.models", "FakeDeleteMarker"),
    ("moto.s3.models", "S3Backend"),
    ("moto.s3.models", "s3_backends"),
    ("moto.sns.models", "sns_backends"),
    ("moto.backends", "get_backend"),
    ("moto.core.base_backend", "BackendDict"),
    ("moto.core.common_models", "BaseModel"),
    ("moto.core.model_instances", "reset_model_data"),
    ("moto.iam.access_control", "PermissionResult"),
    ("moto.kms.models", "kms_backends"),
    ("moto.s3.models", "FakeBucket"),
    ("moto.s3.models", "FakeKey"),
    ("moto.s3.models", "FakeMultipart"),
    ("moto.s3.models", "S3_UPLOAD_PART_MIN_SIZE"),
    ("moto.s3.responses", "ACTION_MAP"),
    ("moto.s3.responses", "S3Response"),
    ("moto.s3.responses", "compute_checksum"),
    ("moto.s3.utils", "bucket_policy_is_public"),
    ("moto.sts.models", "sts_backends"),
    ("moto.settings", "DISABLE_GLOBAL_CORS"),
    ("moto.utilities.utils", "get_partition"),
]


CLAIMS = [
    "settings.DISABLE_GLOBAL_CORS is True",
    "request.should_preserve_original_header_name('x-amz-meta-my_key')",
    "not request.should_preserve_original_header_name('x-amz-acl')",
    "request.environ_key_for_header('x-amz-meta-my_key') == 'HTTP_X_AMZ_META_MY_KEY'",
    "request.PRESERVED_HEADER_NAMES_ENVIRON_KEY == 'moto.preserved_header_names'",
    "models.get_account_id_from('local') == '123456789012'",
]


def wanting(program: str) -> str:
    """Return what ``program`` prints, run in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"MOTO_DISABLE_GLOBAL_CORS": "true"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


def test_every_symbol_that_we_use_is_there() -> None:
    missing = f"[s for s in {SYMBOLS!r} if not hasattr(importlib.import_module(s[0]), s[1])]"
    assert wanting(f"import importlib; print({missing})") == "[]"


def test_they_mean_what_we_take_them_to_mean() -> None:
    imports = "from moto import settings; from moto.core import request; from moto.iam import models"
    assert wanting(f"{imports}; print([c for c in {CLAIMS!r} if not eval(c)])") == "[]"
