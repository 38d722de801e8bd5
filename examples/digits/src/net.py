"""The network: two convolutions, two dense layers."""

import torch
from torch import nn


class DigitsNet(nn.Module):
    """Tell handwritten digits apart.

    Takes float32 images of shape (batch, 1, 28, 28), values from 0 to 1; gives logits of shape (batch, 10).
    """

    def __init__(self, hidden: int = 128) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Linear(64 * 7 * 7, hidden), nn.ReLU(), nn.Linear(hidden, 10)
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        return self.classifier(self.features(image))
