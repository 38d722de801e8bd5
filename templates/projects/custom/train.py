"""Train the network on a series; write weights, golden cases and what was measured.

Run it as ``python train.py``. The same seed gives the same network on the same machine. What counts is
whether the forecast is better than saying that tomorrow will be like today.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from src.demand import HISTORY, HORIZON, series, windows
from src.io import forecast
from src.net import ForecastNet
from torch import nn

HERE = Path(__file__).parent
EPOCHS, BATCH, RATE = 8, 64, 3e-3
HOURS, HELD_OUT_HOURS = 24 * 180, 24 * 30


def train(histories: torch.Tensor, wanted: torch.Tensor, seed: int) -> ForecastNet:
    """Return a network that was trained to give ``wanted`` for ``histories``."""
    torch.manual_seed(seed)
    net = ForecastNet(HISTORY, HORIZON)
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(histories)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.l1_loss(net(histories[batch]), wanted[batch]).backward()
            optimizer.step()
    return net.eval()


def write_golden_cases(net: nn.Module, history: torch.Tensor, longer: torch.Tensor) -> None:
    """Write requests with as many hours as needed, with more and with too few, and what they must get."""
    with torch.no_grad():
        first, second = forecast(net(torch.stack([history, longer[-HISTORY:]])))
    values = [[round(number, 3) for number in one.tolist()] for one in (history, longer, history[1:])]
    cases: dict[str, dict[str, dict[str, object]]] = {
        "two-days": {"request": {"body": {"values": values[0]}}, "response": {"body": first}},
        "three-days": {"request": {"body": {"values": values[1]}}, "response": {"body": second}},
        "too-short": {"request": {"body": {"values": values[2]}}, "response": {"status": 400}},
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
    values = series(HOURS, seed)
    net = train(*windows(values[:-HELD_OUT_HOURS]), seed)
    histories, wanted = windows(values[-HELD_OUT_HOURS:])
    with torch.no_grad():
        error = (net(histories) - wanted).abs().mean().item()
    repeated = (histories[:, -HORIZON:] - wanted).abs().mean().item()
    for folder in ("artifacts", "golden"):
        (HERE / folder).mkdir(exist_ok=True)
    save_file(net.state_dict(), HERE / "artifacts" / "model.safetensors")
    write_golden_cases(net, histories[0], values[-HELD_OUT_HOURS : -HELD_OUT_HOURS + 72])
    measured = {
        "seed": seed,
        "mean_error_kw": round(error, 4),
        "mean_error_of_repeating_kw": round(repeated, 4),
        "held_out": len(wanted),
    }
    (HERE / "artifacts" / "metrics.json").write_text(json.dumps(measured) + "\n", "utf-8")
    print(f"mean error {error:.3f} kW; saying that tomorrow is like today: {repeated:.3f} kW")


if __name__ == "__main__":
    main()
