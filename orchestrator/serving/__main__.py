"""Serve a model folder for another program: ``python -m orchestrator.serving MODEL_DIR``.

Not for people; `orchestrator local-serve` is. stdout gets exactly one line of JSON: when requests are
answered::

    {"event": "ready", "host": "127.0.0.1", "port": 8080, "pid": 4711, "workers": 1}

or, with exit code 1, when they never will be; ``reason`` is ``load``, ``port-in-use`` or ``usage``::

    {"event": "failed", "reason": "load", "error": "ValueError: no weights", "traceback": "..."}

or nothing, with exit code 0, if it was asked to stop before either.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

from orchestrator.core.errors import OrchestratorError, PortInUseError, SpecError
from orchestrator.serving.crew.process import LoadError
from orchestrator.serving.server import Options, Ready, run
from orchestrator.serving.staff import House, InPlace


class _Parser(argparse.ArgumentParser):
    """A parser that raises, so that wrong usage is reported like every other failure."""

    def error(self, message: str) -> NoReturn:
        raise SpecError(message)


def main(arguments: Sequence[str]) -> int:
    """Serve as ``arguments`` say, and return the exit code."""
    try:
        run(_options(arguments), _say_ready)
    except OrchestratorError as error:
        _say({"event": "failed", **_failure(error)})
        return 1
    return 0


def _options(arguments: Sequence[str]) -> Options:
    parser = _Parser(prog="python -m orchestrator.serving")
    parser.add_argument("model_dir", type=Path, help="the folder of an extracted archive")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080, help="0 picks a free port")
    parser.add_argument("--workers", type=int, help="worker processes, each with a copy of the model")
    parser.add_argument("--exit-with-stdin", action="store_true", help="stop when stdin closes")
    parsed = parser.parse_args(arguments)
    house = House(cores=os.cpu_count() or 1, workers=parsed.workers)
    return Options(
        source=InPlace(parsed.model_dir, dict(os.environ)),
        host=parsed.host,
        port=parsed.port,
        token=os.environ.get("ORCHESTRATOR_TOKEN") or None,
        house=house,
        exit_with_stdin=parsed.exit_with_stdin,
    )


def _failure(error: OrchestratorError) -> dict[str, str]:
    match error:
        case LoadError():
            return {"reason": "load", "error": error.error, "traceback": error.traceback}
        case PortInUseError():
            return {"reason": "port-in-use", "error": str(error), "traceback": ""}
        case _:
            return {"reason": "usage", "error": str(error), "traceback": ""}


def _say_ready(ready: Ready) -> None:
    _say({"event": "ready", **asdict(ready)})


def _say(event: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
