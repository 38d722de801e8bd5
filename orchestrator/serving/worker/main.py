"""A worker process: one model, one batch of requests at a time, over a socket handed down by the server.

Forked by the `spawner`, or started as ``python -P -m orchestrator.serving.worker.main FD ASSIGNMENT`` where
nothing may have been imported before. It ends when the socket closes, also in the middle of a request, so
nothing stays behind however the server ends. Of this package it imports only what the handler needs.
"""

import contextlib
import logging
import os
import select
import signal
import socket
import sys
import threading
import traceback
from io import BufferedIOBase

from orchestrator.serving import frames, messages
from orchestrator.serving.messages import Assignment, Failed, Loaded, Part
from orchestrator.serving.traps import TrapError
from orchestrator.serving.worker.handler import Handler
from orchestrator.serving.worker.importing import enter

_GRACE_SECONDS = 1.0


def main(descriptor: int, assignment: Assignment) -> int:
    """Load the model, answer requests until the socket closes, and return the exit code."""
    channel = socket.socket(fileno=descriptor)
    channel.set_inheritable(False)
    threading.Thread(target=_end_with, args=(channel,), daemon=True).start()
    # As in `model_service_worker.py` of TorchServe: what the model's code logs from INFO on is seen.
    logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.INFO)
    # The server may end while this process writes; nobody is left to be told.
    gone = contextlib.suppress(BrokenPipeError, ConnectionResetError, frames.BrokenFrameError)
    with gone, channel.makefile("rwb") as stream:
        handler = _load(assignment, stream)
        if handler is None:
            return 1
        _answer_all(handler, stream)
    return 0


def _load(assignment: Assignment, stream: BufferedIOBase) -> Handler | None:
    outcome: Loaded | Failed
    handler = None
    traps: list[tuple[str, str]] = []
    try:
        enter(assignment)
        handler = Handler.load(assignment, traps)
        outcome = handler.loaded
    except TrapError as error:
        # Nobody is helped by where in this program it was found.
        outcome = Failed(f"{error} [{error.trap.slug}]", "", advice=error.trap.instead)
    except Exception as error:  # noqa: BLE001 - whatever user code raises while loading is the server's to report
        traceback.print_exc()
        outcome = Failed(_last_line(error), traceback.format_exc(), tuple(traps))
    frames.write(stream, messages.outcome_frame(outcome))
    return handler


def _answer_all(handler: Handler, stream: BufferedIOBase) -> None:
    def send_part(part: Part) -> None:
        frames.write(stream, messages.part_frame(part))

    # What the handler raises costs the container's worker its life, and so it does here.
    while (frame := frames.read(stream)) is not None:
        responses = handler.answer_all(messages.read_requests(frame), send_part)
        frames.write(stream, messages.responses_frame(responses))


def _last_line(error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error}"  # with the file and the line
    return traceback.format_exception_only(error)[-1].strip().splitlines()[-1]


def _end_with(channel: socket.socket) -> None:
    """End this process and what it has started soon after the server's side of ``channel`` has closed."""
    hangup = select.poll()
    # No event is asked for: POLLHUP is reported in any case, and requests are not this thread's.
    hangup.register(channel, 0)
    hangup.poll()
    # An idle worker ends by itself; this is for one that is busy in user code.
    threading.Event().wait(_GRACE_SECONDS)
    # This process was made the leader of its group when it was started.
    os.killpg(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), messages.read_assignment(sys.argv[2])))
