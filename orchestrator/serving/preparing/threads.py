"""Blocking contexts in an event loop that may be asked to end at any moment."""

import asyncio
import concurrent.futures
import contextlib
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from typing import TypeVar

ABANDON_SECONDS = 5.0
"""How long the end of a server may wait for a thread; what that does may take many minutes."""

T = TypeVar("T")


@contextlib.asynccontextmanager
async def entered(
    context: AbstractContextManager[T], *, patience_seconds: float = ABANDON_SECONDS
) -> AsyncIterator[T]:
    """Enter and leave a blocking context in threads; leave it also if this is cancelled meanwhile.

    Args:
        context: Is told of no exception; it is left in another thread than it was entered in.
        patience_seconds: How long this waits for a thread once it is cancelled, before it abandons it.
    """
    entering = _in_thread(context.__enter__)
    try:
        given = await _finished(entering, patience_seconds)
    except asyncio.CancelledError:
        if entering.done() and entering.exception() is None:
            await _leave(context, patience_seconds)
        raise
    try:
        yield given
    finally:
        await _leave(context, patience_seconds)


async def _leave(context: AbstractContextManager[object], patience_seconds: float) -> None:
    await _finished(_in_thread(lambda: context.__exit__(None, None, None)), patience_seconds)


async def _finished(future: asyncio.Future[T], patience_seconds: float) -> T:
    """Wait for ``future``, and for a while even if this is cancelled."""
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait({future}, timeout=patience_seconds)
        raise


def _in_thread(call: Callable[[], T]) -> asyncio.Future[T]:
    """Call in a thread that the end of the process does not wait for, unlike those of `asyncio.to_thread`."""
    future: concurrent.futures.Future[T] = concurrent.futures.Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - it is raised where somebody waits for it
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return asyncio.wrap_future(future)
