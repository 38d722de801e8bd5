"""What a plan means, in words and in money."""

from dataclasses import replace

import pytest

from orchestrator.core.clouds import Capacity
from orchestrator.core.errors import SpecError
from orchestrator.core.fleets import counts_after, counts_before, quota_needed
from orchestrator.core.notes import meaning, minutes
from orchestrator.core.prices import Cost, Prices, hourly, parse
from orchestrator.core.proposal import Proposal
from orchestrator.core.resources import (
    EndpointConfig,
    InstancePool,
    Model,
    Serverless,
    Variant,
)
from orchestrator.core.revision import Revision
from orchestrator.core.rollout import AT_ONCE, Kind, Rollout, Size, Unit
from orchestrator.core.scaling import Dimension, Scaling
from orchestrator.core.steps import (
    CreateEndpoint,
    DeleteEndpoint,
    DeleteModel,
    Plan,
    PutScaling,
    RemoveScaling,
    SetCapacities,
    SuspendScaling,
    UpdateEndpoint,
)
from tests.support import proposals

MODEL = Model("m", "image:1", "s3://bucket/model.tar.gz", "role")
PRIMARY = Variant("primary", "m", "ml.m5.large", 4)
LAMBDA = Variant("primary", "m", serverless=Serverless(2048, 5))
CONFIG = EndpointConfig("digits-new", (PRIMARY,))
OLD = EndpointConfig("digits-old", (PRIMARY,))
NEW = Proposal(Revision("digits", "a" * 64, MODEL, CONFIG))
CANARY = Rollout(Kind.CANARY, Size(25), bake_seconds=600, final_bake_seconds=300)
ROLLING = Rollout(Kind.ROLLING, Size(50), bake_seconds=300)
SCALING = Scaling("primary", 2, 10)
CREATE: Plan = (CreateEndpoint("digits", "digits-new"),)
PRICES = Prices({"ml.m5.large": 0.5, "ml.c5.large": 0.25})


def update(*, retain: bool = False) -> Plan:
    return (UpdateEndpoint("digits", "digits-new", "digits-old", retain=retain),)


def wanting(*variants: Variant, proposal: Proposal = NEW) -> Proposal:
    config = replace(CONFIG, variants=variants)
    return replace(proposal, revision=replace(NEW.revision, config=config))


def live(proposal: Proposal = NEW, serving: EndpointConfig = OLD, count: int = 4) -> Proposal:
    return proposals.live(proposal, serving, count)


def said(plan: Plan, proposal: Proposal | None, prices: Prices | None = None) -> dict[str, str]:
    return {note.topic: note.says for note in meaning(plan, proposal, prices)}


def test_an_empty_plan_means_nothing() -> None:
    assert meaning((), live(), PRICES) == ()
    assert meaning((DeleteModel("m"),), None) == ()


def test_a_rollout_in_steps_says_for_how_long_both_fleets_are_billed() -> None:
    notes = said(update(), live(replace(NEW, rollout=CANARY)))
    assert notes["both-fleets"] == "both fleets are billed for about 19 minutes"
    assert "unguarded" not in notes


@pytest.mark.parametrize(
    ("rollout", "expected"),
    [
        (AT_ONCE, 4),
        (CANARY, 19),
        (Rollout(Kind.LINEAR, Size(25), bake_seconds=300), 24),
        (ROLLING, 14),
        (Rollout(Kind.ROLLING, Size(1, Unit.INSTANCES), bake_seconds=300), 24),
    ],
)
def test_the_minutes_are_those_of_making_the_fleet_and_of_all_bakes(rollout: Rollout, expected: int) -> None:
    assert minutes(live(replace(NEW, rollout=rollout))) == expected


def test_rolling_bills_a_batch_and_not_a_second_fleet() -> None:
    notes = said(update(), live(replace(NEW, rollout=ROLLING)))
    assert notes["duration"] == "about 14 minutes; one batch more than the fleet is billed meanwhile"
    assert "both-fleets" not in notes


def test_moving_at_once_says_that_no_alarm_protects_it() -> None:
    notes = said(update(), live())
    assert notes["unguarded"].endswith("no alarm does")
    assert notes["duration"] == "about 4 minutes, longer for large models"


def test_a_count_that_an_autoscaler_owns_is_said_to_be_kept() -> None:
    proposal = live(replace(NEW, scalings=(SCALING,)), count=7)
    assert said(update(retain=True), proposal)["count-kept"] == (
        "an autoscaler owns the count of 'primary': kept at 7"
    )
    assert "count-kept" not in said(update(), proposal)


def test_leaving_serverless_is_said_to_have_no_way_back() -> None:
    serverless = replace(OLD, variants=(LAMBDA,))
    notes = said(update(), live(NEW, serverless, 0))
    assert notes["no-way-back"] == "there is no way back to 'digits-old': it is serverless"
    assert "no-way-back" not in said(update(), live(wanting(LAMBDA), serverless, 0))


def test_a_new_endpoint_has_nothing_to_go_back_to() -> None:
    notes = said(CREATE, NEW)
    assert set(notes) == {"duration", "first", "quota"}
    assert notes["quota"] == "quota needed: 4 of ml.m5.large"


def test_an_endpoint_that_is_made_again_is_an_outage() -> None:
    assert "made again" in said((DeleteEndpoint("digits"), *CREATE), NEW)["outage"]
    assert said((DeleteEndpoint("digits"),), None)["outage"].endswith("nobody answers any more")


def test_what_becomes_of_autoscaling_is_said() -> None:
    away = RemoveScaling("digits", "primary", Dimension.INSTANCES)
    put = PutScaling("digits", SCALING)
    assert set(said((SuspendScaling("digits", SCALING), put), None)) == {"scale-in-suspended"}
    assert set(said((away, put), None)) == {"scaling-put-back"}
    assert set(said((away,), None)) == {"scaling-removed"}


