"""The planner role of the account's stack: it looks, changes nothing, and reads nobody's data."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from orchestrator.core import names
from orchestrator.localcloud.objects.policies import Decision
from tests.support.needs import Need
from tests.support.permissions_execution import NO_RESOURCE, VPC
from tests.support.permissions_forbidden import FORBIDDEN
from tests.support.roles import DEPLOYER, PLANNER, Stack, decision, listed, wider
from tests.support.verbs_looking import is_looking

STACK = Stack(parameters={"EndpointPrefix": "acme-", "VpcId": VPC})
BUCKET = "arn:aws:s3:::models"
PETS, OTHER = "acme-pets", "other"
GITHUB, GITLAB = "token.actions.githubusercontent.com", "gitlab.com"

NOT_READ = (
    f"{BUCKET}/{names.golden_key(PETS, '0' * 64)}",
    f"{BUCKET}/{names.input_key(PETS, '0' * 64)}",
    f"{BUCKET}/captured/{PETS}/requests.jsonl",
    f"{BUCKET}/async/answers/0a.out",
    f"{BUCKET}/{names.journal_key(OTHER, 1)}",
    f"{BUCKET}/{names.head_key(OTHER)}",
    f"{BUCKET}/{names.lock_key(OTHER)}",
    f"{BUCKET}/{names.artifact_key(OTHER, '0' * 64)}",
)


def statements(stack: Stack = STACK) -> Sequence[Mapping[str, Any]]:
    (policy,) = stack.policies(PLANNER)
    found: Sequence[Mapping[str, Any]] = policy["Statement"]
    return found


def forbidden() -> list[Need]:
    return [*FORBIDDEN, *(Need("s3:GetObject", place) for place in NOT_READ)]


def test_every_action_of_the_planner_is_one_that_changes_nothing() -> None:
    assert [one for each in statements() for one in listed(each["Action"]) if not is_looking(one)] == []
    assert {each["Effect"] for each in statements()} == {"Allow"}


def test_the_planner_may_do_nothing_that_the_deployer_may_not_but_about_itself() -> None:
    of_deployer = {
        action
        for policy in STACK.policies(DEPLOYER)
        for statement in policy["Statement"]
        if statement["Effect"] == "Allow"
        for action in listed(statement["Action"])
    }
    assert {one for each in statements() for one in listed(each["Action"])} <= of_deployer


@pytest.mark.parametrize("place", NOT_READ)
def test_golden_cases_requests_and_answers_are_not_shown_to_the_planner(place: str) -> None:
    assert decision(STACK.policies(PLANNER), Need("s3:GetObject", place)) is Decision.NEUTRAL


def test_the_planner_reads_the_record_and_whether_an_artifact_is_there() -> None:
    read = (
        names.journal_key(PETS, 1),
        names.head_key(PETS),
        names.lock_key(PETS),
        names.artifact_key(PETS, "0" * 64),
    )
    answers = [decision(STACK.policies(PLANNER), Need("s3:GetObject", f"{BUCKET}/{key}")) for key in read]
    assert answers == [Decision.ALLOWED] * len(read)


def test_the_planner_takes_on_no_role() -> None:
    for role in (STACK.deployer, STACK.planner, STACK.execution):
        for action in ("sts:AssumeRole", "iam:PassRole"):
            context = {"iam:PassedToService": ("sagemaker.amazonaws.com",)}
            assert decision(STACK.policies(PLANNER), Need(action, role, context)) is Decision.NEUTRAL


def test_what_is_none_of_its_business_is_refused_to_the_planner() -> None:
    policies = STACK.policies(PLANNER)
    assert [need for need in forbidden() if decision(policies, need) is Decision.ALLOWED] == []


def test_a_condition_less_or_a_wider_resource_of_the_planner_is_noticed() -> None:
    policies = list(wider(STACK.policies(PLANNER)))
    assert policies
    for changed, more in policies:
        assert any(decision(more, need) is Decision.ALLOWED for need in forbidden()), changed


def test_only_actions_that_no_resource_can_be_named_for_are_allowed_to_the_planner_everywhere() -> None:
    everywhere = {
        one for each in statements() if listed(each["Resource"]) == ["*"] for one in listed(each["Action"])
    }
    assert everywhere <= NO_RESOURCE
    assert not [one for each in statements() for one in listed(each["Action"]) if "*" in one]


def test_without_a_vpc_the_planner_looks_at_no_network() -> None:
    assert not [one for one in statements(Stack()) if "ec2:" in str(one["Action"])]


def test_the_planner_role_is_for_the_account_itself_unless_somebody_is_named() -> None:
    root = "arn:aws:iam::123456789012:root"
    (statement,) = Stack().trust("PlannerRole")["Statement"]
    assert statement == {"Effect": "Allow", "Principal": {"AWS": root}, "Action": "sts:AssumeRole"}
    named = "arn:aws:iam::123456789012:role/ci,arn:aws:iam::210987654321:role/release"
    (statement,) = Stack(parameters={"PlannerPrincipals": named}).trust("PlannerRole")["Statement"]
    assert statement["Principal"] == {"AWS": named.split(",")}


def test_github_takes_on_the_planner_role_for_the_subjects_that_are_named() -> None:
    subjects = ["repo:acme/pets:pull_request", "repo:acme/pets:ref:refs/heads/main"]
    stack = Stack(parameters={"GitHubPlanSubjects": ",".join(subjects)})
    _, statement = stack.trust("PlannerRole")["Statement"]
    assert statement["Principal"] == {"Federated": f"arn:aws:iam::123456789012:oidc-provider/{GITHUB}"}
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert statement["Condition"] == {
        "StringEquals": {f"{GITHUB}:aud": "sts.amazonaws.com", f"{GITHUB}:sub": subjects}
    }
    # Who plans does not deploy: the deployer role's trust knows nothing of it.
    assert len(stack.trust("DeployerRole")["Statement"]) == 1


def test_gitlab_takes_on_the_planner_role_for_the_branches_of_one_project() -> None:
    subject = "project_path:acme/pets:ref_type:branch:ref:*"
    stack = Stack(parameters={"GitLabPlanSubject": subject})
    _, statement = stack.trust("PlannerRole")["Statement"]
    assert statement["Principal"] == {"Federated": f"arn:aws:iam::123456789012:oidc-provider/{GITLAB}"}
    assert statement["Condition"] == {
        "StringEquals": {f"{GITLAB}:aud": "https://gitlab.com"},
        "StringLike": {f"{GITLAB}:sub": subject},
    }
    assert len(stack.trust("DeployerRole")["Statement"]) == 1
