"""Silero's detector looks at one window after the other and remembers: here, each request starts afresh."""

from typing import Any

import torch
from torch import nn

SAMPLE_RATE, WINDOW = 16_000, 512


class SpeechProbability(nn.Module):
    """From waveforms of shape (examples, samples) to the probability of speech per window of 32 ms.

    Args:
        detector: The TorchScript module.
    """

    def __init__(self, detector: Any) -> None:  # noqa: ANN401 - TorchScript has no types of its own
        super().__init__()
        self.detector = detector

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        """Return probabilities of shape (examples, windows); the last window is filled with silence."""
        self.detector.reset_states()
        filled = nn.functional.pad(audio, (0, -audio.shape[1] % WINDOW))
        windows = [self.detector(window, SAMPLE_RATE) for window in filled.split(WINDOW, dim=1)]
        return torch.cat(windows, dim=1)
