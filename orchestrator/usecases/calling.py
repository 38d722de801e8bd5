"""Ask an endpoint, also one that answers in its own time."""

import hashlib
from collections.abc import Callable

from orchestrator.core.errors import StillMovingError, ThrottledError, UnreachableError
from orchestrator.core.golden import Request, Response
from orchestrator.core.live import Pending
from orchestrator.core.names import input_key
from orchestrator.usecases.edge import Edge

INTERVAL_SECONDS = 1.0


def send_async(endpoint: str, request: Request, edge: Edge) -> Pending:
    """Put the request into the bucket, and have an asynchronous endpoint answer it.

    The key is made of the content: the same request twice is stored once.

    Raises:
        CloudError: If it cannot be stored, or the endpoint is not there or not asynchronous.
    """
    key = input_key(endpoint, hashlib.sha256(request.body).hexdigest())
    edge.store.put_once(key, request.body)
    return edge.runtime.invoke_async(endpoint, request, edge.store.url(key))


def await_answer(
    pending: Pending,
    edge: Edge,
    *,
    interval: float = INTERVAL_SECONDS,
    meanwhile: Callable[[], None] = lambda: None,
) -> Response:
    """Wait until there is an answer or a failure, and return it; a failure has the status 0.

    Args:
        pending: What to wait for.
        edge: The environment, whose patience this is.
        interval: Between two looks, in seconds.
        meanwhile: What to do before each look.

    Raises:
        StillMovingError: If neither is there when our patience ends.
        CloudError: If the place cannot be read.
    """
    started = edge.clock.now()
    while edge.clock.now() - started < edge.patience.deadline_seconds:
        meanwhile()
        try:
            answer = edge.runtime.collect(pending)
        except (ThrottledError, UnreachableError):
            answer = None
        if answer is not None:
            return answer
        edge.clock.sleep(interval)
    raise StillMovingError(
        f"endpoint '{pending.endpoint}' has not answered after {edge.clock.now() - started:.0f} s",
        details=[("answer", pending.output_url), ("failure", pending.failure_url or "not written to S3")],
        hint=f"orchestrator logs {pending.endpoint}          what its containers say",
    )
