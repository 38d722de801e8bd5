"""A model that works on the laptop it was made on, and nowhere else.

Its constructor reads a variable that the developer's shell has and no container will ever have. The tour
deploys it to show what a failing deployment looks like.
"""

import os

from src.net import DigitsNet


class CalibratedNet(DigitsNet):
    """The same network, its logits divided by a temperature from the environment."""

    def __init__(self, hidden: int = 128) -> None:
        super().__init__(hidden)
        self.temperature = float(os.environ["DIGITS_CALIBRATION"])

    def forward(self, image):  # noqa: ANN001, ANN201 - as people write it
        """Return the calibrated logits."""
        return super().forward(image) / self.temperature
