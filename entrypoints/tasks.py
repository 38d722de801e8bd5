"""What a model's raw output means, for each task that a spec can name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from .errors import InferenceError

TOP = 10
"""How many of the likeliest classes an answer lists."""

_UNANSWERABLE = 422
_BATCH_AND_CLASSES = 2
_MIN_CLASSES = 2


class Task(Protocol):
    """How an output is answered where the user has no ``postprocess``."""

    @property
    def takes_pictures(self) -> bool:
        """Whether a body may be a PNG or a JPEG."""
        ...

    def answer(self, output: object, *, single: bool) -> object:
        """Return what JSON says about ``output``."""
        ...

    def numbers(self, output: object) -> npt.NDArray[np.float32]:
        """Return what CSV and npy say about ``output``, one example per entry of the first dimension."""
        ...

    def wrap(self, answers: object, *, single: bool) -> object:
        """Return what JSON says about what ``postprocess`` has returned."""
        ...


@dataclass(frozen=True)
class Custom:
    """Tensors in, tensors out: the answer is the model's output as nested lists."""

    takes_pictures: bool = False

    def answer(self, output: object, *, single: bool) -> object:
        """Return the output itself, or its first example if the caller sent one."""
        return _first(output) if single else output

    def numbers(self, output: object) -> npt.NDArray[np.float32]:
        """Return the one tensor that the output is."""
        return as_numbers(output)

    def wrap(self, answers: object, *, single: bool) -> object:
        """Return the answers as they are, or the only one if the caller sent one example."""
        return _only(answers) if single else answers


@dataclass(frozen=True)
class ImageClassification:
    """Logits in, labels out.

    One example is answered by ``{"label": "7", "score": 0.98, "probabilities": {"7": 0.98, "1": 0.01, ...}}``
    with at most `TOP` classes, the likeliest first; a batch by ``{"predictions": [...]}``.

    Attributes:
        labels: Of the classes, in the order of the logits; without any, a class is called by its number.
    """

    labels: Sequence[str] = ()
    takes_pictures: bool = True

    def answer(self, output: object, *, single: bool) -> object:
        """Return labels and probabilities."""
        probabilities = self._probabilities(output)
        scores, classes = probabilities.topk(min(TOP, probabilities.shape[1]))
        rows = zip(scores.tolist(), classes.tolist(), strict=True)
        answers = [self._described(row_scores, row_classes) for row_scores, row_classes in rows]
        return self.wrap(answers, single=single)

    def numbers(self, output: object) -> npt.NDArray[np.float32]:
        """Return the probabilities of all classes, of shape (examples, classes)."""
        found: npt.NDArray[np.float32] = self._probabilities(output).numpy()
        return found

    def wrap(self, answers: object, *, single: bool) -> object:
        """Return ``{"predictions": [...]}`` for a batch."""
        if single:
            return _only(answers)
        listed = isinstance(answers, (list, tuple, torch.Tensor, np.ndarray))
        return {"predictions": answers} if listed else answers

    def _described(self, scores: list[float], classes: list[int]) -> dict[str, object]:
        names = [self.labels[number] if self.labels else str(number) for number in classes]
        return {"label": names[0], "score": scores[0], "probabilities": dict(zip(names, scores, strict=True))}

    def _probabilities(self, output: object) -> torch.Tensor:
        if not isinstance(output, torch.Tensor) or output.ndim != _BATCH_AND_CLASSES:
            raise TypeError("image-classification needs logits of shape (examples, classes) from the model")
        if output.shape[1] < max(_MIN_CLASSES, len(self.labels)) or len(self.labels) not in {
            0,
            output.shape[1],
        }:
            raise ValueError(f"the model has {output.shape[1]} classes, the spec {len(self.labels)} labels")
        if not torch.isfinite(output).all():
            raise InferenceError(_UNANSWERABLE, "the model's answer has NaN or infinite numbers")
        return output.float().softmax(dim=1)


def on_cpu(output: Any) -> Any:  # noqa: ANN401 - whatever the user's model returns
    """Return ``output`` with every tensor of it on the CPU and out of the graph."""
    if isinstance(output, torch.Tensor):
        return output.detach().cpu()
    if isinstance(output, Mapping):
        return {key: on_cpu(value) for key, value in output.items()}
    if isinstance(output, (list, tuple)):
        return [on_cpu(value) for value in output]
    return output


def as_numbers(output: object) -> npt.NDArray[np.float32]:
    """Return a tensor, an array or a nested list of numbers as float32.

    Raises:
        InferenceError: 406 if it is none of these.
    """
    if isinstance(output, torch.Tensor):
        found: npt.NDArray[np.float32] = output.detach().cpu().float().numpy()
        return found
    try:
        return np.asarray(output, dtype=np.float32)
    except (ValueError, TypeError):
        raise InferenceError(
            406, "this model's answer is no single tensor; ask for application/json"
        ) from None


def _first(output: Any) -> Any:  # noqa: ANN401 - see on_cpu
    if isinstance(output, torch.Tensor):
        return output[0] if output.ndim else output
    if isinstance(output, Mapping):
        return {key: _first(value) for key, value in output.items()}
    if isinstance(output, (list, tuple)):
        return [_first(value) for value in output]
    return output


def _only(answers: Any) -> Any:  # noqa: ANN401 - whatever the user's postprocess returns
    listed = isinstance(answers, (list, tuple)) or (
        isinstance(answers, (torch.Tensor, np.ndarray)) and answers.ndim > 0
    )
    return answers[0] if listed and len(answers) == 1 else answers
