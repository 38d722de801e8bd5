"""Templates of CloudFormation: their text, their functions, their parameters, and what is refused of them."""

import base64
import json
from typing import Any

import pytest

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.stacks.catalogue import KINDS, check_acknowledged, check_resources
from orchestrator.localcloud.stacks.forms import TEXT, TRUTH, WHOLE, check, fitted, list_of, structure
from orchestrator.localcloud.stacks.intrinsics import ABSENT, Sight
from orchestrator.localcloud.stacks.parameters import check_parameters, given, shown, typed
from orchestrator.localcloud.stacks.reading import read
from orchestrator.localcloud.stacks.templates import template
from tests.support.stacks import att, ref, resource, written

TOPIC = {"Type": "AWS::SNS::Topic"}


def sight(**values: Any) -> Sight:  # noqa: ANN401 - texts and lists of texts
    def there(name: str, attribute: str) -> str:
        return f"{name}/{attribute}" if attribute else name.lower()

    mappings = {"Sizes": {"eu-west-1": {"small": "t", "zones": ["a", "b"]}}}
    conditions = {
        "IsProd": {"Fn::Equals": [{"Ref": "Stage"}, "prod"]},
        "IsTest": {"Fn::Not": [{"Condition": "IsProd"}]},
        "Both": {"Fn::And": [{"Condition": "IsProd"}, {"Condition": "IsTest"}]},
        "Either": {"Fn::Or": [{"Condition": "IsProd"}, {"Condition": "IsTest"}]},
        "Round": {"Fn::Not": [{"Condition": "Round"}]},
    }
    return Sight({"Stage": "prod", **values}, mappings, conditions, there, lambda name: f"export of {name}")


def test_yaml_with_short_forms_is_the_same_template_as_its_json() -> None:
    body = """
AWSTemplateFormatVersion: 2010-09-09
Resources:
  Policy:
    Type: AWS::S3::BucketPolicy
    Properties:
      Bucket: !Ref Bucket
      PolicyDocument:
        Version: 2012-10-17
        Statement: [{Resource: !Sub "${Bucket.Arn}/*", Condition: {Bool: {"aws:SecureTransport": "false"}}}]
      More: !If [IsProd, !GetAtt Bucket.Arn, !Join ["-", [a, !Select [0, !Split [",", "b,c"]]]]]
"""
    properties = read(body)["Resources"]["Policy"]["Properties"]
    assert read(body)["AWSTemplateFormatVersion"] == "2010-09-09"
    assert properties["PolicyDocument"]["Version"] == "2012-10-17"
    assert read(json.dumps(read(body))) == read(body)
    assert properties["More"]["Fn::If"][1] == {"Fn::GetAtt": ["Bucket", "Arn"]}
    resolved = sight().value({**properties, "More": properties["More"]["Fn::If"][2]})
    assert resolved["PolicyDocument"]["Statement"][0]["Resource"] == "Bucket/Arn/*"
    assert resolved["More"] == "a-b"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "unsupported structure"),
        ("just words", "unsupported structure"),
        ('{"Resources": ', "JSON not well-formed"),
        ("a: [1", "YAML not well-formed. .line"),
        ("a: 1\na: 2", "written twice"),
        ("a: &x 1\nb: *x", "aliases are not allowed"),
        ("a: !GetAZs ''", "function !GetAZs"),
        ("{}", "At least one Resources member"),
        ("Resources: {A: {}}", "must contain a Type"),
        ("Resources: {A-b: {Type: X}}", "non alphanumeric"),
        ("Resources: {A: {Type: X, Colour: red}}", "Colour"),
        ("Colour: red\nResources: {A: {Type: X}}", "Invalid template property or properties .Colour"),
        ("Resources: {A: {Type: X, DeletionPolicy: Snapshot}}", "Unrecognized DeletionPolicy Snapshot"),
        ("Resources: {A: {Type: X, DependsOn: B}}", r"Unresolved resource dependencies \[B\]"),
        ("Resources: {A: {Type: X, DependsOn: B}, B: {Type: X, DependsOn: A}}", "Circular dependency"),
        ("Resources: {A: {Type: X, Condition: Nobody}}", "Unresolved condition dependency Nobody"),
        ("Resources: {A: {Type: X}}\nOutputs: {O: {}}", "must contain a Value"),
        ("Resources: {A: {Type: X}}\nOutputs: {O: {Value: !Ref B}}", r"\[B\] in the Outputs block"),
        ("Resources: {A: {Type: X}}\nOutputs: {O: {Value: x, Export: x}}", "Export of output O must be"),
        ("Resources: {A: {Type: X, DependsOn: [[A]]}}", "DependsOn of A must be"),
        ("Resources: {A: {Type: X}}\nConditions: [a]", "Conditions must be an object"),
        ("Resources: {A: {Type: X, Properties: {<<: {B: c}}}}", "hash merges"),
    ],
)
def test_a_template_that_is_none_is_refused_in_words_that_say_why(body: str, words: str) -> None:
    with pytest.raises(ApiError, match=words) as caught:
        template(body)
    assert caught.value.code == "ValidationError"


