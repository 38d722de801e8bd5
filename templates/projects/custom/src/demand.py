"""The series: what a house might use hour by hour, made up of a daily rhythm, a weekly one, and chance."""

import math

import torch

HISTORY, HORIZON = 48, 24
WORKING_DAYS = 5


def series(hours: int, seed: int) -> torch.Tensor:
    """Return a series of shape (hours,), in kilowatts with three decimals."""
    generator = torch.Generator().manual_seed(seed)
    hour = torch.arange(hours, dtype=torch.float64)
    morning = torch.exp(-(((hour % 24) - 7.5) ** 2) / 4)
    evening = torch.exp(-(((hour % 24) - 19) ** 2) / 8)
    weekend = ((hour // 24) % 7 >= WORKING_DAYS).double()
    season = 1 + 0.3 * torch.sin(2 * math.pi * hour / (24 * 90))
    noise = 0.08 * torch.randn(hours, generator=generator, dtype=torch.float64)
    made = season * (0.4 + (0.8 - 0.5 * weekend) * morning + (1.2 + 0.3 * weekend) * evening)
    return (made + noise).clamp(min=0.05).mul(1000).round().div(1000).float()


def windows(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return every stretch of ``values``, of shape (n, history), and what followed, of shape (n, horizon)."""
    cut = values.unfold(0, HISTORY + HORIZON, 1)
    return cut[:, :HISTORY], cut[:, HISTORY:]
