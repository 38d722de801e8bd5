"""How long `orchestrator --help` takes, as a multiple of importing click: run by `make bench`."""

import statistics
import subprocess
import sys
import time

RUNS = 20
COMMANDS = {
    "python -c 'import click'": ["-c", "import click"],
    "orchestrator --help": ["-m", "orchestrator", "--help"],
    "orchestrator config show --help": ["-m", "orchestrator", "config", "show", "--help"],
}


def seconds(arguments: list[str]) -> float:
    """Return how long one start takes, as a whole process."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    """Measure in turn, so that a machine that changes its speed changes all of them."""
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for number in range(RUNS + 1):
        for name, arguments in COMMANDS.items():
            took = seconds(arguments)
            if number:  # the first round only warms the disk's cache
                taken[name].append(took)
    baseline = statistics.median(taken["python -c 'import click'"])
    print(f"median of {RUNS} runs, in turn")  # noqa: T201 - a report is what this program is for
    for name, found in taken.items():
        median = statistics.median(found)
        spread = f"{min(found):.3f} to {max(found):.3f} s"
        print(f"{name:<34} {median:.3f} s ({spread})  x {median / baseline:.2f}")  # noqa: T201 - likewise


if __name__ == "__main__":
    main()
