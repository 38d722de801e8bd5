"""Train the network on short messages; write weights, vocabulary, golden cases and what was measured.

Run it as ``python train.py``. The same seed gives the same network on the same machine. Messages about the
same topic are to lie close together, others apart; the topic of a message that was held out is told by its
nearest one.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from src.messages import TOKENS, messages, numbered, vocabulary
from src.net import SentenceNet
from torch import nn

HERE = Path(__file__).parent
EPOCHS, RATE, SHARPNESS = 60, 1e-2, 8.0
PER_LABEL, HELD_OUT = 120, 60


def vectors(net: nn.Module, texts: list[str], known: list[str]) -> torch.Tensor:
    """Return what the endpoint answers: the mean of the words' vectors, brought to length 1."""
    ids, mask = numbered(texts, known)
    mean = net(ids, mask).sum(1) / mask.sum(1, keepdim=True)
    return nn.functional.normalize(mean, dim=1)


def train(texts: list[str], topics: torch.Tensor, known: list[str], seed: int) -> SentenceNet:
    """Return a network that was trained to put texts of one topic together."""
    torch.manual_seed(seed)
    net = SentenceNet(TOKENS)
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE, weight_decay=1e-3)
    itself = torch.eye(len(texts), dtype=torch.bool)
    same = ((topics[:, None] == topics) & ~itself).float()
    for _ in range(EPOCHS):
        optimizer.zero_grad()
        found = vectors(net, texts, known)
        # -1e9 rather than minus infinity, which times zero is no number.
        nearness = (SHARPNESS * found @ found.T).masked_fill(itself, -1e9).log_softmax(1)
        (-(nearness * same).sum(1) / same.sum(1)).mean().backward()
        optimizer.step()
    return net.eval()


def write_golden_cases(net: nn.Module, texts: list[str], known: list[str]) -> None:
    """Write a request with one message, one with several, and the vectors that they must get."""
    with torch.no_grad():
        wanted = [[round(number, 6) for number in row] for row in vectors(net, texts, known).tolist()]
    cases: dict[str, dict[str, dict[str, object]]] = {
        "one": {"request": {"body": {"text": texts[0]}}, "response": {"body": {"embedding": wanted[0]}}},
        "several": {"request": {"body": texts}, "response": {"body": {"embeddings": wanted}}},
    }
    for name, case in cases.items():
        (HERE / "golden" / f"{name}.json").write_text(json.dumps(case) + "\n", "utf-8")


def main() -> None:
    """Train, measure, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    seed = parser.parse_args().seed
    torch.use_deterministic_algorithms(mode=True)
    torch.set_num_threads(1)
    texts, topics = messages(PER_LABEL, seed)
    learned, others = texts[HELD_OUT:], texts[:HELD_OUT]
    known = vocabulary(learned)
    net = train(learned, topics[HELD_OUT:], known, seed)
    with torch.no_grad():
        nearest = (vectors(net, others, known) @ vectors(net, learned, known).T).argmax(1)
    accuracy = (topics[HELD_OUT:][nearest] == topics[:HELD_OUT]).float().mean().item()
    for folder in ("artifacts", "data", "golden"):
        (HERE / folder).mkdir(exist_ok=True)
    save_file(net.state_dict(), HERE / "artifacts" / "model.safetensors")
    (HERE / "data" / "vocabulary.txt").write_text("".join(f"{word}\n" for word in known), "utf-8")
    write_golden_cases(net, others[:3], known)
    measured = {"seed": seed, "accuracy": round(accuracy, 4), "held_out": len(others)}
    (HERE / "artifacts" / "metrics.json").write_text(json.dumps(measured) + "\n", "utf-8")
    print(f"{accuracy:.1%} of {len(others)} held-out messages are nearest to one of their topic")


if __name__ == "__main__":
    main()
