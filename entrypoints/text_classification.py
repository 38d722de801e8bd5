"""Texts in, labels out."""

from dataclasses import dataclass

from .classification import Classification
from .texts import Texts


@dataclass(frozen=True)
class TextClassification(Texts, Classification):
    """Tokens in, logits out of the model: answered like pictures, see `Classification`."""

    @property
    def classifies(self) -> bool:
        """Always: that is what the task is for."""
        return True
