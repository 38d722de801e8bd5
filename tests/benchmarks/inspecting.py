"""What `inspect` of a state dict costs beside `torch.load` of it: run by `make bench`.

Each is a process of its own, in turn; the time is of the call alone, the memory is the most that the whole
process had, imports included.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

RUNS = 5
TENSORS = 256
SIZE_BYTES = 1024**3
_MEASURE = """
import json, resource, sys, time
{prepare}
started = time.perf_counter()
{act}
took = time.perf_counter() - started
print(json.dumps([took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024]))
"""
PROGRAMS = {
    "torch.load(weights_only=True)": _MEASURE.format(
        prepare="import torch", act="torch.load(sys.argv[1], weights_only=True)"
    ),
    "examine, as inspect does": _MEASURE.format(
        prepare="from orchestrator.adapters.checkpoints import examine", act="examine(sys.argv[1], 'auto')"
    ),
}
_SAVE = """
import sys, torch
count, size = int(sys.argv[2]), int(sys.argv[3]) // int(sys.argv[2]) // 4
torch.save({f"layers.{number}.weight": torch.randn(size) for number in range(count)}, sys.argv[1])
"""


def measure(program: str, path: str) -> tuple[float, float]:
    """Return how many seconds the call took, and how many MB the process had at most."""
    command = [sys.executable, "-c", program, path]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    took, peak_bytes = json.loads(done.stdout)
    return took, peak_bytes / 1024**2


def main(size_bytes: int = SIZE_BYTES) -> None:
    """Measure in turn, so that a machine that changes its speed changes both."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in PROGRAMS}
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "model.pt")
        subprocess.run([sys.executable, "-c", _SAVE, path, str(TENSORS), str(size_bytes)], check=True)
        for number in range(RUNS + 1):
            for name, program in PROGRAMS.items():
                measured = measure(program, path)
                if number:  # the first round only warms the disk's cache
                    found[name].append(measured)
    print(f"a state dict of {size_bytes / 1024**2:.0f} MB in {TENSORS} tensors, median of {RUNS} runs")  # noqa: T201 - a report is what this program is for
    baseline = statistics.median(took for took, _ in found["torch.load(weights_only=True)"])
    for name, measured_all in found.items():
        took = statistics.median(one for one, _ in measured_all)
        peak = max(one for _, one in measured_all)
        print(f"{name:<34} {took:.3f} s, at most {peak:.0f} MB  x {took / baseline:.3f}")  # noqa: T201 - likewise


if __name__ == "__main__":
    main()
