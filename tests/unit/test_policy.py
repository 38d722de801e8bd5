"""What findings lead to."""

from typing import get_args

import pytest

from orchestrator.adapters.spec import fields, tables
from orchestrator.core import policy
from orchestrator.core.errors import RefusedError
from orchestrator.core.policy import Finding, Level, Rule
from orchestrator.core.resources import Variant
from orchestrator.core.spec import PolicySpec
from orchestrator.core.target import EndpointSpec, Target

FLEET = EndpointSpec(variants=(Variant("primary", "", "ml.m5.large", 1),))
TARGET = Target("prod", "eu-west-1", "b", "r", FLEET, 5, "pytorch-inference-2.6-cpu")


def finding(rule: Rule = Rule.NEWER_TORCH, level: Level = Level.WARN, text: str = "too new") -> Finding:
    return Finding(rule, level, text, "wait")


def said(rule: Rule, level: Level) -> PolicySpec:
    return PolicySpec(((str(rule), str(level)),))


def test_the_rules_that_can_be_set_are_the_keys_of_the_spec() -> None:
    assert {str(rule) for rule in policy.SETTABLE} == set(tables.PolicyTable.model_fields)


def test_the_levels_that_can_be_set_are_known() -> None:
    assert {Level(level) for level in get_args(fields.Level)} == set(Level) - {Level.NOTE}


def test_a_finding_has_its_own_level_where_the_spec_says_nothing() -> None:
    note, warning = finding(Rule.HASHES, Level.NOTE), finding()
    refusal = finding(Rule.REPLACED_TORCH, Level.REFUSE)
    judged = policy.judge([refusal, warning, note], PolicySpec())
    assert judged == policy.Judgement((note,), (warning,), (refusal,))


@pytest.mark.parametrize("rule", policy.SETTABLE)
@pytest.mark.parametrize("own", [Level.WARN, Level.REFUSE])
def test_the_spec_decides_about_the_rules_that_it_names(rule: Rule, own: Level) -> None:
    found = finding(rule, own)
    assert policy.judge([found], said(rule, Level.ALLOW)) == policy.Judgement()
    assert policy.judge([found], said(rule, Level.WARN)) == policy.Judgement(warnings=(found,))
    assert policy.judge([found], said(rule, Level.REFUSE)) == policy.Judgement(refusals=(found,))


def test_the_spec_says_nothing_about_the_rules_that_it_does_not_name() -> None:
    other = finding(Rule.END_OF_PATCH)
    assert policy.judge([other], said(Rule.NEWER_TORCH, Level.REFUSE)).warnings == (other,)


def test_nothing_found_leads_to_nothing() -> None:
    assert policy.judge([], said(Rule.NEWER_TORCH, Level.REFUSE)) == policy.Judgement()


def test_a_line_names_the_key_that_decides_where_there_is_one() -> None:
    assert finding().line == "too new (policy.newer_torch)"
    assert finding(Rule.SECRETS).line == "too new"


def test_a_refusal_says_every_reason_what_to_do_and_how_to_let_it_pass() -> None:
    error = policy.refused(
        [finding(text="a"), finding(text="b"), Finding(Rule.UNSUPPORTED, Level.REFUSE, "c", "change it")],
        TARGET,
    )
    assert isinstance(error, RefusedError)
    assert str(error) == "the project does not fit container profile 'pytorch-inference-2.6-cpu'"
    assert error.details == (
        ("newer_torch", "a"),
        ("newer_torch", "b"),
        ("unsupported", "c"),
        ("state", "nothing has changed"),
    )
    assert error.hint == 'wait\nchange it\nor set policy.newer_torch = "warn" in the spec'


def test_a_refusal_names_the_image_where_that_is_the_container() -> None:
    own = Target("prod", None, None, None, FLEET, 5, "x", image="1.dkr.ecr.r.amazonaws.com/x:1")
    error = policy.refused([finding(Rule.SECRETS)], own)
    assert str(error) == "the project does not fit image '1.dkr.ecr.r.amazonaws.com/x:1'"
    assert error.hint == "wait"
