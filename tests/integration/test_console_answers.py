"""What is answered below ``/_local`` for the console, and for scripts."""

import asyncio
import json
import subprocess
import sys
from typing import Any

import pytest
from starlette.requests import Request

from orchestrator.localcloud.apierrors import ApiError
from tests.support.consoles import MadeUp


def asked(made_up: MadeUp, path: str, query: str = "", method: str = "GET") -> Any:  # noqa: ANN401 - JSON
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(b"host", b"localhost")],
    }
    return json.loads(bytes(asyncio.run(made_up.pages.answer(Request(scope))).body) or "null")


def test_the_state_has_the_endpoints_that_changed_last() -> None:
    made_up = MadeUp()
    for name in ("first", "second", "third"):
        made_up.now += 1
        made_up.put(name, {"config": 1.0})
    state = asked(made_up, "/_local/state", "endpoints=2")
    assert [endpoint["name"] for endpoint in state["endpoints"]] == ["third", "second"]
    assert state["endpoint_count"] == 3
    assert len(asked(made_up, "/_local/state")["endpoints"]) == 3
    (fleet,) = state["endpoints"][0]["fleets"]
    assert fleet["instances"] == [{"name": "i-0", "pid": 4700, "restarts": 0, "answering": 0}]
    with pytest.raises(ApiError, match="endpoints must be a whole number, not '-1'"):
        asked(made_up, "/_local/state", "endpoints=-1")


def test_the_log_is_that_of_one_endpoint() -> None:
    made_up = MadeUp()
    made_up.lines = [{"at": 1.0, "stream": "primary/i-0", "message": "hello"}]
    made_up.put("digits", {"config": 1.0})
    assert asked(made_up, "/_local/logs", "endpoint=digits")["lines"] == made_up.lines
    for query in ("endpoint=letters", "endpoint=digits&region=us-east-1", ""):
        with pytest.raises(ApiError) as caught:
            asked(made_up, "/_local/logs", query)
        assert caught.value.status == 404


def test_who_orders_faults_loads_nothing_that_runs_a_local_cloud() -> None:
    program = (
        "import sys, orchestrator.localcloud.faulting.orders;"
        "print([name for name in ('moto', 'boto3', 'starlette', 'uvicorn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
