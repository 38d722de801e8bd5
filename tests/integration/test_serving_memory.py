"""What workers of one model hold in memory, page by page, as the kernel counts it."""

import asyncio
from pathlib import Path

import torch
import uvloop
from safetensors.torch import save_file

from tests.support.entrypoints_samples import write
from tests.support.pools import Plan, pooling

# What the generated entry point calls, and a sum that touches every page.
MAPPED = """
from orchestrator.entrypoints.weights import read_folder

def model_fn(model_dir): return read_folder(model_dir)
def input_fn(data, content_type): return data
def predict_fn(data, model): return [float(tensor.sum()) for tensor in model.values()]
def output_fn(prediction, accept): return str(prediction)
"""
BYTES = 4 * 1024 * 1024


def held(pid: int, file: Path) -> dict[str, int]:
    """Return in bytes how the process holds ``file``: see ``smaps`` in the kernel's ``proc.rst``."""
    sizes: dict[str, int] = {}
    is_inside = False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        name, _, rest = line.partition(":")
        if rest.endswith(" kB"):
            if is_inside:
                sizes[name] = sizes.get(name, 0) + int(rest.split()[0]) * 1024
        elif "-" in line.split()[0]:
            is_inside = line.endswith(str(file))
    return sizes


def test_workers_share_the_memory_of_mapped_weights(tmp_path: Path) -> None:
    model_dir = write(tmp_path.resolve(), MAPPED)
    weights = model_dir / "model.safetensors"
    save_file({"ones": torch.ones(BYTES // 4)}, weights)

    async def test() -> None:
        async with pooling(model_dir, Plan(workers=2, preload=("numpy", "torch"))) as started:
            await started.loaded(2)
            # Two at once go to two workers.
            answers = await asyncio.gather(started.ask(b"1"), started.ask(b"2"))
            assert [answer.body for answer in answers] == [str([BYTES / 4]).encode()] * 2
            for pid in started.diary.pids():
                sizes = held(pid, weights)
                assert sizes["Rss"] >= BYTES
                assert sizes["Private_Clean"] == sizes["Private_Dirty"] == 0

    uvloop.run(test())
