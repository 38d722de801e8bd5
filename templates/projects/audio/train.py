"""Train the network on tones; write weights, golden cases and what was measured.

Run it as ``python train.py``. The same seed gives the same network on the same machine.
"""

import argparse
import base64
import io
import json
import wave
from pathlib import Path

import torch
from safetensors.torch import save_file
from src.net import TonesNet
from src.tones import LABELS, SAMPLE_RATE, tones
from torch import nn

HERE = Path(__file__).parent
EPOCHS, BATCH, RATE = 8, 32, 1e-2
TRAINED_ON, HELD_OUT = 150, 100


def train(sounds: torch.Tensor, wanted: torch.Tensor, seed: int) -> TonesNet:
    """Return a network that was trained to give ``wanted`` for ``sounds``."""
    torch.manual_seed(seed)
    net = TonesNet(len(LABELS))
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(wanted)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(sounds[batch]), wanted[batch]).backward()
            optimizer.step()
    return net.eval()


def wav(sound: torch.Tensor) -> bytes:
    """Return ``sound`` as a WAV file of 16 bits."""
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((sound * 32768).to(torch.int16).numpy().astype("<i2").tobytes())
    return written.getvalue()


def write_golden_cases(net: nn.Module, sounds: torch.Tensor) -> None:
    """Write a request with a WAV file of each label, and the answer that it must get."""
    for sound in sounds:
        with torch.no_grad():
            probabilities = net(sound[None]).softmax(1)[0]
        best = int(probabilities.argmax())
        body = base64.b64encode(wav(sound)).decode()
        case = {
            "request": {"body_base64": body, "content_type": "audio/wav"},
            "response": {"body": {"label": LABELS[best], "score": round(float(probabilities[best]), 6)}},
        }
        (HERE / "golden" / f"{LABELS[best]}.json").write_text(json.dumps(case) + "\n", "utf-8")


def main() -> None:
    """Train, measure, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    seed = parser.parse_args().seed
    torch.use_deterministic_algorithms(mode=True)
    torch.set_num_threads(1)
    net = train(*tones(TRAINED_ON, seed=seed), seed)
    sounds, wanted = tones(HELD_OUT, seed=seed + 1)
    with torch.no_grad():
        told = net(sounds).argmax(1)
    accuracy = (told == wanted).float().mean().item()
    for folder in ("artifacts", "golden"):
        (HERE / folder).mkdir(exist_ok=True)
    save_file(net.state_dict(), HERE / "artifacts" / "model.safetensors")
    # One tone of each label that is told right.
    firsts = [int(((told == wanted) & (wanted == label)).nonzero()[0]) for label in range(len(LABELS))]
    write_golden_cases(net, sounds[firsts])
    measured = {"seed": seed, "accuracy": round(accuracy, 4), "held_out": len(wanted)}
    (HERE / "artifacts" / "metrics.json").write_text(json.dumps(measured) + "\n", "utf-8")
    print(f"{accuracy:.1%} of {len(wanted)} held-out tones told right")


if __name__ == "__main__":
    main()
