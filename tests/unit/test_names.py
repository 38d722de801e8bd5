"""Names within SageMaker's limits, derived from content."""

import pytest

from orchestrator.core import names
from orchestrator.core.revision import ENDPOINT_TAG
from tests.support.builders import revision


def test_a_name_is_a_function_of_the_content_whatever_its_order() -> None:
    left = names.content_name("digits", {"a": 1, "b": [1, 2]})
    assert left == names.content_name("digits", {"b": [1, 2], "a": 1})
    assert left != names.content_name("digits", {"a": 1, "b": [2, 1]})
    assert names.is_content_name(left, "digits")


def test_two_long_endpoint_names_with_a_common_beginning_share_no_resources() -> None:
    one, other = "x" * 62 + "a", "x" * 62 + "b"
    names_of = [names.content_name(endpoint, {}) for endpoint in (one, other)]
    assert all(map(names.is_valid, names_of))
    assert not names.is_content_name(names_of[0], other)


@pytest.mark.parametrize("name", ["", "-a", "a-", "a_b", "a.b", "a" * 64, "é", "a b"])
def test_names_sagemaker_would_refuse_are_invalid(name: str) -> None:
    assert not names.is_valid(name)


@pytest.mark.parametrize("name", ["a", "A-1", "a" * 63, "a--b"])
def test_names_sagemaker_takes_are_valid(name: str) -> None:
    assert names.is_valid(name)


def test_the_same_content_is_the_same_revision_and_any_other_is_another() -> None:
    assert revision("a") == revision("a")
    different = {revision("a").name, revision("b").name, revision("a", count=2).name}
    assert len(different) == 3
    assert revision("a").model == revision("a", count=2).model


def test_everything_that_is_made_carries_the_endpoints_tag() -> None:
    made = revision("a", endpoint="fraud")
    assert dict(made.model.tags)[ENDPOINT_TAG] == "fraud"
    assert dict(made.config.tags) == {ENDPOINT_TAG: "fraud", "team": "ml"}
