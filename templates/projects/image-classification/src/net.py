"""The network: two convolutions and a dense layer."""

import torch
from torch import nn


class ShapesNet(nn.Module):
    """Tell drawn shapes apart.

    Takes float32 images of shape (batch, 1, 28, 28), values from 0 to 1; gives logits of shape (batch,
    classes).
    """

    def __init__(self, classes: int = 4) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, kernel_size=5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(8, 16, kernel_size=5, stride=2, padding=2),
            nn.ReLU(),
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(16 * 7 * 7, classes))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        return self.classifier(self.features(image))
