"""Take the model out of the package silero-vad, and write down what it answers here, as two golden cases.

Run it as ``python prepare.py``, after ``pip install --no-deps silero-vad``: only its files are used.
"""

import importlib.util
import json
import math
import shutil
import warnings
from pathlib import Path

import torch

HERE = Path(__file__).parent
SAMPLE_RATE = 16_000
FILE = "silero_vad.jit"


def model_file() -> Path:
    """Return the path of the TorchScript file that silero-vad ships."""
    found = importlib.util.find_spec("silero_vad")
    if found is None or not found.submodule_search_locations:
        raise SystemExit("silero-vad is not installed: pip install --no-deps silero-vad")
    return Path(found.submodule_search_locations[0]) / "data" / FILE


def vowel(hertz: float, seconds: float = 0.4) -> torch.Tensor:
    """Return something like a sung vowel: harmonics of ``hertz``, stronger near 700 and 1,100 Hz."""
    time = torch.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    harmonics = (
        torch.sin(2 * math.pi * hertz * number * time)
        * sum(math.exp(-(((hertz * number - formant) / 250) ** 2)) for formant in (700, 1100))
        for number in range(1, 20)
    )
    loudness = torch.hann_window(len(time), periodic=False)
    return 0.3 * loudness * sum(harmonics, torch.zeros_like(time))


def main() -> None:
    """Copy the model and write the golden cases."""
    (HERE / "artifacts").mkdir(exist_ok=True)
    (HERE / "golden").mkdir(exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch would rather have torch.export
        detector = torch.jit.load(shutil.copy(model_file(), HERE / "artifacts"))
    for name, waveform in {"low": vowel(120), "high": vowel(240)}.items():
        with torch.no_grad():
            # Its own way through a whole recording, which ours has to equal.
            probabilities = detector.audio_forward(waveform[None], SAMPLE_RATE)[0].tolist()
        case = {"request": {"body": {"audio": waveform.tolist()}}, "response": {"body": probabilities}}
        (HERE / "golden" / f"{name}.json").write_text(json.dumps(case), "utf-8")
        print(f"{name}: {len(probabilities)} windows, speech up to {max(probabilities):.2f}")


if __name__ == "__main__":
    main()
