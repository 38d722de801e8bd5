"""Train the network, measure it on the held-out digits, and save weights and a golden case.

Run it as ``python train.py --seed 1``.
"""

import argparse
import json
import time
from pathlib import Path

import torch
from digits import Digits, load
from safetensors.torch import save_file
from src.net import DigitsNet
from torch import nn

HERE = Path(__file__).parent
EPOCHS, BATCH, RATE = 8, 64, 1e-3


def train(data: Digits, seed: int, epochs: int) -> DigitsNet:
    """Return a network trained on ``data``; the same seed gives the same network on one machine."""
    torch.manual_seed(seed)
    net = DigitsNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        for batch in torch.randperm(len(data.labels)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(data.images[batch]), data.labels[batch]).backward()
            optimizer.step()
        schedule.step()
    return net.eval()


def accuracy(net: nn.Module, data: Digits) -> float:
    """Return the share of ``data`` that ``net`` tells right."""
    with torch.no_grad():
        return (net(data.images).argmax(1) == data.labels).float().mean().item()


def golden_case(net: nn.Module, data: Digits) -> dict[str, object]:
    """Return a request with the first held-out digit, and the answer that it must get."""
    with torch.no_grad():
        probabilities = net(data.images[:1]).softmax(1)[0]
    label = int(probabilities.argmax())
    return {
        "request": {"body": {"image": data.images[0].tolist()}},
        "response": {"body": {"label": str(label), "score": float(probabilities[label])}},
    }


def main() -> None:
    """Train, measure, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    arguments = parser.parse_args()
    seed = arguments.seed
    training, held_out = load()
    started = time.monotonic()
    net = train(training, seed, arguments.epochs)
    measured = accuracy(net, held_out)
    (HERE / "artifacts").mkdir(exist_ok=True)
    save_file(net.state_dict(), HERE / "artifacts" / "model.safetensors")
    (HERE / "golden").mkdir(exist_ok=True)
    (HERE / "golden" / "first.json").write_text(json.dumps(golden_case(net, held_out)))
    (HERE / "artifacts" / "metrics.json").write_text(json.dumps({"seed": seed, "accuracy": measured}))
    seconds = time.monotonic() - started
    print(f"seed {seed}: {measured:.1%} of 1,000 held-out digits told right, trained in {seconds:.0f} s")


if __name__ == "__main__":
    main()
