"""A program that deploys to a local cloud and is killed at a chosen request, for tests.

It reads orders on stdin, one line of JSON each: ``{"endpoint", "do", "kill_at", "after"}``. Each is carried
out by a child of its own, which kills itself with SIGKILL before (or after) its HTTP request number
``kill_at``; 0 lets it live. The answer is ``{"requests": N, "killed": bool, "code": N, "said": TEXT}``.
"""

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

import botocore.httpsession

from orchestrator.core.errors import OrchestratorError
from orchestrator.core.rollout import Kind, Rollout, Size
from orchestrator.core.target import AlarmSpec
from orchestrator.usecases.change import Terms
from orchestrator.usecases.deploy import deploy
from orchestrator.usecases.destroy import prepare_destroy
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.plan import Prepared, prepare
from orchestrator.usecases.resume import prepare_resume
from orchestrator.usecases.rollback import prepare_rollback
from orchestrator.usecases.sweep import prepare_sweep
from tests.support.edges import HastyClock, edge_of, made_clients, published, wish
from tests.support.fakes import SilentProgress

CANARY = Terms(
    rollout=Rollout(Kind.CANARY, Size(50), bake_seconds=1, final_bake_seconds=1),
    alarms=AlarmSpec(error_percent=5.0),
)


def deployment(mark: str, terms: Terms | None = None, count: int = 1) -> Callable[[str, Edge], Prepared]:
    return lambda name, edge: prepare(wish(published(mark, name, edge, count=count), terms), edge)


VERBS: dict[str, Callable[[str, Edge], Prepared | None]] = {
    "deploy a": deployment("a"),
    "deploy b": deployment("b"),
    "deploy c": deployment("c"),
    "deploy two of a": deployment("a", count=2),
    "canary two of b": deployment("b", CANARY, 2),
    "rollback to a": lambda name, edge: prepare_rollback(name, published("a", name, edge).name, edge),
    "sweep": lambda name, edge: prepare_sweep(name, 1, edge).prepared,
    "destroy": prepare_destroy,
    "resume": lambda name, edge: prepare_resume(name, edge, keep_revisions=5),
}


class Requests:
    """Counts the requests of this process, and ends it at one."""

    def __init__(self, kill_at: int, *, after: bool) -> None:
        self.count, self._kill_at, self._after = 0, kill_at, after
        self._send = botocore.httpsession.URLLib3Session.send

    def send(self, session: Any, request: Any) -> Any:  # noqa: ANN401 - botocore has no types
        self.count += 1
        strikes = self.count == self._kill_at
        if strikes and not self._after:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = self._send(session, request)
        if strikes:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer


def carry_out(url: str, order: dict[str, Any]) -> dict[str, Any]:
    """Carry one order out, in this process."""
    requests = Requests(order["kill_at"], after=order["after"])

    def send(session: Any, request: Any) -> Any:  # noqa: ANN401 - botocore has no types
        return requests.send(session, request)

    botocore.httpsession.URLLib3Session.send = send
    clock = HastyClock(haste=5.0)
    edge = edge_of(made_clients(url, clock), order["endpoint"], clock)
    try:
        found = VERBS[order["do"]](order["endpoint"], edge)
        if found is not None and not found.nothing_to_do:
            deploy(found, edge, SilentProgress())
    except OrchestratorError as error:
        return {"requests": requests.count, "code": error.exit_code, "said": f"{error} {error.details}"}
    except Exception:  # noqa: BLE001 - whoever ordered this has to see it
        return {"requests": requests.count, "code": 70, "said": traceback.format_exc()}
    return {"requests": requests.count, "code": 0, "said": ""}


def main(url: str) -> None:
    """Carry out orders until there are no more, each in a child."""
    for line in sys.stdin:
        order = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(writing, json.dumps(carry_out(url, order)).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            said = pipe.read()
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        answer = {"killed": killed, **(json.loads(said) if said else {"requests": 0, "code": -1, "said": ""})}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
