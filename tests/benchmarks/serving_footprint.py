"""How long `local-serve` takes to start and what it holds in memory: run by `make bench`.

Both beside a plain Python process that imports torch and calls the same `model_fn`, and the start beside the
real container's stack.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.core.latency import Pace
from tests.benchmarks import serving_models, serving_servers
from tests.benchmarks.serving import verdict
from tests.benchmarks.serving_models import Model
from tests.benchmarks.serving_servers import WORKERS, family, memory

_MOST_START_SECONDS = 1.5
_MOST_EXTRA_MB = 60
_LOADING = """
import sys
sys.path.insert(0, sys.argv[1] + "/code")
import torch
import predict
model = predict.model_fn(sys.argv[1])
print("loaded", flush=True)
sys.stdin.read()
"""


@contextmanager
def loaded(model_dir: Path) -> Iterator[tuple[int, float]]:
    """Yield the id of a plain process that has loaded the model, and how many seconds that took."""
    started = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", _LOADING, str(model_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        if process.stdout is None or process.stdout.readline() != "loaded\n":
            raise SystemExit("the model does not load")
        yield process.pid, time.perf_counter() - started


def start(model: Model, runs: int) -> None:
    """Measure starts in turn."""
    toolkit = serving_servers.toolkit()
    plain, ours, real = list[float](), list[float](), list[float]()
    for number in range(runs + 1):
        with loaded(model.generated) as (_, seconds):
            plain.append(seconds)
        with serving_servers.ours(model.generated) as serving:
            ours.append(serving.ready_seconds)
        if toolkit is not None:
            with serving_servers.real(toolkit, model.generated, "predict.py") as serving:
                real.append(serving.ready_seconds)
        if number == 0:  # the first round only warms the disk's cache
            plain, ours, real = [], [], []
    print(f"\nready to answer, median of {runs} starts, in turn")  # noqa: T201 - a report
    for name, found in (("python, torch and model_fn", plain), ("ours", ours), ("real stack", real)):
        if found:
            spread = f"{min(found):.2f} to {max(found):.2f} s"
            print(f"  {name:<40} {statistics.median(found):.2f} s ({spread})")  # noqa: T201 - a report
    above = statistics.median(own - base for own, base in zip(ours, plain, strict=True))
    verdict(
        "start above the model's own load time",
        f"{above:.2f} s",
        f"at most {_MOST_START_SECONDS} s",
        is_met=above <= _MOST_START_SECONDS,
    )


def held(model: Model) -> None:
    """Measure memory after some requests, when whatever is made on demand has been made."""
    with loaded(model.generated) as (pid, _):
        baseline = memory(pid)
    with serving_servers.ours(model.generated) as serving:
        serving.load().run([model.json_case(), model.npy_case()], Pace(16, 3.0))
        front, *others = family(serving.pid or 0)
        found = {pid: memory(pid) for pid in others}
        own = memory(front)
    print(f"\nmemory in MB, {WORKERS} workers, after some requests")  # noqa: T201 - a report
    rows = [("python, torch and model_fn", baseline), ("front", own)]
    rows += [(f"process {number}", sizes) for number, sizes in enumerate(found.values(), start=1)]
    for name, sizes in rows:
        print(f"  {name:<40} {sizes['Pss']:6.0f} its part   {sizes['Rss']:6.0f} in all")  # noqa: T201 - a report
    share = sum(sizes["Pss"] for sizes in found.values()) / WORKERS
    for what, most, base in (
        ("what all processes but the front hold, per worker", share, baseline["Pss"]),
        (
            "the largest of them, with what it shares",
            max(sizes["Rss"] for sizes in found.values()),
            baseline["Rss"],
        ),
    ):
        verdict(
            what,
            f"{most - base:+.0f} MB to the plain process",
            f"at most {_MOST_EXTRA_MB} MB",
            is_met=most - base <= _MOST_EXTRA_MB,
        )


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        model = serving_models.digits(Path(folder) / "digits")
        start(model, runs)
        held(model)


if __name__ == "__main__":
    main()
