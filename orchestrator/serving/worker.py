"""A worker process: one model, one request at a time, over a socket handed down by the server.

Started as ``python -P -m orchestrator.serving.worker FD MODEL_DIR``. It ends when the socket closes, also in
the middle of a request, so nothing stays behind however the server ends. Of this package it imports only what
the handler needs.
"""

import contextlib
import os
import select
import signal
import socket
import sys
import threading
import traceback
from io import BufferedIOBase
from pathlib import Path

from orchestrator.core.errors import OrchestratorError
from orchestrator.serving import frames, messages
from orchestrator.serving.contract import read
from orchestrator.serving.entrypoint import open_import_path
from orchestrator.serving.handler import Handler

_GRACE_SECONDS = 1.0


def main(descriptor: int, model_dir: Path) -> int:
    """Load the model, answer requests until the socket closes, and return the exit code."""
    channel = socket.socket(fileno=descriptor)
    channel.set_inheritable(False)
    threading.Thread(target=_end_with, args=(channel,), daemon=True).start()
    with channel.makefile("rwb") as stream:
        handler = _load(model_dir, stream)
        if handler is None:
            return 1
        # The server may end while this process writes an answer; nobody is left to be told.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, frames.BrokenFrameError):
            _answer_all(handler, stream)
    return 0


def _load(model_dir: Path, stream: BufferedIOBase) -> Handler | None:
    os.chdir(model_dir)
    open_import_path(model_dir)
    outcome: messages.Loaded | messages.Failed = messages.Loaded()
    handler = None
    try:
        # The server has made up its mind about the entry point and the number of workers.
        handler = Handler.load(model_dir, read(os.environ, code=(), cores=1))
    except Exception as error:  # noqa: BLE001 - whatever user code raises while loading is the server's to report
        traceback.print_exc()
        outcome = messages.Failed(_last_line(error), traceback.format_exc())
    frames.write(stream, messages.outcome_frame(outcome))
    return handler


def _answer_all(handler: Handler, stream: BufferedIOBase) -> None:
    while (frame := frames.read(stream)) is not None:
        response = handler.answer(messages.read_request(frame))
        frames.write(stream, messages.response_frame(response))


def _last_line(error: Exception) -> str:
    if isinstance(error, OrchestratorError):
        return str(error)
    return traceback.format_exception_only(error)[-1].strip().splitlines()[-1]


def _end_with(channel: socket.socket) -> None:
    """End this process and what it has started soon after the server's side of ``channel`` has closed."""
    hangup = select.poll()
    # No event is asked for: POLLHUP is reported in any case, and requests are not this thread's.
    hangup.register(channel, 0)
    hangup.poll()
    # An idle worker ends by itself; this is for one that is busy in user code.
    threading.Event().wait(_GRACE_SECONDS)
    # The server has made this process the leader of its group.
    os.killpg(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), Path(sys.argv[2])))
