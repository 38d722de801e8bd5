"""Quotas of the local cloud: what endpoints take of them, and what Service Quotas says."""

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.core.resources import EndpointStatus
from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.cloudwatch.dashboards import check_dashboard
from orchestrator.localcloud.quotas import OPERATIONS, Quotas, is_ours
from orchestrator.localcloud.rules.quotas import DEFAULT, check_quotas, taken
from orchestrator.localcloud.world import Deployment, Endpoint, Scope, Variant, World
from orchestrator.localcloud.worlds import Worlds

SCOPE = Scope("123456789012", "eu-west-1")
TYPE = "ml.m5.large"


def deployment(count: int, *, kind: str = TYPE, policy: dict[str, Any] | None = None) -> Deployment:
    return Deployment("config", (Variant("primary", {}, kind, count, 1.0, 60),), policy, 0.0)


def world(serving: Deployment | None, pending: Deployment | None = None, **quotas: int) -> World:
    endpoint = Endpoint("e", EndpointStatus.UPDATING, "config", 0, 0, serving=serving, pending=pending)
    return World(SCOPE, endpoints={"e": endpoint}, quotas={TYPE: quotas["quota"]} if quotas else {})


def rolling(kind: str, value: int) -> dict[str, Any]:
    return {"RollingUpdatePolicy": {"MaximumBatchSize": {"Type": kind, "Value": value}}}


@pytest.mark.parametrize(
    ("before", "after", "policy", "needed"),
    [
        (None, 3, None, 3),
        (3, None, None, 3),
        (3, 4, None, 7),
        (10, 10, rolling("INSTANCE_COUNT", 2), 12),
        (10, 10, rolling("CAPACITY_PERCENT", 50), 15),
        (2, 10, rolling("INSTANCE_COUNT", 1), 10),
    ],
)
def test_blue_green_takes_both_fleets_and_rolling_a_batch_more(
    before: int | None, after: int | None, policy: dict[str, Any] | None, needed: int
) -> None:
    old = None if before is None else deployment(before)
    new = None if after is None else deployment(after, policy=policy)
    assert taken(world(old, new))[TYPE] == needed


def test_more_than_the_quota_is_refused_and_what_was_there_before_stays() -> None:
    before = world(deployment(3), quota=5)
    check_quotas(before, world(deployment(3), deployment(2), quota=5))
    with pytest.raises(ApiError, match="is 5 Instances, with current utilization of 3 Instances") as caught:
        check_quotas(before, world(deployment(3), deployment(3), quota=5))
    assert caught.value.code == "ResourceLimitExceeded"
    lowered = world(deployment(3), quota=1)
    check_quotas(lowered, lowered)
    check_quotas(lowered, world(deployment(3), deployment(9, kind="ml.c5.large"), quota=1))


def ask(world: World, operation: str, **request: object) -> tuple[World, Any]:
    outcome = OPERATIONS[operation](world, {"ServiceCode": "sagemaker", **request}, 7.0)
    return outcome.world, outcome.answer


def test_every_type_has_one_quota_whose_code_finds_it() -> None:
    empty, found, token = World(SCOPE), [], "0"
    while token:
        _, page = ask(empty, "ListServiceQuotas", NextToken=token, MaxResults=50)
        found += page["Quotas"]
        token = page.get("NextToken", "")
    assert len({each["QuotaCode"] for each in found}) == len({each["QuotaName"] for each in found}) > 100
    assert {each["Value"] for each in found} == {float(DEFAULT)}
    _, one = ask(empty, "GetServiceQuota", QuotaCode=found[3]["QuotaCode"])
    assert one["Quota"] == found[3]
    with pytest.raises(ApiError, match="no quota with the code"):
        ask(empty, "GetServiceQuota", QuotaCode="L-00000000")


