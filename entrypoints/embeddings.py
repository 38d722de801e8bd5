"""Texts or tensors in, vectors out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from . import answers
from .answers import Prediction
from .errors import ModelError
from .texts import MASK, Texts

MEAN, FIRST, NONE = "mean", "cls", "none"

_BATCH_AND_VECTOR, _BATCH_TOKENS_AND_VECTOR = 2, 3


@dataclass(frozen=True)
class Embeddings(Texts):
    """One vector for each example: ``{"embedding": [...]}``, or ``{"embeddings": [[...]]}`` for a batch.

    The model's output is a tensor of (examples, tokens, dimensions), alone, as ``last_hidden_state`` or as
    the first of several; or of (examples, dimensions), which is pooled already.

    Attributes:
        pooling: How the vectors of an example's tokens become one: ``mean`` takes the mean of those that the
            attention mask does not hide, ``cls`` the first; ``none`` keeps them all.
        normalize: Whether vectors are brought to length 1.
    """

    pooling: str = MEAN
    normalize: bool = False

    def __post_init__(self) -> None:
        if self.pooling not in {MEAN, FIRST, NONE}:
            raise ModelError(f"entrypoint.pooling cannot be {self.pooling!r}: it is mean, cls or none")

    def answer(self, prediction: Prediction) -> object:
        """Return the vectors; without pooling, a list of them for each example."""
        vectors: Any = self._vectors(prediction)
        if vectors.ndim == _BATCH_TOKENS_AND_VECTOR and MASK in prediction.inputs:
            # Nobody asked about what fills up the short texts of a batch.
            vectors = [one[mask.bool()] for one, mask in zip(vectors, prediction.inputs[MASK], strict=True)]
        return self.wrap(vectors, single=prediction.single)

    def numbers(self, prediction: Prediction) -> npt.NDArray[np.float32]:
        """Return the vectors, of shape (examples, dimensions) unless they are not pooled."""
        return answers.as_numbers(self._vectors(prediction))

    def wrap(self, answered: object, *, single: bool) -> object:
        """Return the vectors by name."""
        if single:
            return {"embedding": answers.only(answered)}
        return {"embeddings": answered} if answers.is_listed(answered) else answered

    def _vectors(self, prediction: Prediction) -> torch.Tensor:
        found = _hidden(prediction.output).float()
        if found.ndim == _BATCH_TOKENS_AND_VECTOR and self.pooling != NONE:
            found = self._pooled(found, prediction.inputs.get(MASK))
        return torch.nn.functional.normalize(found, dim=-1) if self.normalize else found

    def _pooled(self, hidden: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        if self.pooling == FIRST:
            return hidden[:, 0]
        shown = torch.ones(hidden.shape[:2]) if mask is None else mask.to(hidden.dtype)
        return (hidden * shown[..., None]).sum(dim=1) / shown.sum(dim=1, keepdim=True).clamp(min=1)


def _hidden(output: object) -> torch.Tensor:
    if isinstance(output, Mapping):
        output = output.get("last_hidden_state", next(iter(output.values()), None))
    if isinstance(output, (list, tuple)) and output:
        output = output[0]
    if not isinstance(output, torch.Tensor) or output.ndim not in {
        _BATCH_AND_VECTOR,
        _BATCH_TOKENS_AND_VECTOR,
    }:
        raise TypeError(
            "embeddings need a tensor of (examples, dimensions) or (examples, tokens, dimensions)"
        )
    return output
