"""The network: two convolutions along time, and the mean of what they find."""

import torch
from torch import nn


class TonesNet(nn.Module):
    """Tell tones apart by their waveform.

    Takes float32 samples of shape (batch, samples), 8,000 a second, values from -1 to 1; gives logits of
    shape (batch, classes).
    """

    def __init__(self, classes: int = 3, channels: int = 16) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv1d(1, channels, kernel_size=16, stride=4, padding=8),
            nn.ReLU(),
            nn.Conv1d(channels, channels, kernel_size=8, stride=2, padding=4),
            nn.ReLU(),
        )
        self.classifier = nn.Linear(channels, classes)

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        loudness = audio.abs().amax(1, keepdim=True).clamp(min=1e-4)
        return self.classifier(self.features((audio / loudness)[:, None]).mean(2))
