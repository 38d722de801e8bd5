"""Train the network on short messages; write weights, vocabulary, golden cases and what was measured.

Run it as ``python train.py``. The same seed gives the same network on the same machine.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from src.messages import LABELS, TOKENS, messages, numbered, vocabulary
from src.net import TopicNet
from torch import nn

HERE = Path(__file__).parent
EPOCHS, RATE, HIDDEN = 60, 1e-2, 0.2
PER_LABEL, HELD_OUT = 120, 60


def train(texts: list[str], wanted: torch.Tensor, known: list[str], seed: int) -> TopicNet:
    """Return a network that was trained to give ``wanted`` for ``texts``."""
    torch.manual_seed(seed)
    net = TopicNet(TOKENS, len(LABELS))
    ids, mask = numbered(texts, known)
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE, weight_decay=1e-3)
    for _ in range(EPOCHS):
        optimizer.zero_grad()
        # Some words are hidden each time, so that no topic hangs on a single one.
        hidden = (torch.rand(ids.shape) < HIDDEN) & (ids > 0)
        nn.functional.cross_entropy(net(ids.masked_fill(hidden, 1), mask), wanted).backward()
        optimizer.step()
    return net.eval()


def answers(net: nn.Module, texts: list[str], known: list[str]) -> list[dict[str, object]]:
    """Return what the endpoint has to say about ``texts``."""
    with torch.no_grad():
        scores, best = net(*numbered(texts, known)).softmax(1).max(1)
    return [
        {"label": LABELS[index], "score": round(score, 6)}
        for index, score in zip(best.tolist(), scores.tolist(), strict=True)
    ]


def write_golden_cases(net: nn.Module, texts: list[str], known: list[str]) -> None:
    """Write a request with one message, one with several, and the answers that they must get."""
    wanted = answers(net, texts, known)
    cases: dict[str, dict[str, dict[str, object]]] = {
        "one": {"request": {"body": {"text": texts[0]}}, "response": {"body": wanted[0]}},
        "several": {"request": {"body": texts}, "response": {"body": {"predictions": wanted}}},
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
    texts, wanted = messages(PER_LABEL, seed)
    learned, others = texts[HELD_OUT:], texts[:HELD_OUT]
    known = vocabulary(learned)
    net = train(learned, wanted[HELD_OUT:], known, seed)
    with torch.no_grad():
        told = net(*numbered(others, known)).argmax(1)
    accuracy = (told == wanted[:HELD_OUT]).float().mean().item()
    for folder in ("artifacts", "data", "golden"):
        (HERE / folder).mkdir(exist_ok=True)
    save_file(net.state_dict(), HERE / "artifacts" / "model.safetensors")
    (HERE / "data" / "vocabulary.txt").write_text("".join(f"{word}\n" for word in known), "utf-8")
    write_golden_cases(net, others[:3], known)
    measured = {"seed": seed, "accuracy": round(accuracy, 4), "held_out": len(others)}
    (HERE / "artifacts" / "metrics.json").write_text(json.dumps(measured) + "\n", "utf-8")
    print(f"{accuracy:.1%} of {len(others)} held-out messages told right")


if __name__ == "__main__":
    main()