def test_other_weights_need_no_new_fleet() -> None:
    plan: Plan = (SetCapacities("digits", (Capacity("primary", 0.5),)),)
    assert set(said(plan, live(NEW, CONFIG))) == {"capacities"}


@pytest.mark.parametrize(
    ("proposal", "needed"),
    [
        (NEW, {"ml.m5.large": 4}),
        (live(), {"ml.m5.large": 8}),
        (live(replace(NEW, rollout=CANARY)), {"ml.m5.large": 8}),
        (live(replace(NEW, rollout=ROLLING)), {"ml.m5.large": 6}),
        (live(replace(NEW, scalings=(SCALING,)), count=7), {"ml.m5.large": 14}),
        (live(wanting(replace(PRIMARY, instance_type="ml.c5.large"))), {"ml.c5.large": 4, "ml.m5.large": 4}),
        (
            live(
                wanting(replace(PRIMARY, instance_type="ml.c5.large"), proposal=replace(NEW, rollout=ROLLING))
            ),
            {"ml.c5.large": 4, "ml.m5.large": 4},
        ),
        (live(wanting(replace(PRIMARY, instance_count=2))), {"ml.m5.large": 6}),
        (wanting(LAMBDA), {}),
        (wanting(PRIMARY, replace(PRIMARY, name="second", instance_count=1)), {"ml.m5.large": 5}),
        (live(replace(NEW, rollout=replace(ROLLING, size=Size(5)))), {"ml.m5.large": 5}),
    ],
)
def test_the_quota_needed_is_of_what_runs_at_a_time(proposal: Proposal, needed: dict[str, int]) -> None:
    assert quota_needed(proposal) == needed


def test_pools_count_as_the_type_that_is_tried_first() -> None:
    pools = (InstancePool("ml.c5.large", 2), InstancePool("ml.m5.large", 1))
    proposal = wanting(replace(PRIMARY, instance_type="", pools=pools))
    assert quota_needed(proposal) == {"ml.m5.large": 4}
    assert "ml.m5.large" in said(CREATE, proposal)["pools"]


def test_shadow_variants_count_as_well() -> None:
    shadow = replace(PRIMARY, name="shadow", instance_count=1)
    proposal = replace(NEW, revision=replace(NEW.revision, config=replace(CONFIG, shadows=(shadow,))))
    assert quota_needed(proposal) == {"ml.m5.large": 5}


def test_variants_without_instances_need_no_quota() -> None:
    asleep = replace(PRIMARY, instance_count=0)
    assert quota_needed(wanting(asleep)) == {}


def test_counts_before_are_those_that_are_observed() -> None:
    assert counts_before(NEW) == {}
    assert counts_before(live(count=7)) == {"primary": 7}
    assert counts_after(live(count=7)) == {"primary": 4}


def test_the_cost_is_given_before_and_after() -> None:
    proposal = live(wanting(replace(PRIMARY, instance_type="ml.c5.large", instance_count=2)))
    assert said(update(), proposal, PRICES)["cost"] == "2.00 USD an hour before, 0.50 USD after"
    assert said(CREATE, NEW, PRICES)["cost"] == "2.00 USD an hour"


def test_a_type_without_a_price_is_named_and_not_guessed() -> None:
    proposal = live(wanting(replace(PRIMARY, instance_type="ml.g5.xlarge")))
    notes = said(update(), proposal, PRICES)
    assert notes["cost-unknown"] == "not counted, as the table has no price: ml.g5.xlarge"
    assert notes["cost"] == "2.00 USD an hour before, 0.00 USD after"


def test_what_is_paid_by_use_is_said_to_be() -> None:
    assert said(CREATE, wanting(LAMBDA), PRICES)["cost-by-use"].endswith("'primary'")
    assert hourly(replace(CONFIG, variants=(LAMBDA,)), {}, PRICES) == Cost(0.0, "USD", (), ("primary",))


def test_a_price_table_is_toml_or_json_by_its_name() -> None:
    wanted = Prices({"ml.m5.large": 0.115, "ml.g5.xlarge": 2.0}, "EUR")
    toml = 'currency = "EUR"\n[per_hour]\n"ml.m5.large" = 0.115\n"ml.g5.xlarge" = 2\n'
    assert parse(toml, "prices.toml") == wanted
    json = '{"currency": "EUR", "per_hour": {"ml.m5.large": 0.115, "ml.g5.xlarge": 2}}'
    assert parse(json, "prices.json") == wanted


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no table [per_hour]"),
        ("per_hour = 3", "no table [per_hour]"),
        ("[per_hour", "Expected"),
        ('[per_hour]\n"x" = "1"', "the price of 'x'"),
        ('[per_hour]\n"x" = -1', "the price of 'x'"),
        ('[per_hour]\n"x" = true', "the price of 'x'"),
        ('[per_hour]\n"x" = nan', "the price of 'x'"),
        ('[per_hour]\n"x" = inf', "the price of 'x'"),
        ("[per_hour]\n[per_day]", "a key 'per_day'"),
        ("currency = 3\n[per_hour]", "currency"),
        ('currency = "\\u001b[31m"\n[per_hour]', "currency"),
    ],
)
def test_what_is_no_price_table_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(SpecError, match=r"'prices\.toml' is no price table") as caught:
        parse(text, "prices.toml")
    assert why in str(caught.value)


def test_json_that_is_none_is_refused() -> None:
    for text in ("{", "[]", "null"):
        with pytest.raises(SpecError):
            parse(text, "prices.json")
