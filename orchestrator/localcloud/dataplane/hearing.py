"""Whether the client still hears: a request nobody waits for any more frees its place."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.types import Receive

from orchestrator.localcloud.apierrors import ApiError


def hung_up() -> ApiError:
    """Return what a request comes to whose client is gone; nobody gets it."""
    return ApiError("ClientDisconnected", "the client closed the connection", status=499)


@contextlib.asynccontextmanager
async def while_heard(receive: Receive) -> AsyncIterator[None]:
    """Break off what is done inside once the client closes the connection.

    What is done begins at once, in the same task: from admission to the fleet nothing may wait.

    Raises:
        ApiError: If the client did.
    """
    task = asyncio.current_task()
    listening = asyncio.create_task(_end(receive))

    def break_off(done: asyncio.Task[None]) -> None:
        if not done.cancelled() and done.exception() is None and task is not None:
            task.cancel()

    listening.add_done_callback(break_off)
    try:
        yield
    except asyncio.CancelledError:
        is_gone = listening.done() and not listening.cancelled()
        if is_gone and task is not None and not task.uncancel():
            raise hung_up() from None
        raise
    finally:
        listening.remove_done_callback(break_off)
        listening.cancel()


async def _end(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
