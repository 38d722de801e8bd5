"""Values checked against the shapes of an API."""

from typing import Any

import pytest

from orchestrator.core.shapes import Entry, Item, Member, Path, Rule, problems

MODEL: dict[str, Any] = {
    "shapes": {
        "Request": {
            "type": "structure",
            "required": ["Name"],
            "members": {
                "Name": {"shape": "Name"},
                "Count": {"shape": "Count"},
                "Share": {"shape": "Share"},
                "On": {"shape": "Flag"},
                "Kind": {"shape": "Kind"},
                "Items": {"shape": "Items"},
                "Variables": {"shape": "Variables"},
            },
        },
        "Name": {"type": "string", "min": 2, "max": 5, "pattern": r"[\p{L}_]+"},
        "Text": {"type": "string", "max": 3},
        "Count": {"type": "integer", "min": 1, "max": 10},
        "Share": {"type": "float", "min": 0},
        "Flag": {"type": "boolean"},
        "Kind": {"type": "string", "enum": ["a", "b"]},
        "Items": {"type": "list", "member": {"shape": "Text"}, "max": 2},
        "Variables": {"type": "map", "key": {"shape": "Text"}, "value": {"shape": "Text"}, "max": 1},
    }
}


def found(**request: object) -> list[tuple[Path, Rule, object]]:
    listed = problems(MODEL, "Request", {"Name": "name", **request})
    return [(problem.path, problem.rule, problem.bound) for problem in listed]


def at(name: str, *more: Item | Entry) -> Path:
    return (Member("Request", name), *more)


def test_what_follows_every_rule_has_no_problem() -> None:
    assert found(Count=10, Share=0.0, On=False, Kind="b", Items=["abc", ""], Variables={"k": "v"}) == []


def test_what_is_none_is_absent() -> None:
    assert found(Count=None, Items=None) == []


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        ({"Name": None}, (at("Name"), Rule.REQUIRED, None)),
        ({"Name": "n"}, (at("Name"), Rule.MIN_LENGTH, 2)),
        ({"Name": "toolong"}, (at("Name"), Rule.MAX_LENGTH, 5)),
        ({"Name": "a b"}, (at("Name"), Rule.PATTERN, r"[\p{L}_]+")),
        ({"Name": "ab\n"}, (at("Name"), Rule.PATTERN, r"[\p{L}_]+")),
        ({"Count": 0}, (at("Count"), Rule.MINIMUM, 1)),
        ({"Count": 11}, (at("Count"), Rule.MAXIMUM, 10)),
        ({"Count": 1.5}, (at("Count"), Rule.TYPE, "integer")),
        ({"Count": True}, (at("Count"), Rule.TYPE, "integer")),
        ({"Share": float("nan")}, (at("Share"), Rule.MINIMUM, 0)),
        ({"On": 1}, (at("On"), Rule.TYPE, "boolean")),
        ({"Kind": "c"}, (at("Kind"), Rule.ENUM, ("a", "b"))),
        ({"Items": ["a", "b", "c"]}, (at("Items"), Rule.MAX_LENGTH, 2)),
        ({"Items": ["a", "long"]}, (at("Items", Item(2)), Rule.MAX_LENGTH, 3)),
        ({"Variables": {"k": "v", "l": "w"}}, (at("Variables"), Rule.MAX_LENGTH, 1)),
        ({"Variables": {"long": "v"}}, (at("Variables", Entry("long", is_key=True)), Rule.MAX_LENGTH, 3)),
        ({"Variables": {"k": "long"}}, (at("Variables", Entry("k")), Rule.MAX_LENGTH, 3)),
        ({"Surprise": 1}, (at("Surprise"), Rule.KNOWN, "Request")),
    ],
)
def test_a_rule_that_does_not_hold_is_found_where_it_is(
    request_: dict[str, object], problem: tuple[Path, Rule, object]
) -> None:
    assert found(**request_) == [problem]


def test_every_problem_is_found_and_not_the_first_alone() -> None:
    assert [rule for _, rule, _ in found(Name="no way", Count=0)] == [
        Rule.MAX_LENGTH,
        Rule.PATTERN,
        Rule.MINIMUM,
    ]


def test_letters_are_those_of_every_language() -> None:
    assert found(Name="äßж") == []