@pytest.mark.parametrize("more", ["Transform: AWS::Serverless-2016-10-31", "Rules: {R: {}}"])
def test_what_the_local_cloud_does_not_do_with_templates_is_refused_by_name(more: str) -> None:
    with pytest.raises(ApiError, match=more.partition(":")[0]) as caught:
        template(f"{more}\nResources: {{A: {{Type: X}}}}")
    assert caught.value.code == "UnsupportedOperation"


def test_resources_come_behind_those_that_they_need() -> None:
    found = template(
        written(
            {
                "A": resource("X", Name={"Fn::Sub": "${B.Arn}-${!Literal}"}),
                "B": resource("X", needs="C", Name=ref("D")),
                "C": resource("X"),
                "D": resource("X", Name=att("C", "Arn")),
            }
        )
    )
    assert list(found.resources) == ["C", "D", "B", "A"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Ref": "AWS::NoValue"}, ABSENT),
        ([1, {"Ref": "AWS::NoValue"}], [1]),
        ({"A": {"Ref": "AWS::NoValue"}, "B": 1}, {"B": 1}),
        ({"Fn::If": ["IsProd", "yes", "no"]}, "yes"),
        ({"Fn::If": ["Both", "yes", {"Ref": "AWS::NoValue"}]}, ABSENT),
        ({"Fn::If": ["Either", {"Ref": "Thing"}, "no"]}, "thing"),
        ({"Fn::Sub": ["${A}-${Stage}-${Thing.Arn}", {"A": {"Ref": "Stage"}}]}, "prod-prod-Thing/Arn"),
        ({"Fn::Sub": "${!Literal}"}, "${Literal}"),
        ({"Fn::Join": [":", ["a", 1, True]]}, "a:1:true"),
        ({"Fn::Select": ["1", {"Ref": "Zones"}]}, "b"),
        ({"Fn::FindInMap": ["Sizes", {"Ref": "Region"}, "small"]}, "t"),
        ({"Fn::FindInMap": ["Sizes", "eu-west-1", "zones"]}, ["a", "b"]),
        ({"Fn::Base64": "text"}, base64.b64encode(b"text").decode()),
        ({"Fn::ImportValue": {"Fn::Sub": "${Stage}-bucket"}}, "export of prod-bucket"),
        ({"Condition": {"StringEquals": {"a": "b"}}}, {"Condition": {"StringEquals": {"a": "b"}}}),
    ],
)
def test_functions_come_to_what_the_user_guide_says(value: object, expected: object) -> None:
    assert sight(Zones=["a", "b"], Region="eu-west-1").value(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        {"Fn::If": ["Nobody", 1, 2]},
        {"Fn::If": ["Round", 1, 2]},
        {"Fn::If": [1, 2]},
        {"Fn::Select": [5, ["a"]]},
        {"Fn::Select": ["x", ["a"]]},
        {"Fn::Select": ["²", ["a"]]},
        {"Fn::Join": ["-", "text"]},
        {"Fn::Split": ["", "text"]},
        {"Fn::FindInMap": ["Sizes", "nowhere", "small"]},
        {"Fn::Sub": {"not": "text"}},
        {"Fn::Sub": "${Zones}"},
        {"Fn::Cidr": ["10.0.0.0/16", 2, 8]},
    ],
)
def test_a_function_that_cannot_be_carried_out_is_an_error_of_the_template(value: object) -> None:
    with pytest.raises(ApiError, match="Template error"):
        sight(Zones=["a", "b"]).value(value)


def test_parameters_are_given_kept_or_defaults_and_lists_are_lists() -> None:
    declared: dict[str, dict[str, Any]] = {
        "Kept": {"Type": "String"},
        "Days": {"Type": "Number", "Default": 7},
        "Zones": {"Type": "CommaDelimitedList", "Default": "a, b"},
        "None": {"Type": "CommaDelimitedList", "Default": ""},
        "Secret": {"Type": "String", "Default": "s", "NoEcho": True},
    }
    check_parameters(declared)
    values = given(
        declared,
        [
            {"ParameterKey": "Kept", "UsePreviousValue": True},
            {"ParameterKey": "Days", "ParameterValue": "9"},
        ],
        {"Kept": "before"},
    )
    assert typed(declared, values) == {
        "Kept": "before",
        "Days": "9",
        "Zones": ["a", "b"],
        "None": [""],
        "Secret": "s",
    }
    assert {each["ParameterKey"]: each["ParameterValue"] for each in shown(declared, values)} == {
        **values,
        "Secret": "****",
    }


