"""Train the network on Fisher's irises; write weights, golden cases and what was measured.

Run it as ``python train.py``. The same seed gives the same network on the same machine. The measures are
those of R. A. Fisher, "The use of multiple measurements in taxonomic problems", 1936.
"""

import argparse
import csv
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from src.net import IrisNet
from torch import nn

HERE = Path(__file__).parent
LABELS = ("setosa", "versicolor", "virginica")
EPOCHS, RATE = 200, 1e-2
HELD_OUT_EVERY = 5


def load() -> tuple[list[str], torch.Tensor, torch.Tensor]:
    """Return the features' names, the rows of shape (n, 4), and the numbers of their labels."""
    with (HERE / "data" / "iris.csv").open(encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
    rows = torch.tensor([[float(cell) for cell in line[:-1]] for line in lines])
    return header[:-1], rows, torch.tensor([LABELS.index(line[-1]) for line in lines])


def train(rows: torch.Tensor, wanted: torch.Tensor, seed: int) -> IrisNet:
    """Return a network that was trained to give ``wanted`` for ``rows``."""
    torch.manual_seed(seed)
    net = IrisNet(rows.shape[1], len(LABELS))
    net.mean, net.deviation = rows.mean(0), rows.std(0)
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE, weight_decay=1e-3)
    for _ in range(EPOCHS):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(rows), wanted).backward()
        optimizer.step()
    return net.eval()


def answers(net: nn.Module, rows: torch.Tensor) -> list[dict[str, object]]:
    """Return what the endpoint has to say about ``rows``."""
    with torch.no_grad():
        probabilities = net(rows).softmax(1)
    scores, best = probabilities.max(1)
    return [
        {"label": LABELS[index], "score": round(score, 6)}
        for index, score in zip(best.tolist(), scores.tolist(), strict=True)
    ]


def write_golden_cases(net: nn.Module, names: list[str], rows: torch.Tensor) -> None:
    """Write requests in the three forms that the endpoint takes, and the answers that they must get."""
    cells = [[round(cell, 1) for cell in row] for row in rows.tolist()]
    table = "\n".join([",".join(names), *(",".join(map(str, row)) for row in cells)]) + "\n"
    wanted = answers(net, rows)
    cases: dict[str, dict[str, dict[str, object]]] = {
        "row": {
            "request": {"body": dict(zip(names, cells[0], strict=True))},
            "response": {"body": wanted[0]},
        },
        "rows": {"request": {"body": cells}, "response": {"body": {"predictions": wanted}}},
        "csv": {
            "request": {"body_text": table, "content_type": "text/csv"},
            "response": {"body": {"predictions": wanted}},
        },
    }
    for name, case in cases.items():
        (HERE / "golden" / f"{name}.json").write_text(json.dumps(case, indent=2) + "\n", "utf-8")


def main() -> None:
    """Train, measure, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    seed = parser.parse_args().seed
    torch.use_deterministic_algorithms(mode=True)
    torch.set_num_threads(1)
    names, rows, wanted = load()
    held_out = torch.arange(len(rows)) % HELD_OUT_EVERY == 0
    net = train(rows[~held_out], wanted[~held_out], seed)
    with torch.no_grad():
        told = net(rows[held_out]).argmax(1)
    accuracy = (told == wanted[held_out]).float().mean().item()
    for folder in ("artifacts", "golden"):
        (HERE / folder).mkdir(exist_ok=True)
    save_file(net.state_dict(), HERE / "artifacts" / "model.safetensors")
    write_golden_cases(net, names, rows[held_out][::10])
    measured = {"seed": seed, "accuracy": round(accuracy, 4), "held_out": len(told)}
    (HERE / "artifacts" / "metrics.json").write_text(json.dumps(measured) + "\n", "utf-8")
    print(f"{accuracy:.1%} of {len(told)} held-out flowers told right")


if __name__ == "__main__":
    main()
