"""Ask a model its golden cases, all of them, wherever it is.

A gate stops at what is wrong; this goes on, and says of every case what came of it.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from orchestrator.core import golden
from orchestrator.core.errors import (
    ArtifactError,
    CloudError,
    DeniedError,
    NotFoundError,
    StillMovingError,
)
from orchestrator.core.golden import Case, Request, Response
from orchestrator.core.results import CaseResult, Results, Subject

Variant = str | None
Watch = Callable[[str, int, int], None]
"""Is told which case is being asked, its number, and how many there are."""


def _unexplained(_: Response) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Respondent:
    """A model that can be asked.

    Attributes:
        answer: Asks it one request, of one variant if there are several.
        variants: All that are to be asked.
        error_behind: Why its code has failed, where an answer says that it has; known once it has ended.
        notes: As in `Results`.
    """

    subject: Subject
    answer: Callable[[Case, Variant], Response]
    variants: tuple[Variant, ...] = (None,)
    error_behind: Callable[[Response], str] = _unexplained
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Reply:
    case: Case
    variant: Variant
    seconds: float
    response: Response | None = None
    trouble: str = ""


def ask_all(
    opened: AbstractContextManager[Respondent],
    cases: Sequence[Case],
    atol: float,
    clock: Callable[[], float],
    watch: Watch,
) -> Results:
    """Ask every case, every variant each of them, and return what came of them.

    Args:
        opened: Who is asked, for as long as this is open.
        cases: In the order in which they are to be asked.
        atol: How far a number may be off.
        clock: Gives seconds since any moment.
        watch: Is told before each.

    Raises:
        OrchestratorError: If there is nobody to ask, or we may not.
    """
    with opened as respondent:
        pairs = [(case, variant) for variant in respondent.variants for case in cases]
        replies = []
        for number, (case, variant) in enumerate(pairs, start=1):
            watch(case.name, number, len(pairs))
            replies.append(_ask(respondent, case, variant, clock))
    # What a model has written of its errors is known once it has ended.
    results = tuple(_result(reply, respondent, atol) for reply in replies)
    return Results(respondent.subject, results, respondent.notes)


def ask_one(opened: AbstractContextManager[Respondent], request: Request) -> Response:
    """Return the answer to one request, to be recorded as what a model must answer.

    Raises:
        ArtifactError: If the model's code fails on it.
        OrchestratorError: If there is nobody to ask, or we may not.
    """
    with opened as respondent:
        response = respondent.answer(Case("the request", request), respondent.variants[0])
    trouble = _failure(response, respondent)
    if trouble:
        raise ArtifactError(
            f"the model answers {response.status or 'with a failure'}, which is no answer to keep",
            details=[("error", trouble), ("state", "nothing has been recorded")],
            hint="orchestrator local-serve          shows the traceback of the same request",
        )
    return response


def _failure(response: Response, respondent: Respondent) -> str:
    if 0 < response.status < golden.FIRST_FAILURE:
        return ""
    said = response.body.decode("utf-8", "replace").strip().partition("\n")[0]
    return respondent.error_behind(response) or said or "it did not say why"


def _ask(respondent: Respondent, case: Case, variant: Variant, clock: Callable[[], float]) -> _Reply:
    began = clock()
    try:
        response = respondent.answer(case, variant)
    except (DeniedError, NotFoundError):
        raise  # it would be the same with all of them
    except (CloudError, ArtifactError, StillMovingError) as error:
        why = "; ".join((str(error), *(fact for label, fact in error.details if label in {"error", "AWS"})))
        return _Reply(case, variant, clock() - began, trouble=f"no answer: {why}")
    return _Reply(case, variant, clock() - began, response)


def _result(reply: _Reply, respondent: Respondent, atol: float) -> CaseResult:
    problem = reply.trouble
    if reply.response is not None:
        problem = _problem(reply.case, reply.response, respondent, atol)
    return CaseResult(reply.case, problem, reply.seconds, reply.response, reply.variant)


def _problem(case: Case, response: Response, respondent: Respondent, atol: float) -> str:
    wanted = respondent.subject.fingerprint
    if found := golden.problem(case, response, atol=atol):
        why = respondent.error_behind(response)
        return f"{found} ({why})" if why else found
    # SageMaker's ModelError has no place for a fingerprint.
    if wanted and not case.is_error and response.fingerprint != wanted:
        given = response.fingerprint
        said = f"the answer carries the fingerprint {given}" if given else "the answer carries no fingerprint"
        return f"{said}, not {wanted}: another model gave it"
    return ""
