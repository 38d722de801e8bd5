"""What our templates ask for, before anything is deployed: linted, sized, held against our own code."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from orchestrator.adapters.store.bucket import Bucket
from orchestrator.core import names
from orchestrator.localcloud.objects import policies
from tests.support.infra_templates import FOLDER, Resolved, parsed

BOTH = ("account", "endpoint")
PSEUDO = {
    "AWS::AccountId": "111111111111",
    "AWS::Partition": "aws-cn",
    "AWS::Region": "cn-north-1",
    "AWS::StackName": "stack",
    "AWS::URLSuffix": "amazonaws.com.cn",
}
BUCKET_ARN = "arn:aws-cn:s3:::models"
KEY_ARN = "arn:aws-cn:kms:cn-north-1:111111111111:key/1234"

# The pages on quotas of CloudFormation, IAM and KMS, and the S3 user guide on bucket policies. In bytes or in
# characters, and all of these are ASCII.
_MOST = {"template": 51_200, "managed policy": 6_144, "bucket policy": 20_480, "key policy": 32_768}


def _account(**parameters: str) -> Resolved:
    found = parsed("account")
    physical = {name: f"stack-{name}" for name in found["Resources"]}
    arns = {f"{name}.Arn": f"arn:aws-cn:x:::{name}" for name in found["Resources"]}
    return Resolved(
        found, parameters, PSEUDO, physical, {**arns, "Bucket.Arn": BUCKET_ARN, "Key.Arn": KEY_ARN}
    )


def test_cfn_lint_finds_nothing_in_three_partitions() -> None:
    linter = str(Path(sys.executable).with_name("cfn-lint"))
    regions = ["eu-west-1", "us-east-1", "cn-north-1", "us-gov-west-1"]
    templates = [str(FOLDER / f"{name}.yaml") for name in BOTH]
    command = [linter, "-c", "I", "-r", *regions, "--", *templates]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("name", BOTH)
def test_a_template_names_no_account_partition_or_region(name: str) -> None:
    text = (FOLDER / f"{name}.yaml").read_text("utf-8")
    assert re.findall(r"arn:aws:|\b\d{12}\b|\b[a-z]{2}-[a-z]+-\d\b", text) == []
    assert len(text.encode()) <= _MOST["template"]


def test_no_policy_is_larger_than_its_service_takes() -> None:
    # With everything that parameters can add.
    account = _account(
        EndpointPrefix="a" * 40,
        GitHubSubject="repo:acme/models:environment:production",
        GitLabSubject="project_path:acme/models:ref_type:branch:ref:main",
        GitHubPlanSubjects="repo:acme/models:pull_request",
        GitLabPlanSubject="project_path:acme/models:ref_type:branch:ref:*",
        VpcId="vpc-0123456789abcdef0",
    )
    kinds = {name: resource["Type"] for name, resource in account.resources().items()}
    sizes = {
        ("managed policy", name): account.properties(name)["PolicyDocument"]
        for name, kind in kinds.items()
        if kind == "AWS::IAM::ManagedPolicy"
    }
    sizes["bucket policy", "BucketPolicy"] = account.properties("BucketPolicy")["PolicyDocument"]
    sizes["key policy", "Key"] = account.properties("Key")["KeyPolicy"]
    too_large = {
        name: length
        for (kind, name), policy in sizes.items()
        if (length := len(json.dumps(policy, separators=(",", ":")))) > _MOST[kind]
    }
    assert too_large == {}


def test_what_would_lose_revisions_or_the_journal_is_kept() -> None:
    resources = parsed("account")["Resources"] | parsed("endpoint")["Resources"]
    kept = {name for name, resource in resources.items() if resource.get("DeletionPolicy") == "Retain"}
    assert kept == {"Bucket", "BucketPolicy", "Key", "EventLog", "Log"}
    assert all(resources[name]["UpdateReplacePolicy"] == "Retain" for name in kept)


# --------------------------------------------------------------------------------------------- the bucket


def _our_keys(endpoint: str) -> Iterator[str]:
    yield names.artifact_key(endpoint, "1f0c")
    yield names.artifact_prefix(endpoint, "1f0c") + "captured/async/weights"
    yield names.golden_key(endpoint, "1f0c")
    yield names.journal_key(endpoint, 1)
    yield names.head_key(endpoint)
    yield names.lock_key(endpoint)
    yield names.input_key(endpoint, "1f0c")


@pytest.mark.parametrize("endpoint", ["digits", "captured", "async", "c", "a" * 63])
def test_no_rule_ends_the_current_version_of_anything_of_ours(endpoint: str) -> None:
    rules = _account().properties("Bucket")["LifecycleConfiguration"]["Rules"]
    ending = [rule for rule in rules if set(rule) & {"ExpirationInDays", "ExpirationDate"}]
    assert ending
    touched = [
        (key, rule["Id"])
        for rule in ending
        for key in _our_keys(endpoint)
        if key.startswith(rule.get("Prefix", ""))
    ]
    assert touched == []
    known = {"Id", "Status", "Prefix", "ExpirationInDays", "ExpiredObjectDeleteMarker"}
    known |= {"NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"}
    assert all(set(rule) <= known for rule in rules)


def _bucket_decides(action: str, key: str, **context: str) -> policies.Decision:
    document = json.dumps(_account().properties("BucketPolicy")["PolicyDocument"]).encode()
    said = {name.replace("__", ":").replace("_", "-"): value for name, value in context.items()}
    asked = policies.Asked(action, f"{BUCKET_ARN}/{key}", frozenset({"*"}), said)
    return policies.decide(policies.parsed(document, BUCKET_ARN), asked)


_SSE, _KEY_ID = "s3__x_amz_server_side_encryption", "s3__x_amz_server_side_encryption_aws_kms_key_id"
_CUSTOMER = "s3__x_amz_server_side_encryption_customer_algorithm"


def _ours(kms_key: str | None) -> dict[str, str]:
    """Return what our adapter says of the encryption of what it writes."""
    said = Bucket(lambda _service: None, "models", kms_key=kms_key).encryption
    spoken = {"ServerSideEncryption": _SSE, "SSEKMSKeyId": _KEY_ID}
    return {spoken[name]: value for name, value in said.items()}


@pytest.mark.parametrize("kms_key", [KEY_ARN, None])
def test_what_the_orchestrator_uploads_is_let_through(kms_key: str | None) -> None:
    for key in _our_keys("digits"):
        assert _bucket_decides("s3:PutObject", key, **_ours(kms_key)) is policies.Decision.NEUTRAL


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("captured/digits/a.jsonl", {}),
        ("captured/digits/a.jsonl", {_SSE: "aws:kms", _KEY_ID: KEY_ARN}),
        ("async/digits/a.out", {_SSE: "aws:kms"}),  # as SageMaker may write where the spec names no key
        ("orchestrator/digits/artifacts/1f0c/model.tar.gz", {}),  # a part of an upload says nothing
    ],
)
def test_encryption_with_our_key_or_by_default_is_let_through(key: str, said: Mapping[str, str]) -> None:
    assert _bucket_decides("s3:PutObject", key, **said) is policies.Decision.NEUTRAL


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("captured/digits/a.jsonl", {_SSE: "AES256"}),
        ("captured/digits/a.jsonl", {_SSE: "aws:kms", _KEY_ID: KEY_ARN + "5"}),
        ("captured/digits/a.jsonl", {_CUSTOMER: "AES256"}),
        ("orchestrator/digits/artifacts/1f0c/model.tar.gz", {_SSE: "AES256"}),
        ("orchestrator/digits/artifacts/1f0c/model.tar.gz", {_SSE: "aws:kms"}),  # the key of AWS for S3
        ("orchestrator/digits/journal/000001.json", {_SSE: "aws:kms:dsse", _KEY_ID: KEY_ARN}),
    ],
)
def test_no_or_other_encryption_is_refused(key: str, said: Mapping[str, str]) -> None:
    assert _bucket_decides("s3:PutObject", key, **said) is policies.Decision.DENIED


def test_plain_http_is_refused_and_tls_is_not() -> None:
    for secure, decision in (("false", policies.Decision.DENIED), ("true", policies.Decision.NEUTRAL)):
        found = _bucket_decides("s3:GetObject", "captured/a", aws__securetransport=secure)
        assert found is decision


@pytest.mark.parametrize("action", ["s3:DeleteObject", "s3:DeleteObjectVersion"])
def test_nobody_deletes_an_entry_of_the_journal_and_a_lock_can_be_let_go(action: str) -> None:
    journal, lock = names.journal_key("digits", 7), names.lock_key("digits")
    assert _bucket_decides(action, journal) is policies.Decision.DENIED
    assert _bucket_decides(action, lock) is policies.Decision.NEUTRAL


def test_object_lock_is_there_only_if_it_is_asked_for() -> None:
    free, locked = _account(), _account(ObjectLockDays="30", ObjectLockMode="COMPLIANCE")
    assert not {"ObjectLockEnabled", "ObjectLockConfiguration"} & set(free.properties("Bucket"))
    retention = {"Mode": "COMPLIANCE", "Days": "30"}
    assert locked.properties("Bucket")["ObjectLockConfiguration"]["Rule"] == {"DefaultRetention": retention}


def test_the_key_decrypts_for_nobody_but_through_a_service() -> None:
    reads = {"kms:Decrypt", "kms:GenerateDataKey", "kms:GenerateDataKey*", "kms:*"}
    for statement in _account().properties("Key")["KeyPolicy"]["Statement"]:
        if reads & set(statement["Action"]) and "AWS" in statement["Principal"]:
            assert "kms:ViaService" in statement["Condition"]["StringLike"]


# -------------------------------------------------------------------------------------------------- events


def test_the_rule_matches_both_kinds_of_events_whichever_way_they_spell_a_status() -> None:
    everything = _account().properties("DeploymentEvents")["EventPattern"]
    assert set(everything) == {"source", "detail-type"}
    prefixed = _account(EndpointPrefix="fraud").properties("DeploymentEvents")["EventPattern"]
    assert prefixed["detail"] == {"EndpointName": [{"prefix": "fraud"}]}
