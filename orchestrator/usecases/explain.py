"""Put what became of a deployment into an error that says what to do next."""

from collections.abc import Sequence
from typing import assert_never

from orchestrator.core import diagnosis
from orchestrator.core.errors import (
    ConflictError,
    Detail,
    NotVerifiedError,
    OrchestratorError,
    RolledBackError,
    StillMovingError,
    UnhealthyError,
)
from orchestrator.core.outcome import (
    Arrived,
    Deployed,
    Expectation,
    Moving,
    NotVerified,
    RolledBack,
    Superseded,
    Unhealthy,
    Verdict,
)


def explain(
    expectation: Expectation, verdict: Verdict, log: Sequence[str], *, unused: int
) -> OrchestratorError:
    """Return the error for a verdict that is not `Deployed`.

    Args:
        expectation: What the deployment was sent to do.
        verdict: What became of it.
        log: What the containers wrote since it began.
        unused: How many resources were made for it that nothing uses now.
    """
    name, wanted = expectation.endpoint, expectation.config
    rest = f"; {unused} unused resource{'s' * (unused > 1)} remain{'s' * (unused == 1)}" if unused else ""
    match verdict:
        case RolledBack(reason):
            state = f"the previous revision serves all traffic{rest}"
            said = f"endpoint '{name}' is InService on '{expectation.previous}', not on '{wanted}'"
            details = [*_reasons(reason, log), ("state", state)]
            return RolledBackError(said, details=details, hint=_next_commands(name))
        case Unhealthy(status, reason):
            said = f"endpoint '{name}' is {status or 'gone'}, not InService on '{wanted}'"
            details = [*_reasons(reason, log), ("state", f"the endpoint does not serve{rest}")]
            return UnhealthyError(said, details=details, hint=_next_commands(name))
        case NotVerified(case, problem):
            return _not_verified(expectation, case, problem)
        case Superseded(config):
            return _superseded(expectation, config)
        case Moving(status):
            return _moving(expectation, str(status or "not visible"))
        case Arrived() | Deployed():
            raise AssertionError(verdict)
        case _:
            assert_never(verdict)


def _not_verified(expectation: Expectation, case: str, problem: str) -> NotVerifiedError:
    name = expectation.endpoint
    back = f"orchestrator rollback --endpoint {name}" if expectation.previous else _next_commands(name)
    return NotVerifiedError(
        f"endpoint '{name}' is InService on '{expectation.config}' and fails golden case '{case}'",
        details=[("golden", problem), ("state", "the new revision serves all traffic")],
        hint=back,
    )


def _superseded(expectation: Expectation, config: str) -> ConflictError:
    name = expectation.endpoint
    return ConflictError(
        f"endpoint '{name}' is InService on '{config}', not on '{expectation.config}'",
        details=[("state", "somebody else deployed meanwhile, and their revision serves")],
        hint=f"orchestrator history {name}",
    )


def _moving(expectation: Expectation, status: str) -> StillMovingError:
    return StillMovingError(
        f"endpoint '{expectation.endpoint}' is still {status}",
        details=[("state", f"it goes on towards '{expectation.config}' without us")],
        hint="run the same command again: it picks up where this one stopped",
    )


def _reasons(reason: str, log: Sequence[str]) -> list[Detail]:
    details = [("AWS", reason or "gave no reason")]
    if last := diagnosis.last_error(log) or next(reversed(log), ""):
        details.append(("log", last))
    return details


def _next_commands(name: str) -> str:
    return (
        f"orchestrator history {name}          what happened\n"
        f"orchestrator logs {name}             the container's log\n"
        f"orchestrator sweep {name}            delete the unused resources"
    )
