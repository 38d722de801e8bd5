"""Answers that name classes: what several tasks make of logits."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from . import answers
from .answers import Classes, Prediction
from .custom import Custom


@dataclass(frozen=True)
class Classification(Custom):
    """Logits out of the model, labels in the answer.

    One example is answered by ``{"label": "7", "score": 0.9, "probabilities": {"7": 0.9, "1": 0.05, ...}}``,
    the likeliest class first; a batch by ``{"predictions": [...]}``.

    Attributes:
        labels, top_k, probabilities: See `Classes`. Where none is set, a task that need not classify answers
            with the model's numbers.
    """

    labels: Sequence[str] | None = None
    top_k: int | None = None
    probabilities: bool | None = None

    @property
    def classifies(self) -> bool:
        """Whether the model's numbers are logits."""
        return any(option is not None for option in (self.labels, self.top_k, self.probabilities))

    @property
    def classes(self) -> Classes:
        """What the logits stand for."""
        return Classes(self.labels or (), self.top_k or answers.TOP, self.probabilities is not False)

    def answer(self, prediction: Prediction) -> object:
        """Return labels and probabilities, or the model's numbers."""
        output = prediction.output
        return self.wrap(
            self.classes.described(output) if self.classifies else output, single=prediction.single
        )

    def numbers(self, prediction: Prediction) -> npt.NDArray[np.float32]:
        """Return the probabilities of all classes, of shape (examples, classes), or the model's numbers."""
        output = prediction.output
        return answers.as_numbers(self.classes.probabilities_of(output) if self.classifies else output)

    def wrap(self, answered: object, *, single: bool) -> object:
        """Return ``{"predictions": [...]}`` for a batch."""
        return answers.predictions(answered, single=single)
