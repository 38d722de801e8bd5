"""What the console is told: the traffic of the last minutes, and what is under way, in words."""

from pathlib import Path
from typing import Any

import pytest

from orchestrator.localcloud.console.page import FILES, page
from orchestrator.localcloud.console.recent import SECONDS
from orchestrator.localcloud.console.words import said
from orchestrator.localcloud.faulting.orders import MEMBERS
from orchestrator.localcloud.world import Place, Stage, World
from tests.support.consoles import OWNER, MadeUp, deployment

DIGITS = Place(OWNER, "digits")


def test_each_second_has_who_answered_and_who_was_to() -> None:
    made_up = MadeUp()
    made_up.put("digits", {"old": 1.0})
    made_up.answered("digits", "old", 8)
    made_up.now += 1
    made_up.put("digits", {"old": 0.75, "new": 0.25})
    made_up.answered("digits", "old", 6)
    made_up.answered("digits", "new", 1, status=400)
    made_up.answered("digits", "new", 1, status=0)
    made_up.now += 1
    shown = made_up.recent.shown(DIGITS)
    fleets: Any = shown["fleets"]
    by_config = {fleet["config"]: {name: row[-3:] for name, row in fleet.items()} for fleet in fleets}
    assert by_config["old"]["count"] == [0, 8, 6]
    assert by_config["old"]["asked"] == [0.0, 1.0, 0.75]
    assert by_config["new"]["count"] == [0, 0, 2]
    assert by_config["new"]["asked"] == [0.0, 0.0, 0.25]
    assert (by_config["new"]["refused"][-1], by_config["new"]["broken"][-1]) == (1, 1)


def test_percentiles_are_right_within_a_step() -> None:
    made_up = MadeUp()
    made_up.put("digits", {"old": 1.0})
    for latency in range(1, 101):
        made_up.answered("digits", "old", 1, latency_us=latency * 1000)
    made_up.now += 1
    shown: Any = made_up.recent.shown(DIGITS)
    assert shown["p50"][-1] == pytest.approx(50, rel=0.03)
    assert shown["p99"][-1] == pytest.approx(99, rel=0.03)
    assert shown["p50"][-2] is None


def test_what_was_long_ago_and_what_is_gone_is_forgotten() -> None:
    made_up = MadeUp()
    made_up.put("digits", {"old": 1.0})
    made_up.answered("digits", "old", 1)
    made_up.put("digits", {"new": 1.0})
    made_up.now += SECONDS + 2
    made_up.answered("digits", "new", 1)
    made_up.now += 1
    fleets: Any = made_up.recent.shown(DIGITS)["fleets"]
    assert [fleet["config"] for fleet in fleets] == ["new"]
    assert {len(fleet["count"]) for fleet in fleets} == {SECONDS}
    made_up.worlds.put(World(OWNER))
    assert made_up.recent.shown(DIGITS)["fleets"] == []


def test_fleets_of_long_ago_take_no_memory() -> None:
    made_up = MadeUp()
    for number in range(20):
        made_up.put("digits", {f"digits-{number}": 1.0})
        made_up.answered("digits", f"digits-{number}", 1)
        made_up.now += SECONDS + 1
    (line,) = made_up.recent._lines.values()  # noqa: SLF001 - nothing else shows what is kept
    assert len(line.seconds) == 1


@pytest.mark.parametrize(
    ("policy", "begins"),
    [
        (None, "all at once"),
        ({"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": {"Type": "CANARY"}}}, "canary"),
        ({"RollingUpdatePolicy": {"MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1}}}, "rolling"),
    ],
)
def test_what_is_under_way_is_said_in_words(policy: dict[str, Any] | None, begins: str) -> None:
    made_up = MadeUp()
    pending = deployment("digits-2", policy=policy, stages={"primary": Stage("Baking", "", 1, 0.1)})
    made_up.put("digits", {"digits-1": 1.0}, "Updating", pending=pending)
    (sentence,) = said(made_up.worlds.at(OWNER).endpoints["digits"])
    assert sentence == (
        f"{begins} to endpoint config digits-2; variant primary: Baking, 10 % of the traffic on 1 instance"
    )


def test_the_page_is_made_of_files_that_run_nothing_else() -> None:
    shown = page("/_local")
    assert shown is not None
    assert "script-src 'self'" in shown.headers["content-security-policy"]
    text = bytes(shown.body).decode()
    assert "<script>" not in text
    for name in ("page.css", "page_parts.js", "page_charts.js", "page_endpoints.js", "page_live.js"):
        assert f"{FILES}{name}" in text
        assert page(f"{FILES}{name}") is not None
    for path in (f"{FILES}page.py", f"{FILES}../own.py", f"{FILES}", "/_local/other"):
        assert page(path) is None


def test_no_script_makes_html_of_a_text() -> None:
    folder = Path(__file__).parents[2] / "orchestrator/localcloud/console"
    scripts = "".join(path.read_text() for path in folder.glob("*.js"))
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert way not in scripts


def test_the_page_has_words_for_every_fault_and_a_field_for_every_member() -> None:
    script = bytes(page(f"{FILES}page_live.js").body).decode()  # type: ignore[union-attr]  # it is one of its files
    for kind, members in MEMBERS.items():
        assert f'  "{kind}": "' in script
        for member in members - {"kind"}:
            assert f"  {member}: [" in script
