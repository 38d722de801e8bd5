"""What a second `package` of an unchanged project costs beside hashing its weights: run by `make bench`."""

import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

RUNS = 5
LAYERS, WIDTH = 4, 8192  # 1 GiB in float32
_NET = f"""
import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList(
            torch.nn.Linear({WIDTH}, {WIDTH}, bias=False) for _ in range({LAYERS})
        )

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x
"""
_SPEC = """
version = 1
name = "large"

[model]
path = "model.safetensors"
class = "net.py:Net"
"""
_SAVE = f"""
import torch
from safetensors.torch import save_file
save_file({{f"layers.{{number}}.weight": torch.randn({WIDTH}, {WIDTH}) for number in range({LAYERS})}},
          "model.safetensors")
"""


def seconds(act: Callable[[], object]) -> float:
    """Return how long ``act`` took."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def main() -> None:
    """Package once, then hash and package again in turn."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "net.py").write_text(_NET)
        (folder / "orchestrator.toml").write_text(_SPEC)
        environment = {**os.environ, "ORCHESTRATOR_STATE_DIR": str(folder / "state")}

        def run(*arguments: str) -> None:
            subprocess.run(
                [sys.executable, *arguments], cwd=folder, env=environment, check=True, capture_output=True
            )

        def hash_weights() -> None:
            with (folder / "model.safetensors").open("rb") as file:
                hashlib.file_digest(file, "sha256")

        run("-c", _SAVE)
        first = seconds(lambda: run("-m", "orchestrator", "package"))
        pairs = [
            (seconds(hash_weights), seconds(lambda: run("-m", "orchestrator", "package")))
            for _ in range(RUNS)
        ]
    hashing, again = (statistics.median(column) for column in zip(*pairs, strict=True))
    lines = [
        f"a model of {LAYERS * WIDTH * WIDTH * 4 // 2**20} MiB, median of {RUNS} runs, in turn",
        f"sha256 of the weights     {hashing:6.2f} s  x 1.00",
        f"package, nothing changed  {again:6.2f} s  x {again / hashing:.2f}, {again - hashing:.2f} s more",
        f"package, the first time   {first:6.2f} s  x {first / hashing:.2f} (once)",
    ]
    print("\n".join(lines))  # noqa: T201 - a report is what this program is for


if __name__ == "__main__":
    main()
