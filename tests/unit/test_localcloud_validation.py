"""Requests checked against botocore's service model, in AWS's words."""

from typing import Any

import pytest

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.rules.validation import check

VARIANT = {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.m7i.large", "InitialInstanceCount": 1}


def message(operation: str, **request: Any) -> str:  # noqa: ANN401 - JSON
    with pytest.raises(ApiError) as caught:
        check(operation, request)
    assert caught.value.code == "ValidationException"
    assert caught.value.status == 400
    return caught.value.message


def config(**members: object) -> dict[str, object]:
    return {"EndpointConfigName": "c", "ProductionVariants": [{**VARIANT, **members}]}


def test_a_valid_request_is_returned_as_it_is() -> None:
    request = {"EndpointName": "e", "EndpointConfigName": "c", "Tags": [{"Key": "ä b", "Value": "ü:/=+-@"}]}
    assert check("CreateEndpoint", request) == request


def test_a_name_with_an_underscore_is_refused_in_the_words_of_aws() -> None:
    assert message("DescribeEndpoint", EndpointName="a_b") == (
        "1 validation error detected: Value 'a_b' at 'endpointName' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
    )


def test_a_name_of_64_characters_is_refused_though_the_pattern_alone_would_pass_it() -> None:
    assert "Member must have length less than or equal to 63" in message(
        "DescribeEndpoint", EndpointName="a--" * 21 + "b"
    )


def test_every_fault_is_counted_and_named() -> None:
    text = message("CreateEndpoint", EndpointName="-x")
    assert text.startswith("2 validation errors detected: ")
    assert "Value null at 'endpointConfigName' failed to satisfy constraint: Member must not be null" in text


@pytest.mark.parametrize(
    ("members", "fault"),
    [
        ({"InstanceType": "ml.m7g.large"}, "'productionVariants.1.member.instanceType'"),
        ({"InitialInstanceCount": 0}, "Member must have value greater than or equal to 1"),
        ({"InitialVariantWeight": -0.5}, "Member must have value greater than or equal to 0"),
        ({"VolumeSizeInGB": 513}, "Member must have value less than or equal to 512"),
        ({"VariantName": None}, "Value null at 'productionVariants.1.member.variantName'"),
    ],
)
def test_limits_and_enums_of_nested_members_hold(members: dict[str, object], fault: str) -> None:
    assert fault in message("CreateEndpointConfig", **config(**members))


def test_an_enum_lists_what_it_takes() -> None:
    assert "Member must satisfy enum value set: [Name, CreationTime]" in message("ListModels", SortBy="Size")


def test_an_environment_has_at_most_100_entries_of_at_most_1024_characters() -> None:
    many = {"PrimaryContainer": {"Image": "i", "Environment": {f"K{i}": "v" for i in range(101)}}}
    assert "less than or equal to 100" in message("CreateModel", ModelName="m", **many)
    long = {"PrimaryContainer": {"Image": "i", "Environment": {"K": "v" * 1025}}}
    assert "primaryContainer.environment.K.member" in message("CreateModel", ModelName="m", **long)


@pytest.mark.parametrize(
    "request_",
    [
        [],
        "text",
        {"EndpointName": 7},
        {"EndpointName": ["e"]},
        {"EndpointName": True},
        {"EndpointName": "e", "Surprise": 1},
    ],
)
def test_a_value_of_another_type_or_an_unknown_member_cannot_be_read(request_: object) -> None:
    with pytest.raises(ApiError) as caught:
        check("DescribeEndpoint", request_)
    assert caught.value.code == "SerializationException"


def test_a_boolean_is_no_number() -> None:
    with pytest.raises(ApiError, match=r"bool at 'productionVariants.1.member.initialInstanceCount'"):
        check("CreateEndpointConfig", config(InitialInstanceCount=True))
