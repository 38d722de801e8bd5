"""The roles of the account's stack: who may take them on, and what they may never do."""

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core import names
from orchestrator.localcloud.objects.policies import Decision
from tests.support.needs import Need
from tests.support.permissions_execution import NO_RESOURCE, VPC, needs_of_execution
from tests.support.permissions_forbidden import FORBIDDEN
from tests.support.roles import (
    DEPLOYER,
    EXECUTION,
    LONGEST,
    PLANNER,
    Document,
    Stack,
    decision,
    listed,
    refused,
    size_characters,
    superfluous,
    wider,
    without_denials,
)

PREFIXED = Stack(parameters={"EndpointPrefix": "acme-", "VpcId": VPC})
ROOT = "arn:aws:iam::123456789012:root"
ANYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
BUCKET = "arn:aws:s3:::models"


def allowing(policies: tuple[Document, ...]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for policy in policies:
        yield from ((one["Sid"], one) for one in policy["Statement"] if one["Effect"] == "Allow")


def put(key: str, **headers: str) -> Need:
    context = {f"s3:{name.replace('_', '-')}": (value,) for name, value in headers.items()}
    return Need("s3:PutObject", f"{BUCKET}/{key}", context)


def test_an_endpoint_may_do_with_its_role_what_sagemaker_does_on_its_behalf() -> None:
    assert refused(PREFIXED.policies(EXECUTION), needs_of_execution(PREFIXED)) == []


def test_an_endpoint_may_do_nothing_that_sagemaker_does_not_do_on_its_behalf() -> None:
    assert superfluous(PREFIXED.policies(EXECUTION), needs_of_execution(PREFIXED)) == []


def test_without_a_vpc_there_are_no_permissions_for_one() -> None:
    (policy,) = Stack().policies(EXECUTION)
    assert not [one for one in policy["Statement"] if "ec2:" in str(one["Action"])]


def test_only_sagemaker_takes_on_the_execution_role_and_only_for_this_account_and_region() -> None:
    (statement,) = PREFIXED.trust("ExecutionRole")["Statement"]
    assert statement == {
        "Effect": "Allow",
        "Principal": {"Service": "sagemaker.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {
            "StringEquals": {"aws:SourceAccount": "123456789012"},
            "ArnLike": {"aws:SourceArn": "arn:aws:sagemaker:eu-west-1:123456789012:*"},
        },
    }


def test_the_deployer_role_is_for_the_account_itself_unless_somebody_is_named() -> None:
    (statement,) = Stack().trust("DeployerRole")["Statement"]
    assert statement == {"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "sts:AssumeRole"}
    named = "arn:aws:iam::123456789012:role/ci,arn:aws:iam::210987654321:role/release"
    (statement,) = Stack(parameters={"DeployerPrincipals": named}).trust("DeployerRole")["Statement"]
    assert statement["Principal"] == {"AWS": named.split(",")}


def test_github_takes_on_the_deployer_role_for_exactly_one_subject() -> None:
    subject = "repo:acme/pets:environment:production"
    _, statement = Stack(parameters={"GitHubSubject": subject}).trust("DeployerRole")["Statement"]
    issuer = "token.actions.githubusercontent.com"
    assert statement["Principal"] == {"Federated": f"arn:aws:iam::123456789012:oidc-provider/{issuer}"}
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Condition"] == {
        "StringEquals": {f"{issuer}:aud": "sts.amazonaws.com", f"{issuer}:sub": subject}
    }


def test_gitlab_takes_on_the_deployer_role_for_exactly_one_subject() -> None:
    subject = "project_path:acme/ml/pets:ref_type:branch:ref:main"
    _, statement = Stack(parameters={"GitLabSubject": subject}).trust("DeployerRole")["Statement"]
    assert statement == {
        "Effect": "Allow",
        "Principal": {"Federated": "arn:aws:iam::123456789012:oidc-provider/gitlab.com"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {"gitlab.com:aud": "https://gitlab.com", "gitlab.com:sub": subject}},
    }


def of_token(issuer: str, audience: str, subject: str) -> Need:
    """Return what a pipeline asks with a token; that a role's trust names no resource is IAM's way."""
    context = {f"{issuer}:aud": (audience,), f"{issuer}:sub": (subject,)}
    return Need("sts:AssumeRoleWithWebIdentity", "*", context)


def trusting(parameter: str, subject: str) -> Document:
    """Return the role's trust as a policy that our evaluator can be asked about."""
    _, statement = Stack(parameters={parameter: subject}).trust("DeployerRole")["Statement"]
    told = {key: value for key, value in statement.items() if key != "Principal"}
    return {"Version": "2012-10-17", "Statement": [{**told, "Resource": "*"}]}


@pytest.mark.parametrize(
    ("parameter", "issuer", "audience", "subject", "others"),
    [
        (
            "GitHubSubject",
            "token.actions.githubusercontent.com",
            "sts.amazonaws.com",
            "repo:acme/pets:environment:production",
            [
                "repo:acme/pets:environment:staging",
                "repo:acme/pets:pull_request",
                "repo:acme/pets-2:environment:production",
                "repo:mallory/pets:environment:production",
            ],
        ),
        (
            "GitLabSubject",
            "gitlab.com",
            "https://gitlab.com",
            "project_path:acme/pets:ref_type:branch:ref:main",
            [
                "project_path:acme/pets:ref_type:branch:ref:mainly",
                "project_path:acme/pets:ref_type:tag:ref:main",
                "project_path:acme/pets/fork:ref_type:branch:ref:main",
                "project_path:mallory/pets:ref_type:branch:ref:main",
            ],
        ),
    ],
    ids=["github", "gitlab"],
)
def test_a_pipeline_with_another_subject_or_audience_does_not_get_the_deployer_role(
    parameter: str, issuer: str, audience: str, subject: str, others: list[str]
) -> None:
    policies = [trusting(parameter, subject)]
    assert decision(policies, of_token(issuer, audience, subject)) is Decision.ALLOWED
    refused_tokens = [
        *((audience, other) for other in others),
        ("another", subject),
        (audience, subject.upper()),
    ]
    assert [
        one
        for one in refused_tokens
        if decision(policies, of_token(issuer, one[0], one[1])) is Decision.ALLOWED
    ] == []


@pytest.mark.parametrize(
    ("parameter", "value", "is_taken"),
    [
        ("GitHubSubject", "repo:acme/pets:ref:refs/heads/main", True),
        ("GitHubSubject", "repo:acme/*:environment:production", False),
        ("GitHubSubject", "project_path:acme/pets:ref_type:branch:ref:main", False),
        ("GitLabSubject", "", True),
        ("GitLabSubject", "project_path:acme/pets:ref_type:branch:ref:main", True),
        ("GitLabSubject", "project_path:acme/ml/pets:ref_type:tag:ref:v1.2", True),
        ("GitLabSubject", "project_path:acme/pets:ref_type:branch:ref:*", False),
        ("GitLabSubject", "project_path:acme/*:ref_type:branch:ref:main", False),
        ("GitLabSubject", "project_path:acme:ref_type:branch:ref:main", False),
        ("GitLabSubject", "repo:acme/pets:ref:refs/heads/main", False),
    ],
)
def test_subjects_with_wildcards_or_of_another_forge_are_not_taken(
    parameter: str, value: str, *, is_taken: bool
) -> None:
    pattern = PREFIXED.resolved().template["Parameters"][parameter]["AllowedPattern"]
    assert bool(re.search(pattern, value)) is is_taken


def test_a_session_of_the_deployer_may_last_as_long_as_the_recipes_ask_for() -> None:
    role = PREFIXED.resolved().properties("DeployerRole")
    assert role["MaxSessionDuration"] == 7200


@pytest.mark.parametrize("kind", [DEPLOYER, EXECUTION], ids=["deployer", "execution"])
def test_only_actions_that_no_resource_can_be_named_for_are_allowed_everywhere(kind: tuple[str, ...]) -> None:
    everywhere = {
        action
        for _, statement in allowing(PREFIXED.policies(kind))
        if listed(statement["Resource"]) == ["*"]
        for action in listed(statement["Action"])
    }
    assert everywhere <= NO_RESOURCE
    actions = [one for _, each in allowing(PREFIXED.policies(kind)) for one in listed(each["Action"])]
    assert not [action for action in actions if "*" in action]


def test_no_entry_of_the_list_of_actions_without_resources_is_stale() -> None:
    used = {
        action
        for _, statement in allowing(PREFIXED.policies((*DEPLOYER, *EXECUTION)))
        for action in listed(statement["Action"])
    }
    assert used >= NO_RESOURCE


def test_policies_fit_into_iams_limit_in_the_longest_account() -> None:
    # IAM and STS quotas, "IAM and STS character limits": a managed policy without white space.
    assert max(size_characters(each) for each in LONGEST.policies((*DEPLOYER, *EXECUTION, *PLANNER))) <= 6144


def test_what_is_none_of_its_business_is_refused_to_the_deployer() -> None:
    policies = PREFIXED.policies(DEPLOYER)
    assert [need for need in FORBIDDEN if decision(policies, need) is Decision.ALLOWED] == []


def test_a_condition_less_or_a_wider_resource_of_the_deployer_is_noticed() -> None:
    policies = list(wider(PREFIXED.policies(DEPLOYER)))
    assert policies
    for changed, more in policies:
        assert any(decision(more, need) is Decision.ALLOWED for need in FORBIDDEN), changed


def test_whatever_else_the_deployer_is_allowed_it_deletes_nothing_but_locks() -> None:
    policies = (*PREFIXED.policies(DEPLOYER), ANYTHING)
    for key in (
        names.journal_key("acme-pets", 1),
        names.head_key("acme-pets"),
        names.artifact_key("acme-pets", "0" * 64),
        names.golden_key("acme-pets", "0" * 64),
        names.input_key("acme-pets", "0" * 64),
    ):
        assert decision(policies, Need("s3:DeleteObject", f"{BUCKET}/{key}")) is Decision.DENIED
    lock = f"{BUCKET}/{names.lock_key('acme-pets')}"
    assert decision(policies, Need("s3:DeleteObject", lock)) is Decision.ALLOWED
    assert decision(policies, Need("s3:DeleteObjectVersion", lock)) is Decision.DENIED


def test_whatever_else_the_deployer_is_allowed_it_writes_the_record_only_conditionally() -> None:
    policies = (*PREFIXED.policies(DEPLOYER), ANYTHING)
    entry, head = names.journal_key("acme-pets", 1), names.head_key("acme-pets")
    lock = names.lock_key("acme-pets")
    assert decision(policies, put(entry)) is Decision.DENIED
    assert decision(policies, put(entry, if_match='"tag"')) is Decision.DENIED
    assert decision(policies, put(entry, if_none_match="*")) is Decision.ALLOWED
    for key in (head, lock):
        assert decision(policies, put(key)) is Decision.DENIED
        assert decision(policies, put(key, if_match='"tag"')) is Decision.ALLOWED
        assert decision(policies, put(key, if_none_match="*")) is Decision.ALLOWED


def test_whatever_else_the_deployer_is_allowed_it_never_encrypts_with_another_key() -> None:
    policies = (*PREFIXED.policies(DEPLOYER), ANYTHING)
    key = names.artifact_key("acme-pets", "0" * 64)
    how, which = "x_amz_server_side_encryption", "x_amz_server_side_encryption_aws_kms_key_id"
    assert decision(policies, put(key)) is Decision.ALLOWED
    assert decision(policies, put(key, **{how: "aws:kms", which: PREFIXED.key})) is Decision.ALLOWED
    assert decision(policies, put(key, **{how: "AES256"})) is Decision.DENIED
    assert decision(policies, put(key, **{how: "aws:kms", which: f"{PREFIXED.key}9"})) is Decision.DENIED


def test_no_denial_is_superfluous() -> None:
    policies = (*PREFIXED.policies(DEPLOYER), ANYTHING)
    allowed = without_denials(policies)
    keys = [names.journal_key("acme-pets", 1), names.head_key("acme-pets"), names.lock_key("acme-pets")]
    asked = [
        *(put(key) for key in keys),
        *(Need("s3:DeleteObject", f"{BUCKET}/{key}") for key in keys),
        put("a", x_amz_server_side_encryption="AES256"),
        put("a", x_amz_server_side_encryption_aws_kms_key_id="another"),
        *(
            Need(f"s3:{one}", BUCKET)
            for one in ("PutBucketPolicy", "DeleteBucketPolicy", "PutBucketVersioning")
        ),
        *(Need(f"s3:{one}", f"{BUCKET}/a") for one in ("DeleteObjectVersion", "BypassGovernanceRetention")),
        Need("s3:PutLifecycleConfiguration", BUCKET),
    ]
    assert {decision(allowed, need) for need in asked} == {Decision.ALLOWED}
    before = [decision(policies, need) for need in asked]
    for number, policy in enumerate(policies):
        for index, statement in enumerate(policy["Statement"]):
            actions = listed(statement["Action"]) if statement["Effect"] == "Deny" else []
            for action in actions:
                less = deepcopy(list(policies))
                less[number]["Statement"][index]["Action"] = [one for one in actions if one != action] or [
                    "x:y"
                ]
                assert [decision(less, need) for need in asked] != before, (statement["Sid"], action)


def documented() -> dict[tuple[str, str], set[str]]:
    """Return the actions of every row of the page's tables, by role and statement."""
    page = Path(__file__).parents[2] / "docs" / "reference" / "permissions.md"
    found: dict[tuple[str, str], set[str]] = {}
    role = ""
    for line in page.read_text("utf-8").splitlines():
        if line.startswith("## "):
            role = line.removeprefix("## ")
        if row := re.fullmatch(r"\| `(\w+)` \| (`.+`) \| .+ \|", line):
            found[role, row[1]] = set(re.findall(r"`([a-z0-9-]+:\w+)`", row[2]))
    return found


def test_the_page_says_of_every_statement_what_it_allows_or_denies() -> None:
    policies = {"The execution role": EXECUTION, "The deployer role": DEPLOYER, "The planner role": PLANNER}
    assert documented() == {
        (role, statement["Sid"]): set(listed(statement["Action"]))
        for role, logical in policies.items()
        for policy in PREFIXED.policies(logical)
        for statement in policy["Statement"]
    }
