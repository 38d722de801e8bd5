"""How fast an archive is packed, as a multiple of what others need, and in how much memory: by `make bench`.

The weights are float32 numbers with a normal distribution, which is what trained weights look like to a
compressor. All programs take turns on the same file, in one run; what is counted of ours is everything:
hashing, then packing with the hashes checked again.
"""

import argparse
import shutil
import statistics
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

MIB = 1024**2
CHUNK_BYTES = 64 * MIB
LIMIT_MIB = 300
CHILD = r"""
import re, sys
from pathlib import Path
from orchestrator.adapters.archives.tarball import digest, stream, write
from orchestrator.core.archive import Member
weights = Member("model.safetensors", sys.argv[1])
write(sys.argv[2], stream([weights], [digest(weights, lambda _: None)]))
# Not from getrusage: its peak begins with that of the process that was forked.
print(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])
"""


def write_weights(path: Path, size_mib: int) -> None:
    """Write a safetensors file of one tensor."""
    count = size_mib * MIB // 4
    entry = f'{{"w":{{"dtype":"F32","shape":[{count}],"data_offsets":[0,{count * 4}]}}}}'.encode()
    header = entry.ljust(-len(entry) % 8 + len(entry))
    chance = np.random.default_rng(0)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        for start in range(0, count * 4, CHUNK_BYTES):
            file.write(
                chance.standard_normal(min(CHUNK_BYTES, count * 4 - start) // 4, dtype=np.float32).data
            )


def ours(weights: Path, out: Path) -> int:
    """Pack as `orchestrator package` does, in a process of its own; return its peak memory in MiB."""
    command = [sys.executable, "-c", CHILD, str(weights), str(out)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) // 1024


def standard_library(weights: Path, out: Path) -> None:
    """Pack as the SageMaker SDK does."""
    with tarfile.open(out, "w:gz") as tar:
        tar.add(weights, arcname="model.safetensors")


def igzip(weights: Path, out: Path) -> None:
    """Pack as a shell does that has ISA-L: its own program, or else that of the `isal` package."""
    own = shutil.which("igzip")
    compressor = f"{own} -1 -c" if own else f"{sys.executable} -m isal.igzip -1 -c"
    command = f'tar -cf - -C "$1" "$2" | {compressor} > "$3"'
    arguments = ["bash", "-o", "pipefail", "-c", command, "-", str(weights.parent), weights.name, str(out)]
    subprocess.run(arguments, check=True)


def rate(pack: Callable[[Path, Path], object], weights: Path, out: Path) -> float:
    """Return how many MiB of weights are packed in a second."""
    started = time.perf_counter()
    pack(weights, out)
    return weights.stat().st_size / MIB / (time.perf_counter() - started)


def report_speed(folder: Path, size_mib: int, slow_mib: int, runs: int) -> None:
    """Print throughputs, and what they are of one another.

    The standard library's takes minutes a GiB; its rate does not depend on the size, so it gets less.
    """
    weights, less, out = folder / "weights", folder / "less", folder / "out.tar.gz"
    write_weights(weights, size_mib)
    write_weights(less, slow_mib)
    packed = 0.0
    rates: dict[str, list[float]] = {"ours": [], "tar | igzip -1": [], "tarfile w:gz": []}
    for _ in range(runs):
        rates["ours"].append(rate(ours, weights, out))
        packed = out.stat().st_size / MIB
        rates["tar | igzip -1"].append(rate(igzip, weights, out))
        rates["tarfile w:gz"].append(rate(standard_library, less, out))
    print(f"packing {size_mib} MiB to {packed:.0f} MiB, median of {runs} runs, in turn")  # noqa: T201 - a report is what this program is for
    median = {name: statistics.median(found) for name, found in rates.items()}
    for name, found in rates.items():
        spread = f"{min(found):.0f} to {max(found):.0f} MiB/s"
        print(f"{name:<16} {median[name]:6.0f} MiB/s ({spread})  ours x {median['ours'] / median[name]:.2f}")  # noqa: T201 - likewise


def report_memory(folder: Path, sizes_mib: list[int]) -> None:
    """Print the peak memory of packing archives of several sizes."""
    for size_mib in sizes_mib:
        weights = folder / "weights"
        write_weights(weights, size_mib)
        peak = ours(weights, folder / "out.tar.gz")
        print(f"packing {size_mib} MiB: peak memory {peak} MiB (limit {LIMIT_MIB})")  # noqa: T201 - likewise


def main() -> None:
    """Measure speed first, then memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size-mib", type=int, default=2048, help="of the weights")
    parser.add_argument("--slow-mib", type=int, default=256, help="of what the standard library packs")
    parser.add_argument("--memory-mib", type=int, nargs="*", default=[1024, 4096])
    parser.add_argument("--runs", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="packing-") as folder:
        report_speed(Path(folder), chosen.size_mib, chosen.slow_mib, chosen.runs)
        report_memory(Path(folder), chosen.memory_mib)


if __name__ == "__main__":
    main()
