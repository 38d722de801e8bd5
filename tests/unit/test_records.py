"""Records: what is written of a value is read back as that value, and what is no record is not read."""

import json
from dataclasses import dataclass, field

import pytest

from orchestrator.core.records import content, from_record, to_record
from orchestrator.core.resources import (
    Endpoint,
    EndpointConfig,
    EndpointStatus,
    InstancePool,
    Model,
    Serverless,
    State,
    Variant,
    VariantStatus,
    Vpc,
)
from orchestrator.core.rollout import Kind, Rollout, Size, Unit
from orchestrator.core.scaling import Dimension, Scaling, Schedule, StepAdjustment, StepPolicy, TargetTracking


@dataclass(frozen=True, slots=True)
class Leaf:
    name: str
    size: float = 1.0
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Tree:
    count: int
    leaf: Leaf | None = None
    leaves: tuple[Leaf, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    kind: Kind = Kind.ALL_AT_ONCE
    names: frozenset[str] = frozenset()
    notes: tuple[str, ...] = field(default_factory=tuple)


STATE = State(
    models=frozenset({Model("m", "image", "s3://b/k", "role", (("A", ""),), vpc=Vpc(("sg",), ("a", "b")))}),
    configs=frozenset(
        {
            EndpointConfig("c", (Variant("x", "m", pools=(InstancePool("ml.m5.large", 1),), weight=0.0),)),
            EndpointConfig("d", (Variant("x", "m", serverless=Serverless(2048, 5, 1)),), kms_key="key"),
        }
    ),
    endpoint=Endpoint("e", "c", EndpointStatus.UPDATING, pending="d", variants=(VariantStatus("x", 1, 2),)),
    scalings=frozenset(
        {
            Scaling(
                "x",
                0,
                9,
                Dimension.PROVISIONED_CONCURRENCY,
                (TargetTracking("t", "m", 0.5, scale_in=False),),
                (StepPolicy("s", "m", 1.0, (StepAdjustment(-1, upper=0.0),)),),
                (Schedule("night", "cron(0 20 * * ? *)", maximum=1),),
            )
        }
    ),
    alarms=frozenset({"c-5xx", "c-judge"}),
)


@pytest.mark.parametrize(
    "value",
    [
        STATE,
        Rollout(),
        Rollout(Kind.ROLLING, Size(1, Unit.INSTANCES), 60, alarms=("a",), rollback_size=Size(50)),
        Tree(3, Leaf("a", 0.5, is_open=True), (Leaf("b"),), (("k", "v"),), Kind.LINEAR, frozenset("xy")),
    ],
)
def test_what_is_written_is_read_back_even_through_json(value: object) -> None:
    assert from_record(type(value), json.loads(json.dumps(to_record(value)))) == value


def test_equal_values_have_equal_records_whatever_the_order_of_their_sets() -> None:
    names = [f"name-{number}" for number in range(50)]
    one, other = Tree(1, names=frozenset(names)), Tree(1, names=frozenset(reversed(names)))
    assert to_record(one)["names"] == to_record(other)["names"] == sorted(names)


def test_the_content_leaves_out_what_says_nothing_and_keeps_zeros() -> None:
    assert content(Tree(0, Leaf("", 0.0), pairs=(("key", ""),))) == {
        "count": 0,
        "leaf": {"size": 0.0},
        "pairs": [["key", ""]],
        "kind": "all-at-once",
    }


def test_the_content_tells_an_empty_table_from_none() -> None:
    assert content(Tree(1, STATE_LEAF)) != content(Tree(1))


STATE_LEAF = Leaf("", size=0.0)


def test_a_field_that_an_older_version_did_not_know_gets_its_default() -> None:
    assert from_record(Tree, {"count": 2}) == Tree(2)


@pytest.mark.parametrize(
    ("record", "error", "said"),
    [
        ({}, KeyError, "Tree.count"),
        ({"count": 1, "colour": "red"}, ValueError, "Tree has no field 'colour'"),
        ({"count": "1"}, TypeError, "Tree.count: expected a whole number, not str"),
        ({"count": True}, TypeError, "Tree.count: expected a whole number, not bool"),
        ({"count": 1.0}, TypeError, "Tree.count: expected a whole number, not float"),
        ({"count": None}, TypeError, "Tree.count: expected a whole number, not NoneType"),
        ({"count": 1, "leaf": []}, TypeError, "Tree.leaf: expected an object, not list"),
        ({"count": 1, "leaf": {"name": 7}}, TypeError, "Tree.leaf.name: expected a text, not int"),
        ({"count": 1, "leaf": {"name": "a", "size": "1"}}, TypeError, "Tree.leaf.size: expected a number"),
        ({"count": 1, "leaf": {"name": "a", "size": False}}, TypeError, "expected a number, not bool"),
        ({"count": 1, "leaf": {"name": "a", "size": 10**400}}, ValueError, "the number is too large"),
        ({"count": 1, "leaf": {"name": "a", "size": float("nan")}}, ValueError, "a finite number"),
        ({"count": 1, "leaf": {"name": "a", "is_open": 0}}, TypeError, "expected true or false, not int"),
        ({"count": 1, "leaves": {"name": "a"}}, TypeError, "Tree.leaves: expected a list, not dict"),
        ({"count": 1, "leaves": "ab"}, TypeError, "Tree.leaves: expected a list, not str"),
        ({"count": 1, "leaves": [{"name": "a"}, {}]}, KeyError, r"Tree.leaves\[1\].name"),
        ({"count": 1, "pairs": [["a"]]}, ValueError, r"Tree.pairs\[0\]: expected 2 items, not 1"),
        ({"count": 1, "kind": "sideways"}, ValueError, "Tree.kind: no such Kind"),
        ({"count": 1, "kind": []}, ValueError, "Tree.kind: no such Kind"),
        ({"count": 1, "names": [[]]}, TypeError, r"Tree.names\[0\]: expected a text, not list"),
        ([], TypeError, "Tree: expected an object, not list"),
        (None, TypeError, "Tree: expected an object, not NoneType"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(
    record: object, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        from_record(Tree, record)


def test_a_whole_number_may_stand_for_a_fraction() -> None:
    found = from_record(Leaf, {"name": "a", "size": 2})
    assert found == Leaf("a", 2.0)
    assert isinstance(found.size, float)


@pytest.mark.parametrize("value", ["text", Leaf, 7, None])
def test_a_record_is_made_of_a_dataclass(value: object) -> None:
    with pytest.raises(TypeError, match="a record is made of a dataclass"):
        to_record(value)


def test_what_is_no_plain_value_is_not_written() -> None:
    with pytest.raises(TypeError, match="not of bytes"):
        to_record(Leaf(b"name"))  # type: ignore[arg-type]  # the point of the test
