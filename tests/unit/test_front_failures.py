"""What the front answers when something in the local cloud itself fails."""

import contextlib
import json
from types import SimpleNamespace
from typing import Any, cast

from starlette.requests import ClientDisconnect
from starlette.types import Message

from orchestrator.localcloud.access import Access
from orchestrator.localcloud.front import LocalCloud, Parts


def answered(failure: Exception) -> list[Message]:
    """Return what is sent when what is below ``/_local`` fails."""
    sent: list[Message] = []

    async def fail(_: object) -> None:
        raise failure

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(message: Message) -> None:
        sent.append(message)

    parts: Any = SimpleNamespace(access=Access("", bool), own=SimpleNamespace(answer=fail))
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/_local/state",
        "raw_path": b"/_local/state",
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
    }
    # Nothing here waits: it runs to its end at once, without a loop.
    with contextlib.suppress(StopIteration):
        LocalCloud(cast("Parts", parts))(scope, receive, send).send(None)
    return sent


def test_a_failure_of_our_own_is_the_error_of_aws_and_no_text_of_the_server() -> None:
    head, body = answered(ZeroDivisionError("by nothing"))
    assert head["status"] == 500
    content = json.loads(body["body"])
    assert content["__type"] == "InternalFailure"
    assert "by nothing" in content["message"]


def test_a_client_that_has_gone_away_is_answered_nothing() -> None:
    assert answered(ClientDisconnect()) == []
