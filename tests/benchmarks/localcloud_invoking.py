"""What `InvokeEndpoint` through the local cloud adds to the same request to the serving process.

`--seconds` and `--rounds` change how long each of the two is under load at once and how often its turn comes.
With several connections requests become due at a fixed rate, which leaves the processors some time: at a load
that takes all of them, both wait for the processors and not for each other.
"""

import argparse
import contextlib
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from orchestrator.adapters.load import HttpLoad
from orchestrator.core.golden import Case, Request
from orchestrator.core.latency import Pace, summary
from tests.benchmarks import serving_servers
from tests.benchmarks.serving import verdict
from tests.support.clouds import archive, await_settled, local_cloud, publish
from tests.support.entrypoints_samples import ECHO

_MOST_ADDED_MS = 1.0
_RATE = 100.0
_FILES = {"model.pt": b"", "code/predict.py": ECHO.encode()}
_CASE = Case("echo", Request(b"[1, 2, 3]", "application/json", "application/json"))


@contextlib.contextmanager
def servers(folder: Path) -> Iterator[tuple[HttpLoad, HttpLoad]]:
    """Serve one model twice: by a serving process alone, and through the local cloud."""
    model_dir = folder / "model"
    for name, content in _FILES.items():
        (model_dir / name).parent.mkdir(parents=True, exist_ok=True)
        (model_dir / name).write_bytes(content)
    with (
        serving_servers.ours(model_dir, {"SAGEMAKER_PROGRAM": "predict.py"}) as direct,
        local_cloud(folder / "state") as cloud,
    ):
        publish(cloud, "echo", archive(_FILES))
        cloud.client("sagemaker").create_endpoint(EndpointName="echo", EndpointConfigName="echo")
        await_settled(cloud, "echo")
        yield direct.load(), HttpLoad(f"{cloud.url}/endpoints/echo/invocations")


def median_ms(load: HttpLoad, pace: Pace) -> float:
    """Return the p50 of one round.

    Raises:
        SystemExit: If a request was not answered as it should be.
    """
    measured = load.run([_CASE], pace)
    if measured.errors:
        raise SystemExit(f"{load.url}: {measured.wrong} {measured.unanswered}")
    return summary(measured.latencies).p50 * 1000


def compare(direct: HttpLoad, through: HttpLoad, pace: Pace, rounds: int) -> bool:
    """Print what the local cloud adds, and tell whether that is little enough."""
    pairs = [(median_ms(direct, pace), median_ms(through, pace)) for _ in range(rounds + 1)][1:]
    alone, added = statistics.median(a for a, _ in pairs), statistics.median(b - a for a, b in pairs)
    load = f"{pace.connections} connections" + (f", {pace.rate:g} a second" if pace.rate else "")
    found = f"{added:.2f} ms on top of {alone:.2f} ms"
    is_met = added <= _MOST_ADDED_MS
    verdict(f"p50 added by the local cloud, {load}", found, f"at most {_MOST_ADDED_MS:g} ms", is_met=is_met)
    return is_met


def main() -> int:
    """Measure, and return 1 if the aim is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, servers(Path(folder)) as (direct, through):
        paces = (Pace(1, asked.seconds), Pace(16, asked.seconds, _RATE))
        met = [compare(direct, through, pace, asked.rounds) for pace in paces]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