def test_an_increase_is_granted_and_the_default_stays() -> None:
    _, listed = ask(World(SCOPE), "ListServiceQuotas")
    code = listed["Quotas"][0]["QuotaCode"]
    after, asked = ask(World(SCOPE), "RequestServiceQuotaIncrease", QuotaCode=code, DesiredValue=500.0)
    assert asked["RequestedQuota"]["Status"] == "APPROVED"
    assert ask(after, "GetServiceQuota", QuotaCode=code)[1]["Quota"]["Value"] == 500
    assert ask(after, "GetAWSDefaultServiceQuota", QuotaCode=code)[1]["Quota"]["Value"] == DEFAULT
    history = ask(after, "ListRequestedServiceQuotaChangeHistory")[1]["RequestedQuotas"]
    assert [each["DesiredValue"] for each in history] == [500.0]
    assert ask(after, "ListRequestedServiceQuotaChangeHistory", Status="DENIED")[1]["RequestedQuotas"] == []
    for wrong in (500, 1.5, float("inf"), float("nan"), "many", True):
        with pytest.raises(ApiError) as caught:
            ask(after, "RequestServiceQuotaIncrease", QuotaCode=code, DesiredValue=wrong)
        assert caught.value.code == "IllegalArgumentException"


def test_quotas_of_other_services_are_not_ours() -> None:
    assert is_ours("ListServiceQuotas", {"ServiceCode": "sagemaker"})
    assert not is_ours("ListServiceQuotas", {"ServiceCode": "vpc"})
    assert not is_ours("ListServices", {})
    assert not is_ours("ListServiceQuotas", [])


def test_a_quota_is_set_for_a_rehearsal_also_to_less() -> None:
    worlds = Worlds()
    quotas = Quotas(worlds, lambda: 0.0)
    quotas.set({"instance_type": TYPE, "value": 0, "region": "eu-west-1"})
    assert worlds.at(SCOPE).quotas == {TYPE: 0}
    assert quotas.shown() == {
        "default": DEFAULT,
        "quotas": [{"account": SCOPE.account, "region": SCOPE.region, "instance_type": TYPE, "value": 0}],
    }


@pytest.mark.parametrize(
    "order",
    [
        [],
        {"instance_type": TYPE},
        {"instance_type": TYPE, "value": -1},
        {"instance_type": TYPE, "value": True},
        {"instance_type": TYPE, "value": "1"},
        {"instance_type": "ml.no.such", "value": 1},
        {"instance_type": TYPE, "value": 1, "colour": "red"},
    ],
)
def test_a_quota_that_cannot_be_is_not_set(order: object) -> None:
    worlds = Worlds()
    with pytest.raises(ApiError):
        Quotas(worlds, lambda: 0.0).set(order)
    assert replace(worlds.at(SCOPE)) == World(SCOPE)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ("no JSON", "valid JSON"),
        ("[]", "must be an object"),
        ('{"widgets": {}}', "/widgets"),
        ('{"widgets": [{"type": "pie", "properties": {}}]}', "/widgets/0"),
        ('{"widgets": [{"type": "text"}]}', "/widgets/0"),
        ('{"widgets": [{"type": "text", "properties": {}}]}', "/widgets/0/properties"),
        ('{"widgets": [{"type": "metric", "properties": {"region": "eu-west-1"}}]}', "/widgets/0/properties"),
        ('{"widgets": [{"type": "text", "width": 25, "properties": {"markdown": ""}}]}', "/widgets/0/width"),
    ],
)
def test_a_dashboard_that_would_show_nothing_is_refused(body: str, where: str) -> None:
    with pytest.raises(ApiError, match=where) as caught:
        check_dashboard({"DashboardBody": body})
    assert caught.value.code == "InvalidParameterInput"


def test_a_dashboard_that_shows_something_is_taken() -> None:
    metric = '{"type": "metric", "x": 0, "width": 24, "properties": {"metrics": [["N", "M"]]}}'
    check_dashboard({"DashboardBody": f'{{"widgets": [{metric}]}}'})
    check_dashboard({"DashboardBody": "{}"})
