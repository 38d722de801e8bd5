"""What a model has answered, and how that is said: plain numbers, or classes by their labels."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from .errors import InferenceError
from .schema import Examples

TOP = 10
"""How many of the likeliest classes an answer lists if nobody says."""

_NOT_ACCEPTABLE, _UNANSWERABLE = 406, 422
_BATCH_AND_CLASSES = 2
_MIN_CLASSES = 2


@dataclass(frozen=True)
class Prediction:
    """What the model has answered.

    Attributes:
        output: On the CPU, with its batch dimension.
        inputs: What the model was called with.
        single: Whether the caller sent one example without a batch dimension.
        fingerprint: Of the model's archive, if that has a manifest.
    """

    output: object
    inputs: Mapping[str, torch.Tensor]
    single: bool
    fingerprint: str | None

    def split_answers(self, several: Sequence[Examples]) -> list["Prediction"]:
        """Return the answer to each of the requests that `Examples.stack_requests` has joined.

        Raises:
            ValueError: If something in the output has not one entry for each example.
        """
        counts = [examples.count for examples in several]
        outputs, inputs = split(self.output, counts), split(self.inputs, counts)
        return [
            Prediction(output, given, examples.single, self.fingerprint)
            for output, given, examples in zip(outputs, inputs, several, strict=True)
        ]


@dataclass(frozen=True)
class Classes:
    """The classes that logits stand for.

    Attributes:
        labels: In the order of the logits; without any, a class is called by its number.
        top_k: How many classes an answer lists at most.
        probabilities: Whether an answer lists classes besides the likeliest.
    """

    labels: Sequence[str] = ()
    top_k: int = TOP
    probabilities: bool = True

    def described(self, output: object) -> list[dict[str, object]]:
        """Return ``{"label": ..., "score": ..., "probabilities": {...}}`` for each example, likeliest first.

        Raises:
            TypeError: If ``output`` holds no logits of shape (examples, classes).
            ValueError: If there are more or fewer classes than labels.
            InferenceError: 422 if a logit is NaN or infinite.
        """
        likely = self.probabilities_of(output)
        scores, classes = likely.topk(min(self.top_k, likely.shape[1]))
        return [
            self._described(row, numbers)
            for row, numbers in zip(scores.tolist(), classes.tolist(), strict=True)
        ]

    def _described(self, scores: list[float], classes: list[int]) -> dict[str, object]:
        names = [self.labels[number] if self.labels else str(number) for number in classes]
        answer: dict[str, object] = {"label": names[0], "score": scores[0]}
        if self.probabilities:
            answer["probabilities"] = dict(zip(names, scores, strict=True))
        return answer

    def probabilities_of(self, output: object) -> torch.Tensor:
        """Return the probabilities of all classes, float32 of shape (examples, classes); see `described`."""
        # What Hugging Face's classifiers return has its logits by name, among other things.
        logits = output.get("logits") if isinstance(output, Mapping) else output
        if not isinstance(logits, torch.Tensor) or logits.ndim != _BATCH_AND_CLASSES:
            raise TypeError("a classification needs logits of shape (examples, classes) from the model")
        if logits.shape[1] < _MIN_CLASSES or len(self.labels) not in {0, logits.shape[1]}:
            raise ValueError(f"the model has {logits.shape[1]} classes, the spec {len(self.labels)} labels")
        if not torch.isfinite(logits).all():
            raise InferenceError(_UNANSWERABLE, "the model's answer has NaN or infinite numbers")
        return logits.float().softmax(dim=1)


def predictions(answers: object, *, single: bool) -> object:
    """Return ``{"predictions": [...]}`` of a batch's answers, or the only one if the caller sent one example.

    What is no list of answers stays as it is: it is a ``postprocess`` function's own way to answer.
    """
    if single:
        return only(answers)
    return {"predictions": answers} if is_listed(answers) else answers


def is_listed(answers: object) -> bool:
    """Tell whether ``answers`` has one entry for each example."""
    return isinstance(answers, (list, tuple)) or (
        isinstance(answers, (torch.Tensor, np.ndarray)) and answers.ndim > 0
    )


def only(answers: Any) -> Any:  # noqa: ANN401 - whatever the user's postprocess returns
    """Return the only answer, or ``answers`` as they are if there are several."""
    return answers[0] if is_listed(answers) and len(answers) == 1 else answers


def first(output: Any) -> Any:  # noqa: ANN401 - see on_cpu
    """Return the first example of every tensor in ``output``."""
    if isinstance(output, torch.Tensor):
        return output[0] if output.ndim else output
    if isinstance(output, Mapping):
        return {key: first(value) for key, value in output.items()}
    if isinstance(output, (list, tuple)):
        return [first(value) for value in output]
    return output


def on_cpu(output: Any) -> Any:  # noqa: ANN401 - whatever the user's model returns
    """Return ``output`` with every tensor of it on the CPU and out of the graph.

    Named tuples, and mappings whose values are attributes, too, as models of transformers answer with, stay
    what they are; other lists and mappings become plain ones.
    """
    if isinstance(output, torch.Tensor):
        return output.detach().cpu()
    if isinstance(output, Mapping):
        return _again(output, {key: on_cpu(value) for key, value in output.items()})
    if isinstance(output, tuple) and hasattr(output, "_fields"):
        return type(output)(*map(on_cpu, output))
    if isinstance(output, (list, tuple)):
        return [on_cpu(value) for value in output]
    return output


def split(output: Any, counts: Sequence[int]) -> list[Any]:  # noqa: ANN401 - see on_cpu
    """Return as many outputs as there are ``counts``, each with so many entries of every tensor.

    Every tensor is a copy: `torch.save` of a mere view writes its neighbours, too.

    Args:
        output: What `on_cpu` has returned.
        counts: How many examples each request has.

    Raises:
        ValueError: If a tensor does not have an entry for each example, or something else is no tensor.
    """
    if isinstance(output, torch.Tensor) and output.shape[:1] == (sum(counts),):
        return [part.clone() for part in torch.split(output, list(counts))]
    if output is None:
        return [None] * len(counts)
    if isinstance(output, Mapping):
        parts = split(list(output.values()), counts)
        return [_again(output, dict(zip(output, part, strict=True))) for part in parts]
    if isinstance(output, (list, tuple)) and output:
        columns = [split(value, counts) for value in output]
        make: Callable[[Any], Any] = getattr(type(output), "_make", list)
        return [make(part) for part in zip(*columns, strict=True)]
    raise ValueError("the model's output has something that is not one entry for each example")


def _again(output: Mapping[str, Any], part: dict[str, Any]) -> Any:  # noqa: ANN401 - see on_cpu
    return type(output)(**part) if hasattr(type(output), "__dataclass_fields__") else part


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
            _NOT_ACCEPTABLE, "this model's answer is no single tensor; ask for application/json"
        ) from None
