"""The network: it brings each feature to a common scale, and has one hidden layer."""

import torch
from torch import nn


class IrisNet(nn.Module):
    """Tell kinds of iris apart by their measures.

    Takes float32 rows of shape (batch, features); gives logits of shape (batch, classes). Mean and
    deviation of the features are part of the weights, so that nobody has to scale a request.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, features: int = 4, classes: int = 3, hidden: int = 16) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("deviation", torch.ones(features))
        self.layers = nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, classes))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        return self.layers((rows - self.mean) / self.deviation)
