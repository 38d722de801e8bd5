"""Put what became of a deployment into an error that says what to do next."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from orchestrator.core import diagnosis
from orchestrator.core.diagnosis import Cause
from orchestrator.core.errors import (
    CapacityError,
    ConflictError,
    Detail,
    MixedError,
    NotVerifiedError,
    OrchestratorError,
    QuotaError,
    RolledBackError,
    StillMovingError,
    UnhealthyError,
)
from orchestrator.core.outcome import (
    Arrived,
    Deployed,
    Expectation,
    Mixed,
    Moving,
    NotVerified,
    RolledBack,
    Superseded,
    Unhealthy,
    Verdict,
)

_SCARCE: dict[Cause, type[OrchestratorError]] = {Cause.CAPACITY: CapacityError, Cause.QUOTA: QuotaError}
_REMEDIES = {
    Cause.CAPACITY: "try again later, or give the spec other instance types: endpoint.pools",
    Cause.QUOTA: "ask AWS for a higher quota of that instance type, or use fewer or others",
}


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What there is to be seen after a deployment that did not arrive.

    Attributes:
        log: What the containers wrote since it began.
        alarms: Those of its alarms that are in ALARM.
        remarks: What was noticed on the way, such as the judge's opinion.
        misses: How often AWS did not answer while we watched.
        unused: How many resources were made for it that nothing uses now.
        is_scaling_held: Whether autoscaling was suspended or taken away for its time.
    """

    log: Sequence[str] = ()
    alarms: Sequence[str] = ()
    remarks: Sequence[str] = ()
    misses: int = 0
    unused: int = 0
    is_scaling_held: bool = False


def explain(expectation: Expectation, verdict: Verdict, found: Aftermath) -> OrchestratorError:
    """Return the error for a verdict that is not `Deployed`."""
    match verdict:
        case RolledBack(reason):
            return _rolled_back(expectation, reason, found)
        case Mixed(reason):
            return _mixed(expectation, reason, found)
        case Unhealthy(status, reason):
            return _unhealthy(expectation, status or "gone", reason, found)
        case NotVerified(case, problem):
            return _not_verified(expectation, case, problem)
        case Superseded(config):
            return _superseded(expectation, config)
        case Moving(status):
            return _moving(expectation, status or "not visible", found)
        case Arrived() | Deployed():
            raise AssertionError("a deployment that arrived needs no explanation")
        case _:
            assert_never(verdict)


def _rolled_back(expectation: Expectation, reason: str, found: Aftermath) -> OrchestratorError:
    name, cause = expectation.endpoint, diagnosis.cause(reason)
    if expectation.capacities:
        said = f"endpoint '{name}' is InService with the weights and sizes it had before"
        state = f"'{expectation.config}' serves all traffic, as before"
    else:
        said = f"endpoint '{name}' is InService on '{expectation.previous}', not on '{expectation.config}'"
        state = f"the previous revision serves all traffic{_rest(found)}"
    kind = _SCARCE.get(cause, RolledBackError)
    details = [*_reasons(reason, found), ("state", state)]
    return kind(said, details=details, hint=_next_commands(name, cause))


def _mixed(expectation: Expectation, reason: str, found: Aftermath) -> MixedError:
    """Explain the one status in which AWS's documentation asks for a call, and gives no other way out."""
    name = expectation.endpoint
    good = expectation.previous or "REVISION"
    return MixedError(
        f"endpoint '{name}' is UpdateRollbackFailed: the way back from '{expectation.config}' failed, too",
        details=[
            *_reasons(reason, found),
            ("state", f"'{expectation.previous}' and '{expectation.config}' serve side by side"),
            ("remedy", f"update the endpoint again, to '{good}'; AWS takes any rollout for it"),
        ],
        hint=(  # without its name `rollback` would go past the revision that served before
            f"orchestrator rollback {good} --endpoint {name}          go back to it\n"
            f"orchestrator deploy --rollout all-at-once   or to a new one"
        ),
    )


def _unhealthy(expectation: Expectation, status: str, reason: str, found: Aftermath) -> OrchestratorError:
    name, cause = expectation.endpoint, diagnosis.cause(reason)
    kind = _SCARCE.get(cause, UnhealthyError)
    return kind(
        f"endpoint '{name}' is {status}, not InService on '{expectation.config}'",
        details=[*_reasons(reason, found), ("state", f"the endpoint does not serve{_rest(found)}")],
        hint=_next_commands(name, cause),
    )


def _not_verified(expectation: Expectation, case: str, problem: str) -> NotVerifiedError:
    name = expectation.endpoint
    back = f"orchestrator rollback --endpoint {name}"
    return NotVerifiedError(
        f"endpoint '{name}' is InService on '{expectation.config}' and fails golden case '{case}'",
        details=[("golden", problem), ("state", "the new revision serves all traffic")],
        hint=back if expectation.previous else _next_commands(name, Cause.OTHER),
    )


def _superseded(expectation: Expectation, config: str) -> ConflictError:
    name = expectation.endpoint
    return ConflictError(
        f"endpoint '{name}' is InService on '{config}', not on '{expectation.config}'",
        details=[("state", "somebody else deployed meanwhile, and their revision serves")],
        hint=f"orchestrator history {name}",
    )


def _moving(expectation: Expectation, status: str, found: Aftermath) -> StillMovingError:
    name = expectation.endpoint
    details = [("log", last)] if (last := _last_words(found)) else []
    details += [("watched", f"AWS did not answer {found.misses} times")] if found.misses else []
    held = "; autoscaling takes nothing away until it is resumed" if found.is_scaling_held else ""
    return StillMovingError(
        f"endpoint '{name}' is still {status}, and has not arrived on '{expectation.config}'",
        details=[*details, ("state", f"it goes on towards '{expectation.config}' without us{held}")],
        hint=f"orchestrator resume --endpoint {name}          pick up where this one stopped",
    )


def _reasons(reason: str, found: Aftermath) -> list[Detail]:
    details = [("AWS", reason or "gave no reason")]
    details += [("alarm", f"'{name}' is in ALARM") for name in found.alarms]
    details += [("noticed", remark) for remark in found.remarks]
    if last := _last_words(found):
        details.append(("log", last))
    return details


def _last_words(found: Aftermath) -> str:
    """Return the log's last error; or its last line, unless an alarm says already what was wrong."""
    innocent = "" if found.alarms else next(reversed(found.log), "")
    return diagnosis.last_error(found.log) or innocent


def _rest(found: Aftermath) -> str:
    count = found.unused
    return f"; {count} unused resource{'s' * (count > 1)} remain{'s' * (count == 1)}" if count else ""


def _next_commands(name: str, cause: Cause) -> str:
    remedy = f"{_REMEDIES[cause]}\n" if cause in _REMEDIES else ""
    return (
        f"{remedy}"
        f"orchestrator history {name}          what happened\n"
        f"orchestrator logs {name}             the container's log\n"
        f"orchestrator sweep {name}            delete the unused resources"
    )
