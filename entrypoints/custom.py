"""The task without a meaning of its own: tensors in, tensors out. The other tasks change parts of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch

from . import answers, media, npy, strictjson, table
from .answers import Prediction
from .errors import InferenceError
from .schema import Examples, Schema

_UNSUPPORTED = 415


@dataclass(frozen=True)
class Custom:
    """Tensors by the schema in; the answer is the model's output as nested lists."""

    also_takes: ClassVar[tuple[str, ...]] = ()
    """Media types of bodies besides JSON, CSV and npy."""

    @property
    def taken(self) -> tuple[str, ...]:
        """All media types of bodies."""
        return (*media.OFFERED, *self.also_takes)

    def prepared(self, model_dir: str, module: torch.nn.Module, schema: Schema) -> "Custom":  # noqa: ARG002 - for tasks that need it
        """Return the task, ready for requests to ``module``, whose archive lies in ``model_dir``.

        Raises:
            ModelError: If what the task needs is not there.
        """
        return self

    def read(self, body: bytes | bytearray, kind: str) -> object:
        """Return what ``body`` says, as ``preprocess`` gets it.

        Raises:
            InferenceError: 415 if the task does not take ``kind``, 400 if the body is none.
        """
        if kind == media.JSON:
            return strictjson.parse(bytes(body))
        if kind == media.CSV:
            return table.parse(bytes(body))
        if kind == media.NPY:
            return npy.parse(body)
        raise InferenceError(
            _UNSUPPORTED, f"content type '{kind}' is not taken; send {', '.join(self.taken)}"
        )

    def examples(self, value: object, schema: Schema) -> Examples:
        """Return the examples in ``value``, which is what `read` or ``preprocess`` has returned.

        Raises:
            InferenceError: 400, naming the input, if it does not fit.
        """
        return schema.examples(value)

    def inputs(self, examples: Examples) -> Mapping[str, torch.Tensor]:
        """Return what the model is called with."""
        return examples.tensors

    def outputs(self, module: torch.nn.Module, inputs: Mapping[str, torch.Tensor]) -> object:
        """Call the model: one input by position, several by name."""
        return module(*inputs.values()) if len(inputs) == 1 else module(**inputs)

    def answer(self, prediction: Prediction) -> object:
        """Return what JSON says about the model's output."""
        return answers.first(prediction.output) if prediction.single else prediction.output

    def numbers(self, prediction: Prediction) -> npt.NDArray[np.float32]:
        """Return what CSV and npy say about it: one example for each entry of the first dimension."""
        return answers.as_numbers(prediction.output)

    def wrap(self, answered: object, *, single: bool) -> object:
        """Return what JSON says about what ``postprocess`` has returned."""
        return answers.only(answered) if single else answered
