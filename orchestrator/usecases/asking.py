"""Ask a live endpoint its golden cases."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator.core import golden
from orchestrator.core.errors import CloudError, ThrottledError, UnreachableError
from orchestrator.core.outcome import Answer
from orchestrator.core.ports import Progress
from orchestrator.core.resources import EndpointConfig
from orchestrator.usecases.calling import await_answer, send_async
from orchestrator.usecases.edge import Edge


@dataclass(frozen=True, slots=True)
class Questions:
    """What an endpoint has to answer.

    Attributes:
        atol: How far a number may be off.
        variants: Those to ask; empty leaves it to the endpoint's only one.
        is_async: Whether answers come by way of S3.
    """

    cases: tuple[golden.Case, ...]
    atol: float = 0.0
    variants: tuple[str, ...] = ()
    is_async: bool = False

    @classmethod
    def of(cls, cases: Sequence[golden.Case], atol: float, config: EndpointConfig, model: str) -> "Questions":
        """Return what to ask of an endpoint config: every variant that serves ``model``."""
        ours = tuple(variant.name for variant in config.variants if variant.model == model)
        is_async = config.async_inference is not None
        # InvokeEndpointAsync knows no TargetVariant.
        several = len(config.variants) > 1 and not is_async
        return cls(tuple(cases), atol, ours if several else (), is_async)


def ask(
    endpoint: str, questions: Questions, edge: Edge, progress: Progress, keep: Callable[[], None]
) -> tuple[Answer, ...]:
    """Ask the live endpoint its golden cases, every variant each of them.

    Answers may take longer than our claim on the endpoint holds: ``keep`` renews it in between.

    Raises:
        CloudError: If it cannot be asked, saying that it serves unchecked.
    """
    progress.asking([case.name for case in questions.cases])
    variants: tuple[str | None, ...] = questions.variants or (None,)
    return tuple(
        _ask_one(endpoint, case, variant, questions, edge, keep)
        for variant in variants
        for case in questions.cases
    )


def _ask_one(
    endpoint: str,
    case: golden.Case,
    variant: str | None,
    questions: Questions,
    edge: Edge,
    keep: Callable[[], None],
) -> Answer:
    keep()
    try:
        response = answer(endpoint, case.request, variant, edge, is_async=questions.is_async, keep=keep)
    except (ThrottledError, UnreachableError):
        raise  # to be asked again
    except CloudError as error:
        error.add_detail("state", "the new revision serves all traffic, and its answers are not checked")
        raise
    problem = golden.problem(case, response, atol=questions.atol)
    return Answer(case.asked_of(variant), response.fingerprint, problem, is_error=case.is_error)


def answer(
    endpoint: str,
    request: golden.Request,
    variant: str | None,
    edge: Edge,
    *,
    is_async: bool,
    keep: Callable[[], None] = lambda: None,
) -> golden.Response:
    """Return what a live endpoint answers, whichever way it answers.

    Raises:
        StillMovingError: If an asynchronous one has not answered when our patience ends.
        CloudError: If it cannot be asked.
    """
    if is_async:
        return await_answer(send_async(endpoint, request, edge), edge, meanwhile=keep)
    return edge.runtime.invoke(endpoint, request, variant=variant)
