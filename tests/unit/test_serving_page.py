import base64
import hashlib
import json
import re
from typing import Any

import pytest

from orchestrator.core.golden import Case
from orchestrator.core.golden import Request as GoldenRequest
from orchestrator.serving.messages import Headers, Part, Request, Response
from orchestrator.serving.ports import Answered, Asked, Situation, WorkerState
from orchestrator.serving.watching.page import Page
from orchestrator.serving.watching.recent import Recent

BROWSER: Headers = (("accept", "text/html,application/xhtml+xml,*/*;q=0.8"),)


class _Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


async def _no_parts(part: Part) -> None:
    raise AssertionError(part)


def _asked(page: Page, path: str, headers: Headers = (), method: str = "GET") -> Response | None:
    # A room that only tells what it knows never waits: no loop, which would need a socket, is needed.
    answering = page.answer(Asked(method, path, "", Request(headers, b"", "id")), _no_parts)
    with pytest.raises(StopIteration) as told:
        answering.send(None)
    response: Response | None = told.value.value
    return response


def _content(page: Page, path: str) -> dict[str, Any]:
    response = _asked(page, path)
    assert response
    return dict(json.loads(response.body))


def _answered(status: int = 200, path: str = "/invocations", **changes: Any) -> Answered:  # noqa: ANN401 - any of the fields
    usual: dict[str, Any] = {
        "seconds": 0.002,
        "model_seconds": 0.001,
        "request_bytes": 1,
        "response_bytes": 1,
    }
    return Answered("id", "POST", path, status, **(usual | changes))


def _document() -> tuple[str, dict[str, str]]:
    response = _asked(Page(Recent(), Situation), "/", BROWSER)
    assert response
    return response.body.decode(), dict(response.headers)


def _digest(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def test_a_browser_gets_the_page() -> None:
    document, headers = _document()
    assert document.startswith("<!doctype html>")
    assert headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/", ()),
        ("GET", "/", (("Accept", "*/*"),)),
        ("GET", "/", (("Accept", "application/json"),)),
        ("POST", "/", BROWSER),
        ("POST", "/_local/state", BROWSER),
        ("GET", "/_local", BROWSER),
        ("GET", "/_local/other", BROWSER),
        ("GET", "/page.css", BROWSER),
    ],
)
def test_everything_else_is_left_to_the_container(method: str, path: str, headers: Headers) -> None:
    assert _asked(Page(Recent(), Situation), path, headers, method) is None


def test_the_policy_lets_only_the_pages_own_scripts_and_styles_run() -> None:
    document, headers = _document()
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    (script,) = re.findall(r"<script[^>]*>(.*?)</script>", document, re.DOTALL)
    (style,) = re.findall(r"<style[^>]*>(.*?)</style>", document, re.DOTALL)
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == _digest(script)
    assert policy["style-src"] == _digest(style)
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"


def test_no_other_page_may_frame_or_read_any_of_it() -> None:
    page = Page(Recent(), Situation)
    for path in ("/", "/_local/state", "/_local/cases"):
        response = _asked(page, path, BROWSER)
        assert response
        headers = dict(response.headers)
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"


def test_the_document_asks_no_other_host_for_anything_and_has_no_inline_handlers() -> None:
    document, _ = _document()
    addresses = set(re.findall(r"https?://[^\s\"'`)]+", document))
    # A namespace is a name, and a source in a comment is for readers.
    assert {address for address in addresses if "w3.org/2000/svg" not in address} <= {
        "https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html"
    }
    assert not re.search(
        r"\son\w+=|<link[^>]+stylesheet|\bsrc=\"|style=\"|innerHTML|outerHTML|insertAdjacent", document
    )


def test_cases_are_told_with_their_bytes_and_what_they_expect() -> None:
    case = Case("seven.json", GoldenRequest(b"\x00\xff", "image/png", "text/csv"), {"label": "7"}, 200)
    content = _content(
        Page(Recent(), Situation, cases=[case], atol=0.5, facts={"program": "predict.py"}), "/_local/cases"
    )
    assert content == {
        "cases": [
            {
                "name": "seven.json",
                "content_type": "image/png",
                "accept": "text/csv",
                "body_base64": "AP8=",
                "status": 200,
                "expected": '{"label": "7"}',
            }
        ],
        "atol": 0.5,
        "facts": {"program": "predict.py"},
    }


