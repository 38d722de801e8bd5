"""Both templates, deployed: everything they ask for is there, by the word of each service, not of the stack.

Two witnesses: MiniStack, which others wrote, and our own local cloud. Neither enforces a policy.
"""

import json
import subprocess
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from orchestrator.localcloud.defaults import ACCESS_KEY, ACCOUNT, REGION, SECRET_KEY
from tests.support import ministack
from tests.support.clouds import local_cloud
from tests.support.infra_stacks import Stack, Witness

pytestmark = pytest.mark.slow

_MINISTACK, _LOCAL = "MiniStack", "local cloud"

ACCOUNT_PARAMETERS = {
    "AccessLogBucket": "access-logs",
    "BucketName": "acme-models",
    "CaptureDays": "14",
    "DeployerPrincipals": "arn:aws:iam::999999999999:role/ci,arn:aws:iam::999999999999:role/people",
    "EndpointPrefix": "fraud",
    "GitHubPlanSubjects": "repo:acme/models:pull_request,repo:acme/models:ref:refs/heads/main",
    "GitHubSubject": "repo:acme/models:ref:refs/heads/main",
    "GitLabPlanSubject": "project_path:acme/models:ref_type:branch:ref:*",
    "GitLabSubject": "project_path:acme/models:ref_type:branch:ref:main",
    "LogDays": "30",
    "NoncurrentDays": "45",
    "NotificationEmail": "oncall@example.com",
    "ObjectLockDays": "10",
    "PlannerPrincipals": "arn:aws:iam::999999999999:role/plans",
    "VpcId": "vpc-0123456789abcdef0",
}
"""Each with a value that is not its default, so that a parameter that goes nowhere shows."""

CHANGING = {**ACCOUNT_PARAMETERS, "BucketName": "acme-changing"}

ENDPOINT_PARAMETERS = {
    "BacklogSeconds": "120",
    "DiskPercent": "60",
    "EndpointName": "fraud-eu",
    "ErrorShare": "0.02",
    "FailedRequests": "3",
    "LatencyMicroseconds": "250000",
    "MemoryPercent": "70",
    "ModelErrorShare": "0.1",
    "RetentionDays": "30",
    "VariantName": "blue",
    "VirtualCpus": "8",
}

_BY_MINISTACK = "MiniStack 1.5.33 drops it without a word; the local cloud keeps it and gives it back"

NOT_KEPT = {
    _MINISTACK: {
        "AWS::S3::Bucket: BucketEncryption": _BY_MINISTACK,
        "AWS::S3::Bucket: LifecycleConfiguration": _BY_MINISTACK,
        "AWS::S3::Bucket: LoggingConfiguration": _BY_MINISTACK,
        "AWS::S3::Bucket: ObjectLock": _BY_MINISTACK,
        "AWS::SNS::Topic: KmsMasterKeyId": _BY_MINISTACK,
    },
    _LOCAL: {},
}
"""What a witness does not keep, by the beginning of its path, and why."""


@pytest.fixture(scope="module", params=[_MINISTACK, _LOCAL])
def witness(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    folder = tmp_path_factory.mktemp("witness")
    if request.param == _LOCAL:
        keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY}
        with local_cloud(folder / "state") as cloud:
            found = Witness(_LOCAL, cloud.url, ACCOUNT, REGION, keys)
            yield found
            found.close()
        return
    try:
        environment = ministack.installed()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"MiniStack cannot be installed here: {error.stderr}")
    with ministack.ministack(environment, folder) as url:
        keys = {"aws_access_key_id": ministack.ACCOUNT, "aws_secret_access_key": "secret"}
        found = Witness(_MINISTACK, url, ministack.ACCOUNT, ministack.REGION, keys)
        yield found
        found.close()


