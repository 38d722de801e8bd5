"""How long a local cloud takes from its start to its first answered API call: run by `make bench`."""

import statistics
import subprocess
import sys
import tempfile
import time

from orchestrator.localcloud.testing import local_cloud

RUNS = 10
_BASELINE = ["-c", "import boto3, starlette, uvicorn, moto.moto_server.werkzeug_app"]


def until_answered() -> tuple[float, float]:
    """Return how long the process takes to answer, and until a first call of SageMaker is answered."""
    began = time.perf_counter()
    with local_cloud() as cloud:
        up = time.perf_counter() - began
        # The client is the caller's own: it is made before and not counted.
        client = cloud.client("sagemaker")
        asked = time.perf_counter()
        client.list_models()
        return up, up + time.perf_counter() - asked


def until_imported() -> float:
    """Return how long a Python takes that imports what it is built on, and does nothing."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *_BASELINE], check=True, capture_output=True, cwd=tempfile.gettempdir())
    return time.perf_counter() - began


def main() -> None:
    """Measure in turn, so that a machine that changes its speed changes all of them."""
    taken: dict[str, list[float]] = {
        "its imports alone": [],
        "start to ready": [],
        "start to first answer": [],
    }
    for number in range(RUNS + 1):
        found = (until_imported(), *until_answered())
        if number:  # the first round only warms the disk's cache
            for name, seconds in zip(taken, found, strict=True):
                taken[name].append(seconds)
    print(f"median of {RUNS} runs, in turn; aim: under 2 s to the first answer")  # noqa: T201 - a report is what this program is for
    for name, times in taken.items():
        spread = f"{min(times):.2f} to {max(times):.2f} s"
        print(f"{name:<24} {statistics.median(times):.2f} s ({spread})")  # noqa: T201 - likewise


if __name__ == "__main__":
    main()