def test_the_state_tells_of_workers_and_the_model() -> None:
    situation = Situation((WorkerState(1, 7, "idle", 3, 1, 1000),), 2, {"task": "tabular"})
    content = _content(Page(Recent(), lambda: situation), "/_local/state")
    assert content["workers"] == [
        {"number": 1, "pid": 7, "state": "idle", "served": 3, "restarts": 1, "rss_bytes": 1000}
    ]
    assert content["waiting"] == 2
    assert content["describes"] == {"task": "tabular"}


def test_answers_are_counted_by_whole_seconds_of_the_last_minute() -> None:
    clock = _Clock()
    recent = Recent(clock)
    recent.answered(_answered())
    recent.answered(_answered(500))
    clock.seconds += 2
    recent.answered(_answered())
    shown: Any = recent.shown()
    assert len(shown["answers_per_second"]) == 60
    assert shown["answers_per_second"][-2:] == [2, 0]
    assert shown["errors_per_second"][-2:] == [1, 0]
    clock.seconds += 1
    later: Any = recent.shown()
    assert later["answers_per_second"][-3:] == [2, 0, 1]
    clock.seconds += 1_000_000
    much_later: Any = recent.shown()
    assert not any(much_later["answers_per_second"])


def test_only_a_models_answers_have_a_latency() -> None:
    recent = Recent()
    assert recent.shown()["latency"] is None
    recent.answered(_answered(path="/ping"))
    assert recent.shown()["latency"] is None
    for milliseconds in range(1, 101):
        recent.answered(_answered(seconds=milliseconds / 1000))
    shown: Any = recent.shown()
    assert shown["latency"] == {"p50": 0.05, "p95": 0.095, "p99": 0.099, "max": 0.1}
    assert sum(part["count"] for part in shown["histogram"]) == 100


def test_the_latest_twenty_errors_are_kept_with_their_tracebacks() -> None:
    recent = Recent(now=lambda: 5.0)
    for number in range(30):
        recent.answered(
            _answered(500, path="/invocations?secret=1", error=f"error {number}", trace="Traceback ...")
        )
    errors: Any = recent.shown()["errors"]
    assert [error["error"] for error in errors] == [f"error {number}" for number in range(29, 9, -1)]
    assert errors[0]["traceback"] == "Traceback ..."
    assert errors[0]["path"] == "/invocations"
    assert errors[0]["time"] == 5.0


def test_a_huge_traceback_is_cut_from_the_front() -> None:
    recent = Recent()
    recent.answered(_answered(500, trace="x" * 1_000_000 + "RecursionError"))
    errors: Any = recent.shown()["errors"]
    assert len(errors[0]["traceback"]) < 100_000
    assert errors[0]["traceback"].endswith("RecursionError")


def test_traps_are_shown_with_what_to_do_about_them() -> None:
    recent = Recent()
    recent.happened("trap", trap="default-functions", found="predict.py")
    recent.answered(_answered(traps=("not-json",)))
    recent.answered(_answered(traps=("not-json",)))
    traps: Any = recent.shown()["traps"]
    assert [(trap["slug"], trap["count"], trap["found"]) for trap in traps] == [
        ("default-functions", 0, "predict.py"),
        ("not-json", 2, ""),
    ]
    assert all(trap["happens"] and trap["instead"] for trap in traps)


def test_a_failed_reload_is_shown_until_one_succeeds() -> None:
    recent = Recent()
    recent.happened("reload-failed", text="not live: SyntaxError", error="SyntaxError", traceback="File ...")
    assert recent.shown()["problem"] == {"error": "SyntaxError", "traceback": "File ..."}
    recent.happened("worker-loaded", text="loaded")
    assert recent.shown()["problem"]
    recent.happened("reloaded", text="live")
    assert recent.shown()["problem"] is None