@pytest.fixture(scope="module")
def logs_bucket(witness: Witness) -> None:
    s3 = witness.client("s3")
    s3.create_bucket(Bucket="access-logs", CreateBucketConfiguration={"LocationConstraint": witness.region})
    writing = {
        "Effect": "Allow",
        "Principal": {"Service": "logging.s3.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::access-logs/*",
    }
    policy = {"Version": "2012-10-17", "Statement": [writing]}
    s3.put_bucket_policy(Bucket="access-logs", Policy=json.dumps(policy))


@pytest.fixture(scope="module")
def standing(witness: Witness, logs_bucket: None) -> Stack:
    """A stack of the account, to look at."""
    stack = Stack(witness, "account", "orchestrator-account")
    stack.change(**ACCOUNT_PARAMETERS)
    return stack


@pytest.fixture
def account(witness: Witness, logs_bucket: None) -> Iterator[Stack]:
    """A stack of the account that is gone afterwards, with what it keeps."""
    stack = Stack(witness, "account", "orchestrator-changing")
    stack.change(**CHANGING)
    kept = stack.physical()
    yield stack
    _gone(stack)
    witness.client("s3").delete_bucket(Bucket=kept["Bucket"])
    witness.client("logs").delete_log_group(logGroupName=kept["EventLog"])


@pytest.fixture
def endpoint(witness: Witness) -> Iterator[Stack]:
    """A stack of an endpoint, that can be made with any parameters."""
    stack = Stack(witness, "endpoint", "orchestrator-endpoint-fraud-eu")
    yield stack
    log = stack.physical()["Log"]
    _gone(stack)
    witness.client("logs").delete_log_group(logGroupName=log)


def _gone(stack: Stack) -> None:
    try:
        stack.delete()
    except ClientError as error:
        assert "does not exist" in str(error)  # noqa: PT017 - a stack that a test has deleted is what is wanted


def _unexcused(witness: Witness, missing: set[str]) -> set[str]:
    excuses = NOT_KEPT[witness.name]
    return {path for path in missing if not any(path.startswith(start) for start in excuses)}


def _topic(witness: Witness) -> str:
    return f"arn:aws:sns:{witness.region}:{witness.account}:alarms"


def test_everything_that_the_account_template_asks_for_is_there(standing: Stack) -> None:
    missing = standing.missing(**ACCOUNT_PARAMETERS)
    assert _unexcused(standing.witness, missing) == set()
    # What is excused is missing indeed: a witness that has learnt it loses its excuse.
    excused = NOT_KEPT[standing.witness.name]
    assert [start for start in excused if not any(path.startswith(start) for path in missing)] == []


@pytest.mark.parametrize("mode", ["realtime", "serverless", "async"])
def test_everything_that_the_endpoint_template_asks_for_is_there(endpoint: Stack, mode: str) -> None:
    here = f"{endpoint.witness.region}:{endpoint.witness.account}"
    parameters = {
        **ENDPOINT_PARAMETERS,
        "KeyArn": f"arn:aws:kms:{here}:key/1234abcd",
        "Mode": mode,
        "TopicArn": _topic(endpoint.witness),
    }
    endpoint.change(**parameters)
    assert _unexcused(endpoint.witness, endpoint.missing(**parameters)) == set()


def test_the_outputs_are_what_a_spec_needs(standing: Stack) -> None:
    resolved = standing.resolved(ACCOUNT_PARAMETERS)
    wanted = {name: resolved.value(output["Value"]) for name, output in resolved.template["Outputs"].items()}
    assert standing.outputs() == wanted
    assert wanted["BucketOwner"] == standing.witness.account
    assert wanted["ArtifactBucket"] == "acme-models"


def test_a_changed_parameter_changes_what_it_is_for_and_nothing_else(account: Stack) -> None:
    before = account.physical()
    changed = {**CHANGING, "LogDays": "60", "NotificationEmail": ""}
    foretold = account.change(**changed)
    # It may tell of more, of what refers to the log; but of nothing that holds anything.
    assert foretold["EventLog"] == "Modify"
    assert "Mail" in foretold
    assert set(foretold) & {"Key", "Bucket", "ExecutionRole", "DeployerRole", "PlannerRole", "Topic"} == set()
    assert set(before.items()) - set(account.physical().items()) == {("Mail", before["Mail"])}
    assert _unexcused(account.witness, account.missing(**changed)) == set()
    of_before = _unexcused(account.witness, account.missing(**CHANGING))
    assert of_before == {"AWS::Logs::LogGroup: RetentionInDays", "AWS::SNS::Subscription"}


def test_revisions_the_journal_and_their_key_outlive_the_stack(account: Stack) -> None:
    s3, kept = account.witness.client("s3"), account.physical()
    s3.put_object(Bucket=kept["Bucket"], Key="orchestrator/fraud-eu/lock.json", Body=b"{}")
    account.delete()
    assert s3.get_object(Bucket=kept["Bucket"], Key="orchestrator/fraud-eu/lock.json")["Body"].read() == b"{}"
    policy = json.loads(s3.get_bucket_policy(Bucket=kept["Bucket"])["Policy"])
    assert "OnlyOverTls" in [statement["Sid"] for statement in policy["Statement"]]
    key = account.witness.client("kms").describe_key(KeyId=kept["Key"])["KeyMetadata"]
    assert key["KeyState"] == "Enabled"
    logs = account.witness.client("logs")
    (group,) = logs.describe_log_groups(logGroupNamePrefix=kept["EventLog"])["logGroups"]
    assert group["logGroupName"] == kept["EventLog"]
    rules = account.witness.client("events").list_rules()["Rules"]
    assert kept["DeploymentEvents"] not in [rule["Name"] for rule in rules]
    _empty(account, kept["Bucket"])


def _empty(stack: Stack, bucket: str) -> None:
    s3 = stack.witness.client("s3")
    for version in s3.list_object_versions(Bucket=bucket).get("Versions", []):
        s3.delete_object(
            Bucket=bucket,
            Key=version["Key"],
            VersionId=version["VersionId"],
            BypassGovernanceRetention=True,
        )
