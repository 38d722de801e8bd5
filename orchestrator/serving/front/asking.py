"""Ask workers, and say in the container's words why there is no answer of theirs."""

from orchestrator.serving import answers
from orchestrator.serving.front import wire
from orchestrator.serving.messages import QueueFullError, Request, Response, WorkerDiedError
from orchestrator.serving.ports import OnPart, Workers


async def asked(workers: Workers, request: Request, on_part: OnPart, model: str = "model") -> Response:
    """Return the answer of ``workers`` to ``request``, or what stands in its place.

    Args:
        workers: Who is asked.
        request: What.
        on_part: Is given the pieces of a streamed answer.
        model: What the model is called, for who is told that its queue is full.
    """
    try:
        return await workers.ask(request, on_part)
    except QueueFullError:
        return answers.queue_full(model)
    except TimeoutError:
        return answers.no_worker_in_time()
    except WorkerDiedError as error:
        return answers.worker_died(out_of_memory=error.out_of_memory)
    except wire.UnwritableError:
        return answers.worker_died()
