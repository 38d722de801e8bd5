"""Train the network on drawn shapes; write weights, golden cases and what was measured.

Run it as ``python train.py``. The same seed gives the same network on the same machine.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from src.net import ShapesNet
from src.shapes import LABELS, pictures
from torch import nn

HERE = Path(__file__).parent
EPOCHS, BATCH, RATE = 8, 32, 4e-3
TRAINED_ON, HELD_OUT = 250, 100


def train(images: torch.Tensor, wanted: torch.Tensor, seed: int) -> ShapesNet:
    """Return a network that was trained to give ``wanted`` for ``images``."""
    torch.manual_seed(seed)
    net = ShapesNet(len(LABELS))
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(wanted)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(images[batch]), wanted[batch]).backward()
            optimizer.step()
    return net.eval()


def write_golden_cases(net: nn.Module, images: torch.Tensor) -> None:
    """Write a request with one picture of each label, and the answer that it must get."""
    for image in images:
        with torch.no_grad():
            probabilities = net(image[None]).softmax(1)[0]
        best = int(probabilities.argmax())
        pixels = [[[round(pixel, 2) for pixel in row] for row in plane] for plane in image.tolist()]
        case = {
            "request": {"body": {"image": pixels}},
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
    net = train(*pictures(TRAINED_ON, seed=seed), seed)
    images, wanted = pictures(HELD_OUT, seed=seed + 1)
    with torch.no_grad():
        told = net(images).argmax(1)
    accuracy = (told == wanted).float().mean().item()
    for folder in ("artifacts", "golden"):
        (HERE / folder).mkdir(exist_ok=True)
    save_file(net.state_dict(), HERE / "artifacts" / "model.safetensors")
    # One picture of each label that is told right.
    firsts = [int(((told == wanted) & (wanted == label)).nonzero()[0]) for label in range(len(LABELS))]
    write_golden_cases(net, images[firsts])
    measured = {"seed": seed, "accuracy": round(accuracy, 4), "held_out": len(wanted)}
    (HERE / "artifacts" / "metrics.json").write_text(json.dumps(measured) + "\n", "utf-8")
    print(f"{accuracy:.1%} of {len(wanted)} held-out pictures told right")


if __name__ == "__main__":
    main()
