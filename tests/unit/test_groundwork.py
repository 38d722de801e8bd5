"""What the stacks have to know of the spec, and the spec of the stacks."""

import json

import pytest

from orchestrator.adapters import bundled
from orchestrator.core import groundwork
from orchestrator.core.errors import OrchestratorError, RefusedError
from orchestrator.core.stacks import (
    Ending,
    Event,
    Stack,
    Standing,
    causes,
    ending,
    missing_actions,
    parameters_of,
    standing,
)

BUCKET = "AWS::S3::Bucket"
CALLER = "arn:aws:sts::111111111111:assumed-role/release/ada"


def stack(status: str = "CREATE_COMPLETE", **outputs: str) -> Stack:
    return Stack("acme", "stack/acme/1", status, outputs=tuple(outputs.items()))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("REVIEW_IN_PROGRESS", Standing.ABSENT),
        ("DELETE_COMPLETE", Standing.ABSENT),
        ("CREATE_COMPLETE", Standing.READY),
        ("UPDATE_ROLLBACK_COMPLETE", Standing.READY),
        ("ROLLBACK_COMPLETE", Standing.NEVER_MADE),
        ("CREATE_FAILED", Standing.NEVER_MADE),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", Standing.MOVING),
        ("DELETE_IN_PROGRESS", Standing.MOVING),
        ("UPDATE_ROLLBACK_FAILED", Standing.STUCK),
        ("DELETE_FAILED", Standing.STUCK),
        ("A_STATUS_OF_TOMORROW", Standing.STUCK),
    ],
)
def test_a_status_says_what_can_be_done_with_a_stack(status: str, expected: Standing) -> None:
    assert standing(stack(status)) is expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("CREATE_COMPLETE", Ending.ARRIVED),
        ("UPDATE_COMPLETE", Ending.ARRIVED),
        ("ROLLBACK_COMPLETE", Ending.AS_BEFORE),
        ("UPDATE_ROLLBACK_COMPLETE", Ending.AS_BEFORE),
        ("UPDATE_FAILED", Ending.BROKEN),
        ("ROLLBACK_FAILED", Ending.BROKEN),
        ("A_STATUS_OF_TOMORROW", Ending.BROKEN),
    ],
)
def test_a_status_says_what_became_of_a_change(status: str, expected: Ending) -> None:
    assert ending(stack(status)) is expected


def test_resources_that_were_only_cancelled_are_no_cause() -> None:
    events = (
        Event("1", "acme", "AWS::CloudFormation::Stack", "CREATE_IN_PROGRESS", of_stack=True),
        Event("2", "Key", "AWS::KMS::Key", "CREATE_FAILED", "no more keys"),
        Event("3", "Bucket", "AWS::S3::Bucket", "CREATE_FAILED", "Resource creation cancelled"),
        Event("4", "acme", "AWS::CloudFormation::Stack", "CREATE_FAILED", "see above", of_stack=True),
    )
    assert [event.name for event in causes(events)] == ["Key"]


def test_each_missing_permission_is_named_once() -> None:
    words = "not authorized to perform: iam:CreateRole on resource: role/x, since none allows iam:CreateRole"
    assert missing_actions([words, words, "quite another failure"]) == ("iam:CreateRole",)


def test_a_template_without_parameters_has_none() -> None:
    assert parameters_of("Resources:\n  Key:\n    Type: AWS::KMS::Key\n") == ()


def test_the_spec_learns_only_what_the_stack_says() -> None:
    made = stack(ArtifactBucket="models", BucketOwner="111111111111", KeyArn="", Other="x")
    assert groundwork.settings_of(made) == {"bucket": "models", "bucket_owner": "111111111111"}


def test_a_bucket_that_the_environment_names_is_made_under_that_name() -> None:
    assert groundwork.bucket_parameter({"bucket": "models"}, None) == {"BucketName": "models"}


def test_a_stack_that_has_a_bucket_keeps_it() -> None:
    assert groundwork.bucket_parameter({"bucket": "others"}, stack()) == {}


def test_a_creation_under_way_is_known_again_by_the_bucket_it_was_given() -> None:
    moving = Stack("acme", "1", "CREATE_IN_PROGRESS", parameters=(("BucketName", "models"),))
    assert groundwork.bucket_parameter({"bucket": "models"}, moving) == {"BucketName": "models"}