@pytest.mark.parametrize(
    ("declared", "value", "words"),
    [
        ({"Type": "String"}, None, r"Parameters: \[P\] must have values"),
        ({"Type": "String", "AllowedValues": ["a", 1]}, "b", "AllowedValues"),
        ({"Type": "String", "AllowedPattern": "[a-z]+"}, "a1", "must match pattern"),
        ({"Type": "String", "AllowedPattern": "[", "Default": ""}, "a", "no regular expression"),
        ({"Type": "String", "AllowedPattern": "a", "ConstraintDescription": "only a"}, "b", ": only a"),
        ({"Type": "String", "MinLength": 2}, "a", "characters"),
        ({"Type": "String", "MaxLength": "2"}, "abc", "characters"),
        ({"Type": "Number"}, "many", "must be a number"),
        ({"Type": "Number", "MinValue": 1}, "0", "not less than 1"),
        ({"Type": "List<Number>", "MaxValue": 3}, "1,2,4", "not greater than 3"),
    ],
)
def test_a_parameter_that_is_not_what_it_may_be_is_refused(
    declared: dict[str, Any], value: str | None, words: str
) -> None:
    asked = [] if value is None else [{"ParameterKey": "P", "ParameterValue": value}]
    with pytest.raises(ApiError, match=words):
        given({"P": declared}, asked, {})


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ([{"ParameterKey": "Q", "ParameterValue": "1"}], r"\[Q\] do not exist in the template"),
        ([{"ParameterKey": "P", "ParameterValue": "1"}] * 2, "Duplicate"),
        ([{"ParameterKey": "P", "UsePreviousValue": True}], "Cannot use previous value"),
    ],
)
def test_a_parameter_that_cannot_be_given_so_is_refused(asked: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(ApiError, match=words):
        given({"P": {"Type": "String"}}, asked, {})


@pytest.mark.parametrize(
    ("declared", "code"),
    [
        ({}, "ValidationError"),
        ({"Type": "Colour"}, "ValidationError"),
        ({"Type": "String", "Colour": "red"}, "ValidationError"),
        ({"Type": "AWS::SSM::Parameter::Value<String>"}, "UnsupportedOperation"),
    ],
)
def test_a_parameter_that_cannot_be_declared_so_is_refused(declared: dict[str, Any], code: str) -> None:
    with pytest.raises(ApiError) as caught:
        check_parameters({"P": declared})
    assert caught.value.code == code


def test_values_get_the_types_that_requests_have() -> None:
    form = structure(Count=WHOLE, On=TRUTH, Names=list_of(TEXT))
    assert fitted(form, {"Count": "3", "On": "True", "Names": [1, False]}) == {
        "Count": 3,
        "On": True,
        "Names": ["1", "false"],
    }
    for wrong in ({"Count": "three"}, {"On": "maybe"}, {"Names": "one"}, {"Count": [1]}, {"Count": 2.5}):
        with pytest.raises(ApiError, match="must be a"):
            fitted(form, wrong)
    with pytest.raises(ApiError, match="must be a number"):
        fitted(form, {"Count": float("inf")})
    assert fitted(form, {"Count": 3.0}) == {"Count": 3}


def test_what_a_form_does_not_have_is_found_behind_conditions_as_well() -> None:
    form = structure(Inside=list_of(structure(Known=TEXT)))
    check(form, {"Inside": ref("Anything")}, "X")
    check(form, {"Inside": [{"Known": {"Fn::If": ["C", "a", ref("AWS::NoValue")]}}]}, "X")
    hidden = {"Inside": {"Fn::If": ["C", [{"Known": "a"}], [{"Unknown": "b"}]]}}
    with pytest.raises(ApiError, match=r"X\.Inside\.Unknown") as caught:
        check(form, hidden, "X")
    assert caught.value.code == "UnsupportedOperation"


def test_unknown_types_are_named_all_at_once() -> None:
    body = written({"A": {"Type": "AWS::EC2::VPC"}, "B": {"Type": "Custom::Thing"}, "C": TOPIC})
    with pytest.raises(ApiError, match=r"resource types: \[AWS::EC2::VPC, Custom::Thing\]"):
        check_resources(template(body))


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_kind_has_the_properties_that_it_speaks_of(name: str) -> None:
    kind = KINDS[name]
    members = kind.form().members
    spoken = {*kind.required, *(kind.replacing - {"*"}), *([kind.named] if kind.named else [])}
    assert spoken <= set(members)
    with pytest.raises(ApiError, match="Colour"):
        check(kind.form(), {"Colour": "red"}, name)


def roles(**properties: str) -> str:
    return written({"Role": resource("AWS::IAM::Role", AssumeRolePolicyDocument={}, **properties)})


@pytest.mark.parametrize(
    ("body", "capabilities"),
    [
        (roles(), []),
        (roles(), ["CAPABILITY_AUTO_EXPAND"]),
        (roles(RoleName="r"), ["CAPABILITY_IAM"]),
    ],
)
def test_what_makes_roles_has_to_be_acknowledged(body: str, capabilities: list[str]) -> None:
    with pytest.raises(ApiError, match="Requires capabilities") as caught:
        check_acknowledged(template(body), capabilities)
    assert caught.value.code == "InsufficientCapabilitiesException"


def test_a_capability_for_named_roles_is_one_for_all() -> None:
    check_acknowledged(template(roles()), ["CAPABILITY_IAM"])
    check_acknowledged(template(roles()), ["CAPABILITY_NAMED_IAM"])
    check_acknowledged(template(roles(RoleName="r")), ["CAPABILITY_NAMED_IAM"])
    check_acknowledged(template(written({"Topic": TOPIC})), [])
