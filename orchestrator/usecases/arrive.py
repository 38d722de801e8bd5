"""Wait until a deployment has truly arrived, and return what became of it."""

from collections.abc import Sequence

from orchestrator.core import golden
from orchestrator.core.errors import CloudError, StillMovingError
from orchestrator.core.outcome import Answer, Arrived, Expectation, Moving, Sighting, Verdict, judge
from orchestrator.core.ports import Progress
from orchestrator.usecases.edge import Edge


def arrive(
    expectation: Expectation, cases: Sequence[golden.Case], atol: float, edge: Edge, progress: Progress
) -> Verdict:
    """Watch the endpoint until there is a verdict; `Moving` if the deadline passed before.

    Raises:
        CloudError: If the endpoint can no longer be watched, saying that the change goes on.
    """
    started = edge.clock.now()
    moved = False
    while True:
        sighting = _look(expectation, started, edge, moved=moved)
        moved = sighting.moved
        verdict = judge(expectation, sighting)
        if isinstance(verdict, Arrived):
            verdict = judge(expectation, sighting, ask(expectation.endpoint, cases, atol, edge, progress))
        out_of_patience = sighting.elapsed_seconds >= edge.patience.deadline_seconds
        if not isinstance(verdict, Moving) or out_of_patience:
            return verdict
        status = str(verdict.status or "not visible yet")
        progress.waiting(expectation.endpoint, status, sighting.elapsed_seconds)
        edge.clock.sleep(edge.patience.interval_seconds)


def ask(
    endpoint: str, cases: Sequence[golden.Case], atol: float, edge: Edge, progress: Progress
) -> tuple[Answer, ...]:
    """Ask the live endpoint its golden cases.

    Raises:
        CloudError: If it cannot be asked, saying that it serves unchecked.
    """
    progress.asking([case.name for case in cases])
    answers = []
    for case in cases:
        try:
            response = edge.runtime.invoke(endpoint, case.request)
        except CloudError as error:
            error.add_detail("state", "the new revision serves all traffic, and its answers are not checked")
            raise
        problem = golden.problem(case, response, atol=atol)
        answers.append(Answer(case.name, response.fingerprint, problem, is_error=case.is_error))
    return tuple(answers)


def await_gone(endpoint: str, edge: Edge, progress: Progress) -> None:
    """Watch the endpoint until it no longer exists.

    Raises:
        StillMovingError: If the deadline passed.
    """
    started = edge.clock.now()
    while (seen := edge.cloud.endpoint(endpoint)) is not None:
        elapsed = edge.clock.now() - started
        if elapsed >= edge.patience.deadline_seconds:
            raise StillMovingError(
                f"endpoint '{endpoint}' is still {seen.status} after {elapsed:.0f} s",
                hint="run the same command again: it picks up where this one stopped",
            )
        progress.waiting(endpoint, str(seen.status), elapsed)
        edge.clock.sleep(edge.patience.interval_seconds)


def _look(expectation: Expectation, started: float, edge: Edge, *, moved: bool) -> Sighting:
    try:
        endpoint = edge.cloud.endpoint(expectation.endpoint)
    except CloudError as error:
        error.add_detail("state", f"the change goes on towards '{expectation.config}' without us")
        raise
    under_way = endpoint is not None and (not endpoint.status.settled or endpoint.pending is not None)
    return Sighting(endpoint, edge.clock.now() - started, moved=moved or under_way)