@pytest.mark.parametrize(
    "own",
    [
        {"role_arn": "arn:aws:iam::222222222222:role/x"},
        {"assume_role_arn": "arn:aws-cn:iam::222222222222:role/x"},
        {"bucket_owner": "222222222222"},
    ],
)
def test_an_environment_of_another_account_is_not_set_up_in_ours(own: dict[str, object]) -> None:
    with pytest.raises(RefusedError, match="is of account 222222222222, and we are in account 111111111111"):
        groundwork.check_account(own, CALLER, "prod")


def test_an_environment_of_our_account_is_set_up() -> None:
    settings = {"role_arn": "arn:aws:iam::111111111111:role/x", "bucket": "models"}
    groundwork.check_account(settings, CALLER, "prod")


def test_a_region_that_the_environment_is_not_in_is_not_set_up() -> None:
    groundwork.check_region({"region": "eu-west-1"}, "eu-west-1", "prod")
    groundwork.check_region({}, "eu-west-1", "prod")
    with pytest.raises(RefusedError, match=r"'region' in \[env.prod\] is 'eu-west-1'") as refusal:
        groundwork.check_region({"region": "eu-west-1"}, "us-east-1", "prod")
    assert ("state", "nothing has changed") in refusal.value.details


@pytest.mark.parametrize(("environment", "table"), [("prod", "[env.prod]"), ("prod eu", '[env."prod eu"]')])
def test_what_could_not_be_written_is_told_as_it_is_to_be_written(environment: str, table: str) -> None:
    full = OrchestratorError("writing 'orchestrator.toml': No space left on device", hint="make room")
    told = groundwork.unwritten(full, environment, {"bucket": "models", "region": "eu-west-1"})
    assert dict(told.details)["write"] == f'{table}\nbucket = "models"\nregion = "eu-west-1"'
    assert str(told.hint).startswith("orchestrator bootstrap ")


def test_an_endpoint_that_the_spec_does_not_have_is_told_with_the_nearest() -> None:
    assert groundwork.unknown_endpoint("dgos", ["cats", "dogs"]).details == (
        ("meant", "'dogs'"),
        ("known", "cats, dogs"),
    )


def test_parameters_are_written_as_the_aws_cli_reads_them() -> None:
    assert json.loads(groundwork.parameter_file((("Days", "7"),))) == [
        {"ParameterKey": "Days", "ParameterValue": "7"}
    ]


def test_the_name_of_the_log_group_is_written_out_so_that_one_that_is_there_is_taken_over() -> None:
    template = bundled.infra("endpoint")
    literal = groundwork.with_literal_log(template, "pets")
    changed = set(literal.splitlines()) - set(template.splitlines())
    assert changed == {"      LogGroupName: /aws/sagemaker/Endpoints/pets"}


@pytest.mark.parametrize("name", ["", "-pets", "pets\n  Evil:", "${AWS::Region}", "p" * 100])
def test_a_name_that_is_none_is_not_written_into_the_template(name: str) -> None:
    template = bundled.infra("endpoint")
    assert groundwork.with_literal_log(template, name) == template


def test_what_is_taken_over_is_first_named_and_no_more() -> None:
    template = bundled.infra("endpoint")
    bare = groundwork.with_bare_log(template)
    left = [line.strip() for line in template.splitlines() if line not in bare.splitlines()]
    assert left == [
        "RetentionInDays: !Ref RetentionDays",
        "KmsKeyId: !If [Encrypted, !Ref KeyArn, !Ref AWS::NoValue]",
    ]


@pytest.mark.parametrize(
    ("failed", "is_taken"),
    [
        (f"Bucket ({BUCKET}): models already exists", True),
        (f"Bucket ({BUCKET}): Resource handler returned message: ... HandlerErrorCode: AlreadyExists)", True),
        (f"Bucket ({BUCKET}): The requested bucket name is not available. (Service: Amazon S3)", True),
        (f"Bucket ({BUCKET}): Your previous request succeeded: BucketAlreadyOwnedByYou", True),
        (f"Bucket ({BUCKET}): ada is not authorized to perform: s3:CreateBucket", False),
        ("EventLog (AWS::Logs::LogGroup): /aws/events/acme already exists", False),
    ],
)
def test_a_bucket_whose_name_is_taken_can_be_given_another(failed: str, *, is_taken: bool) -> None:
    error = RefusedError("no", details=[("failed", failed)], hint="again")
    groundwork.name_another_bucket(error)
    assert error.hint is not None
    assert ("--parameter BucketName=NAME" in error.hint) is is_taken
    assert error.hint.endswith("again")
