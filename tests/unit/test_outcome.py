"""The success predicate: nothing but the whole of it is success, and each other end is told apart."""

from dataclasses import replace

import pytest

from orchestrator.core.clouds import Capacity
from orchestrator.core.outcome import (
    STALE_READ_SECONDS,
    Answer,
    Arrived,
    Deployed,
    Mixed,
    Moving,
    NotVerified,
    RolledBack,
    Sighting,
    Superseded,
    Unhealthy,
    Verdict,
    judge,
)
from orchestrator.core.resources import Endpoint, EndpointStatus, VariantStatus
from tests.support.builders import endpoint, expectation

GOOD = Answer("seven", "f" * 16)


def seen(found: Endpoint | None, *, elapsed: float = 5.0, moved: bool = True) -> Sighting:
    return Sighting(found, elapsed, moved)


def verdict(found: Endpoint | None, *, elapsed: float = 5.0, moved: bool = True) -> Verdict:
    return judge(expectation(), seen(found, elapsed=elapsed, moved=moved), [GOOD])


def test_the_whole_predicate_is_success() -> None:
    assert verdict(endpoint()) == Deployed(1, recognised=True)


def test_before_the_golden_cases_were_asked_it_has_only_arrived() -> None:
    assert judge(expectation(), seen(endpoint())) == Arrived()


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        (endpoint(status=EndpointStatus.UPDATING), Moving(EndpointStatus.UPDATING)),
        (endpoint(status=EndpointStatus.FAILED), Unhealthy(EndpointStatus.FAILED, "")),
        (endpoint(status=EndpointStatus.OUT_OF_SERVICE), Unhealthy(EndpointStatus.OUT_OF_SERVICE, "")),
        (endpoint(status=EndpointStatus.UPDATE_ROLLBACK_FAILED, failure_reason="no"), Mixed("no")),
        (endpoint(config="digits-old"), RolledBack("")),
        (endpoint(config="digits-third"), Superseded("digits-third")),
        (endpoint(pending="digits-new"), Moving(EndpointStatus.IN_SERVICE)),
        (endpoint(last_modified=100.0), Moving(EndpointStatus.IN_SERVICE)),
        (endpoint(variants=(VariantStatus("primary", 0, 1),)), Moving(EndpointStatus.IN_SERVICE)),
        (
            endpoint(variants=(VariantStatus("primary", 1, 1, 0.0, 1.0),)),
            Moving(EndpointStatus.IN_SERVICE),
        ),
        (None, Unhealthy(None, "the endpoint is gone")),
    ],
)
def test_where_only_one_part_is_false_it_is_not_success(world: Endpoint | None, expected: Verdict) -> None:
    assert verdict(world) == expected


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (Answer("seven", "f" * 16, "body is 1, not 7"), "body is 1, not 7"),
        (Answer("seven", "e" * 16), f"answered with the fingerprint {'e' * 16}, not with {'f' * 16}"),
        (Answer("seven", None), f"answered with no fingerprint, not with {'f' * 16}"),
    ],
)
def test_one_wrong_answer_among_right_ones_is_not_success(answer: Answer, problem: str) -> None:
    assert judge(expectation(), seen(endpoint()), [GOOD, answer]) == NotVerified("seven", problem)


@pytest.mark.parametrize("status", [status for status in EndpointStatus if status.settled])
def test_a_stale_read_right_after_the_call_is_no_verdict(status: EndpointStatus) -> None:
    before = endpoint(config="digits-old", status=status, last_modified=100.0)
    assert verdict(before, moved=False) == Moving(status)


def test_an_unchanged_endpoint_is_a_rollback_once_it_has_moved_or_time_has_passed() -> None:
    before = endpoint(config="digits-old", last_modified=100.0)
    assert verdict(before, moved=True) == RolledBack("")
    assert verdict(before, moved=False, elapsed=STALE_READ_SECONDS) == RolledBack("")
    assert verdict(replace(before, last_modified=101.0), moved=False) == RolledBack("")


def test_a_new_endpoint_may_be_invisible_for_a_while() -> None:
    assert verdict(None, moved=False) == Moving(None)
    assert verdict(None, moved=False, elapsed=STALE_READ_SECONDS) == Unhealthy(None, "the endpoint is gone")


def test_a_new_endpoint_needs_no_time_stamp_to_compare_with() -> None:
    fresh = expectation(previous=None, modified_before=0.0)
    assert judge(fresh, seen(endpoint(last_modified=0.0)), []) == Deployed(0, recognised=False)


def test_sagemakers_reason_is_handed_on() -> None:
    failed = endpoint(status=EndpointStatus.FAILED, failure_reason="CapacityError: ...")
    assert verdict(failed) == Unhealthy(EndpointStatus.FAILED, "CapacityError: ...")


def test_an_endpoint_that_cannot_show_a_fingerprint_is_not_recognised() -> None:
    blind = expectation(fingerprint="")
    assert judge(blind, seen(endpoint()), [Answer("seven", None)]) == Deployed(1, recognised=False)
    wrong = Answer("seven", None, "body is 1, not 7")
    assert judge(blind, seen(endpoint()), [wrong]) == NotVerified("seven", "body is 1, not 7")


def test_answers_that_may_be_anybodys_recognise_nobody() -> None:
    error = Answer("empty", None, is_error=True)
    assert judge(expectation(), seen(endpoint()), [error]) == Deployed(0, recognised=False)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (Capacity("primary", 1.0), Arrived()),
        (Capacity("primary", 1.0, 1), Arrived()),
        (Capacity("primary", 0.5), RolledBack("")),
        (Capacity("primary", 1.0, 2), RolledBack("")),
    ],
)
def test_a_variant_that_is_not_asked_to_be_what_was_asked_for_went_back(
    asked: Capacity, expected: Verdict
) -> None:
    resized = expectation(config="digits-new", previous="digits-new", capacities=(asked,))
    assert judge(resized, seen(endpoint())) == expected
    before = seen(endpoint(last_modified=100.0), moved=False)
    assert judge(resized, before) == Moving(EndpointStatus.IN_SERVICE)
