"""How soon `local-serve --reload` serves a change of an entry point with torch: run by `make bench`."""

import argparse
import http.client
import statistics
import tempfile
import threading
import time
from pathlib import Path

from tests.benchmarks import serving_models, serving_servers
from tests.benchmarks.serving import verdict
from tests.benchmarks.serving_models import Model

_MOST_SECONDS = 2.0
_PAUSE_SECONDS = 0.01
_VERSION = """
VERSION = {}


def transform_fn(model, body, content_type, accept):
    return str(VERSION)
"""


def reload(model: Model, runs: int) -> None:
    """Write an entry point again and again, and measure how long each takes until it answers."""
    program = model.written / "code" / "inference.py"
    functions = program.read_text().partition("def input_fn")[0]
    program.write_text(functions + _VERSION.format(0))
    taken: list[float] = []
    with serving_servers.reloading(model.written) as serving:
        for number in range(1, runs + 1):
            program.write_text(functions + _VERSION.format(number))
            taken.append(_seconds_until(serving.port, str(number).encode()))
    print(f"\na change of the entry point, median of {runs}")  # noqa: T201 - a report
    verdict(
        "from its writing to its answer",
        f"{statistics.median(taken):.2f} s ({min(taken):.2f} to {max(taken):.2f} s)",
        f"at most {_MOST_SECONDS:g} s",
        is_met=max(taken) <= _MOST_SECONDS,
    )


def _seconds_until(port: int, answer: bytes) -> float:
    begun, pause = time.perf_counter(), threading.Event()
    while (seconds := time.perf_counter() - begun) < serving_servers.PATIENCE_SECONDS:
        if _answer(port) == answer:
            return seconds
        pause.wait(_PAUSE_SECONDS)
    raise SystemExit(f"{answer!r} was not served in {serving_servers.PATIENCE_SECONDS:g} s")


def _answer(port: int) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=serving_servers.PATIENCE_SECONDS)
    try:
        connection.request("POST", "/invocations", b"x", {"Content-Type": "text/plain"})
        return connection.getresponse().read()
    finally:
        connection.close()


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=10)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        reload(serving_models.digits(Path(folder) / "digits"), runs)


if __name__ == "__main__":
    main()
