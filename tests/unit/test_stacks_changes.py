"""What would become of a stack, how it is asked for on the wire, and what a restart leaves of it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.parsers import create_parser

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.stacks.asking import body_of, check_taken, in_s3, wanted
from orchestrator.localcloud.stacks.catalogue import KINDS
from orchestrator.localcloud.stacks.marking import check_settled, interrupted, put, turned
from orchestrator.localcloud.stacks.planning import Proposal, propose, shown
from orchestrator.localcloud.stacks.query import answer, asked, model
from orchestrator.localcloud.stacks.reading import read
from orchestrator.localcloud.stacks.templates import template
from orchestrator.localcloud.stacks.viewing import LATER
from orchestrator.localcloud.stackworld import Made, Stack, StackResource, Wanted
from orchestrator.localcloud.world import Scope, World
from tests.support.stacks import att, ref, resource, written

SCOPE = Scope("123456789012", "eu-west-1")
QUEUE, ROLE = "AWS::SQS::Queue", "AWS::IAM::Role"


def made(logical: str, kind: str, physical: str, **properties: Any) -> StackResource:  # noqa: ANN401 - JSON
    there = Made(physical, {"Arn": f"arn:{physical}"})
    return StackResource(logical, kind, "CREATE_COMPLETE", properties, there, physical)


def stack_of(*resources: StackResource, tags: Mapping[str, str] | None = None) -> Stack:
    body = written({each.logical: resource(each.kind, **each.properties) for each in resources})
    wish = Wanted(body, tags=tags or {})
    there = {each.logical: each for each in resources}
    return Stack("arn:stack", "s", "CREATE_COMPLETE", wish, 1.0, resources=there)


def proposed(stack: Stack, resources: Mapping[str, Any], **wish: Any) -> Proposal:  # noqa: ANN401 - of the wish
    body = written(resources)
    return propose(World(SCOPE), stack, template(body), replace(stack.wanted, body=body, **wish), KINDS)


def test_of_the_same_template_nothing_would_come() -> None:
    stack = stack_of(made("Q", QUEUE, "q", QueueName="q"))
    assert proposed(stack, {"Q": resource(QUEUE, QueueName="q")}) == Proposal((), is_empty=True)


def test_additions_changes_replacements_and_removals_are_told_apart() -> None:
    stack = stack_of(
        made("Same", QUEUE, "same"),
        made("Changed", QUEUE, "changed", DelaySeconds=1),
        made("Renamed", QUEUE, "old", QueueName="old"),
        made("Gone", QUEUE, "gone"),
    )
    found = proposed(
        stack,
        {
            "Same": resource(QUEUE),
            "Changed": resource(QUEUE, DelaySeconds=2),
            "Renamed": resource(QUEUE, QueueName="new"),
            "New": resource(QUEUE),
        },
    )
    assert [(each.action, each.logical, each.replacement) for each in found.changes] == [
        ("Modify", "Changed", "False"),
        ("Modify", "Renamed", "True"),
        ("Add", "New", "False"),
        ("Remove", "Gone", "False"),
    ]


def test_who_refers_to_what_is_replaced_changes_as_well_and_nobody_knows_to_what() -> None:
    stack = stack_of(
        made("Queue", QUEUE, "old", QueueName="old"),
        made("Policy", "AWS::SQS::QueuePolicy", "p", Queues=["old"], PolicyDocument={}),
        made("Other", QUEUE, "arn:old", QueueName="arn:old"),
    )
    found = proposed(
        stack,
        {
            "Queue": resource(QUEUE, QueueName="new"),
            "Policy": resource("AWS::SQS::QueuePolicy", Queues=[ref("Queue")], PolicyDocument={}),
            "Other": resource(QUEUE, QueueName=att("Queue", "Arn")),
        },
    )
    _, policy, other = (shown(each, with_values=True)["ResourceChange"] for each in found.changes)
    assert LATER in policy["AfterContext"]
    assert policy["Details"][0]["Evaluation"] == "Dynamic"
    assert (policy["Details"][0]["CausingEntity"], policy["Replacement"]) == ("Queue", "False")
    assert (other["Details"][0]["CausingEntity"], other["Replacement"]) == ("Queue.Arn", "Conditional")


def test_tags_of_the_stack_are_put_on_what_takes_them_and_do_not_hide_its_own() -> None:
    stack = stack_of(made("Q", QUEUE, "q"), made("P", "AWS::SQS::QueuePolicy", "p"))
    own = [{"Key": "team", "Value": "mine"}]
    resources = {"Q": resource(QUEUE, Tags=own), "P": resource("AWS::SQS::QueuePolicy")}
    (change,) = proposed(stack, resources, tags={"team": "ours", "stage": "prod"}).changes
    assert change.after == {"Tags": [*own, {"Key": "stage", "Value": "prod"}]}
    assert (change.logical, change.scope) == ("Q", ("Tags",))


def test_a_change_of_a_policy_alone_changes_nothing_but_that() -> None:
    stack = stack_of(made("Q", QUEUE, "q"))
    (change,) = proposed(stack, {"Q": {"Type": QUEUE, "DeletionPolicy": "Retain"}}).changes
    assert (change.action, change.scope, change.changed) == ("Modify", ("DeletionPolicy",), ())


def test_a_resource_whose_condition_does_not_hold_goes_and_nobody_may_refer_to_it() -> None:
    stack = stack_of(made("Q", QUEUE, "q"), made("T", "AWS::SNS::Topic", "t"))
    never = {"Conditions": {"Never": {"Fn::Equals": ["a", "b"]}}}
    resources = {"Q": {"Type": QUEUE, "Condition": "Never"}, "T": resource("AWS::SNS::Topic")}
    body = written(resources, **never)
    world, wish = World(SCOPE), replace(stack.wanted, body=body)
    (change,) = propose(world, stack, template(body), wish, KINDS).changes
    assert (change.action, change.logical) == ("Remove", "Q")
    body = written({**resources, "T": resource("AWS::SNS::Topic", DisplayName=ref("Q"))}, **never)
    with pytest.raises(ApiError, match=r"Unresolved resource dependencies \[Q\]"):
        propose(world, stack, template(body), wish, KINDS)


@pytest.mark.parametrize(
    "value", ["{{resolve:ssm:/name}}", {"Fn::Sub": "x-{{resolve:secretsmanager:${AWS::Region}}}"}]
)
def test_what_would_be_looked_up_elsewhere_is_refused_by_name(value: object) -> None:
    with pytest.raises(ApiError, match=r"dynamic references .*in Q") as caught:
        proposed(stack_of(), {"Q": resource(QUEUE, QueueName=value)})
    assert caught.value.code == "UnsupportedOperation"


def test_a_condition_that_nothing_makes_use_of_has_to_be_one_as_well() -> None:
    body = written({"Q": resource(QUEUE)}, Conditions={"Odd": {"Condition": "Nobody"}})
    with pytest.raises(ApiError, match="unresolved condition dependency Nobody"):
        propose(World(SCOPE), stack_of(), template(body), Wanted(body), KINDS)


def test_keys_of_yaml_are_texts_as_they_were_written() -> None:
    body = "Mappings: {Accounts: {012345678901: {on: 7}, 1.10: {yes: 8}}}"
    assert read(body) == {"Mappings": {"Accounts": {"012345678901": {"on": 7}, "1.10": {"yes": 8}}}}


def test_forms_become_requests_and_answers_are_what_botocore_reads() -> None:
    form = {
        "Action": "CreateStack",
        "Version": "2010-05-15",
        "StackName": "s",
        "DisableRollback": "true",
        "Capabilities.member.1": "CAPABILITY_IAM",
        "Parameters.member.2.ParameterKey": "B",
        "Parameters.member.1.ParameterKey": "A",
        "Tags": "",
    }
    operation, request = asked(urlencode(form).encode())
    assert (operation, request) == (
        "CreateStack",
        {
            "StackName": "s",
            "DisableRollback": True,
            "Capabilities": ["CAPABILITY_IAM"],
            "Parameters": [{"ParameterKey": "A"}, {"ParameterKey": "B"}],
            "Tags": [],
        },
    )
    content = {"Stacks": [{"StackName": "a<b>&\r\n", "StackStatus": "X", "CreationTime": 0.5, "Outputs": []}]}
    body = answer("DescribeStacks", content).encode()
    shape = model("cloudformation").operation_model("DescribeStacks").output_shape
    read = create_parser("query").parse({"body": body, "headers": {}, "status_code": 200}, shape)
    (found,) = read["Stacks"]
    assert found["StackName"] == "a<b>&\r\n"
    assert (found["CreationTime"].timestamp(), found["Outputs"]) == (0.5, [])


@pytest.mark.parametrize(
    "form",
    [
        {"Action": "MakeTea"},
        {"Action": "CreateStack"},
        {"Action": "CreateStack", "StackName": "s", "Colour": "red"},
        {"Action": "CreateStack", "StackName": "s", "Capabilities.member.x": "a"},
        {"Action": "CreateStack", "StackName": "s", "Capabilities.1": "a"},
        {"Action": "CreateStack", "StackName": "s", "DisableRollback": "perhaps"},
        {"Action": "CreateStack", "StackName": "s", "StackName.Below": "a"},
        {"Action": "CreateStack", "StackName": "s", "TimeoutInMinutes": "²"},
        {"Action": "CreateStack", "StackName": "s", "TimeoutInMinutes": "--5"},
    ],
)
def test_a_form_that_is_no_request_is_refused(form: dict[str, str]) -> None:
    with pytest.raises(ApiError):
        asked(urlencode(form).encode())


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://models.s3.eu-west-1.amazonaws.com/a/b.yaml", ("models", "a/b.yaml")),
        ("https://models.s3.amazonaws.com/b%20c.yaml", ("models", "b c.yaml")),
        ("https://s3.eu-west-1.amazonaws.com/models/b.yaml", ("models", "b.yaml")),
        ("http://127.0.0.1:4570/models/b.yaml", ("models", "b.yaml")),
        ("", None),
    ],
)
def test_a_template_is_found_by_every_address_of_s3(url: str, place: tuple[str, str] | None) -> None:
    assert in_s3({"TemplateURL": url}) == place


@pytest.mark.parametrize("url", ["s3://models/b.yaml", "https://models.s3.amazonaws.com/", "b.yaml"])
def test_an_address_that_is_none_of_s3_is_refused(url: str) -> None:
    with pytest.raises(ApiError, match="TemplateURL"):
        in_s3({"TemplateURL": url})


def test_one_template_is_asked_for_and_no_more_than_one() -> None:
    assert body_of({"TemplateBody": "x"}, None, None) == "x"
    assert body_of({}, "y", None) == "y"
    stack = stack_of(made("Q", QUEUE, "q"))
    assert body_of({"UsePreviousTemplate": True}, None, stack) == stack.wanted.body
    wrongs: tuple[tuple[dict[str, Any], str | None], ...] = (
        ({}, None),
        ({"TemplateBody": "x"}, "y"),
        ({"UsePreviousTemplate": True}, None),
        ({"TemplateBody": "x" * 51_201}, None),
    )
    for request, fetched in wrongs:
        with pytest.raises(ApiError):
            body_of(request, fetched, None)


@pytest.mark.parametrize(
    ("operation", "member", "value"),
    [
        ("CreateStack", "StackPolicyBody", "{}"),
        ("CreateStack", "TimeoutInMinutes", 5),
        ("UpdateStack", "NotificationARNs", ["arn:aws:sns:eu-west-1:123456789012:t"]),
        ("DeleteStack", "DeletionMode", "FORCE_DELETE_STACK"),
    ],
)
def test_what_would_have_no_effect_is_refused_by_name(operation: str, member: str, value: object) -> None:
    check_taken(operation, {"StackName": "s"})
    with pytest.raises(ApiError, match=member):
        check_taken(operation, {"StackName": "s", member: value})


def test_tags_stay_unless_others_are_said() -> None:
    stack = stack_of(made("Q", QUEUE, "q"), tags={"team": "ml"})
    found = template(stack.wanted.body)
    assert wanted({}, found, stack.wanted.body, stack).tags == {"team": "ml"}
    assert wanted({"Tags": []}, found, stack.wanted.body, stack).tags == {}
    for wrong in ([{"Key": "aws:x", "Value": "1"}], [{"Key": "a", "Value": "1"}] * 2):
        with pytest.raises(ApiError):
            wanted({"Tags": wrong}, found, stack.wanted.body, stack)


@pytest.mark.parametrize(
    ("status", "after"),
    [
        ("CREATE_IN_PROGRESS", "CREATE_FAILED"),
        ("UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_FAILED"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE"),
        ("DELETE_IN_PROGRESS", "DELETE_FAILED"),
        ("CREATE_COMPLETE", "CREATE_COMPLETE"),
        ("REVIEW_IN_PROGRESS", "REVIEW_IN_PROGRESS"),
    ],
)
def test_a_restart_ends_what_was_being_done(status: str, after: str) -> None:
    stack = turned(stack_of(replace(made("Q", QUEUE, "q"), status="CREATE_IN_PROGRESS")), status, 1.0)
    found = interrupted(put(World(SCOPE), stack), 2.0).stacks[stack.id]
    assert found.status == after
    if status != after:
        assert found.resources["Q"].status == "CREATE_FAILED"
        assert [event.status for event in found.events][-2:] == ["CREATE_FAILED", after]


def test_what_cannot_be_changed_any_more_says_so() -> None:
    stack = stack_of(made("Q", QUEUE, "q"))
    for status in ("CREATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_FAILED"):
        check_settled(replace(stack, status=status))
    for status in ("ROLLBACK_COMPLETE", "DELETE_FAILED", "UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_FAILED"):
        with pytest.raises(ApiError, match=f"is in {status} state and can not be updated"):
            check_settled(replace(stack, status=status))
