"""The pictures: circles, crosses, squares and triangles, drawn with chance and noise."""

import math

import torch

LABELS = ("circle", "cross", "square", "triangle")
SIZE = 28


def draw(label: str, generator: torch.Generator) -> torch.Tensor:
    """Return one picture of shape (1, 28, 28), values from 0 to 1 in hundredths."""
    chance = torch.rand(4, generator=generator)
    radius = 6 + 4 * chance[0].item()
    angle = (chance[1].item() - 0.5) * math.pi / 3
    middle = SIZE / 2 - 0.5
    line = torch.arange(SIZE, dtype=torch.float32)
    y, x = torch.meshgrid(line, line, indexing="ij")
    x, y = x - middle - 6 * (chance[2].item() - 0.5), y - middle - 6 * (chance[3].item() - 0.5)
    turned_x = x * math.cos(angle) + y * math.sin(angle)
    turned_y = y * math.cos(angle) - x * math.sin(angle)
    inside = _inside(label, turned_x, turned_y, radius).float()
    noise = 0.15 * torch.rand(SIZE, SIZE, generator=generator)
    return ((0.8 * inside + noise).clamp(0, 1) * 100).round()[None] / 100


def _inside(label: str, x: torch.Tensor, y: torch.Tensor, radius: float) -> torch.Tensor:
    """Return which pixels belong to the shape."""
    if label == "circle":
        return x**2 + y**2 <= radius**2
    if label == "square":
        return torch.maximum(x.abs(), y.abs()) <= 0.85 * radius
    if label == "cross":
        return (torch.minimum(x.abs(), y.abs()) <= radius / 4) & (torch.maximum(x.abs(), y.abs()) <= radius)
    sides = ((0.0, 1.0), (math.sqrt(3) / 2, -0.5), (-math.sqrt(3) / 2, -0.5))
    return torch.stack([a * x + b * y <= 0.6 * radius for a, b in sides]).all(0)


def pictures(per_label: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return pictures of shape (n, 1, 28, 28) and the numbers of their labels, of shape (n,)."""
    generator = torch.Generator().manual_seed(seed)
    drawn = [draw(label, generator) for _ in range(per_label) for label in LABELS]
    return torch.stack(drawn), torch.arange(len(LABELS)).repeat(per_label)
