"""Pages, filters and orders of the lists."""

from typing import Any

import pytest

from orchestrator.core.resources import EndpointStatus
from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.control.operations import perform
from orchestrator.localcloud.rules.validation import check
from orchestrator.localcloud.world import Content, Endpoint, Record, Scope, World

SCOPE = Scope("123456789012", "eu-west-1")


def world(count: int = 12) -> World:
    """Return a world with as many of each kind, the later ones named and made later."""
    numbers = range(count)
    records = {f"r{n:02}": Record(f"r{n:02}", {}, 100.0 + n) for n in numbers}
    failed = EndpointStatus.FAILED
    statuses = [failed if n % 3 == 0 else EndpointStatus.IN_SERVICE for n in numbers]
    endpoints = [Endpoint(f"E{n:02}", statuses[n], "c", 100.0 + n, 200.0 + n) for n in numbers]
    return World(SCOPE, records, records, {endpoint.name: endpoint for endpoint in endpoints})


def listed(operation: str, known: World, **request: Any) -> Content:  # noqa: ANN401 - JSON
    return perform(known, operation, check(operation, request), 0.0).answer


def names(answer: Content) -> list[str]:
    (member,) = set(answer) - {"NextToken"}
    return [line[f"{member[:-1]}Name"] for line in answer[member]]


@pytest.mark.parametrize("operation", ["ListModels", "ListEndpointConfigs", "ListEndpoints"])
def test_a_list_is_newest_first_and_ten_to_a_page(operation: str) -> None:
    first = listed(operation, world())
    second = listed(operation, world(), NextToken=first["NextToken"])
    assert [name[-2:] for name in names(first)] == [f"{n:02}" for n in range(11, 1, -1)]
    assert [name[-2:] for name in names(second)] == ["01", "00"]
    assert "NextToken" not in second


def test_pages_lose_and_repeat_nothing_when_resources_come_and_go() -> None:
    first = listed("ListModels", world(6), MaxResults=3, SortBy="Name", SortOrder="Ascending")
    assert names(first) == ["r00", "r01", "r02"]
    kept = {name: record for name, record in world(6).models.items() if name not in {"r02", "r04"}}
    changed = World(SCOPE, {**kept, "r001": Record("r001", {}, 1.0)})
    token = {"NextToken": first["NextToken"]}
    second = listed("ListModels", changed, SortBy="Name", SortOrder="Ascending", **token)
    assert names(second) == ["r03", "r05"]


@pytest.mark.parametrize("token", ["not base64!", "e30=", "WzEsMl0=", "WyJOYW1lIiwgImEiLCAiYiJd"])
def test_a_token_of_another_list_is_refused(token: str) -> None:
    with pytest.raises(ApiError, match="pagination token"):
        listed("ListModels", world(), NextToken=token)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"NameContains": "e1"}, ["E11", "E10"]),
        ({"StatusEquals": "Failed"}, ["E09", "E06", "E03", "E00"]),
        ({"SortBy": "Status", "SortOrder": "Ascending", "MaxResults": 2}, ["E00", "E03"]),
        ({"CreationTimeBefore": 101.0}, ["E01", "E00"]),
        ({"CreationTimeAfter": 110.0}, ["E11", "E10"]),
        ({"LastModifiedTimeAfter": 210.5}, ["E11"]),
        ({"LastModifiedTimeBefore": 200.0}, ["E00"]),
    ],
)
def test_endpoints_are_filtered_and_sorted(filters: dict[str, object], expected: list[str]) -> None:
    assert names(listed("ListEndpoints", world(), **filters)) == expected


def test_a_line_tells_what_the_list_is_asked_for() -> None:
    (line,) = listed("ListEndpoints", world(1))["Endpoints"]
    assert line == {
        "EndpointName": "E00",
        "EndpointArn": "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/E00",
        "CreationTime": 100.0,
        "LastModifiedTime": 200.0,
        "EndpointStatus": "Failed",
    }
