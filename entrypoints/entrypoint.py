"""The four handler functions, as methods of one value that the generated ``predict.py`` builds.

A request goes ``decode -> preprocess -> schema -> model -> postprocess or task -> encode``:

* ``preprocess(value)`` gets the decoded body before it becomes tensors: what the JSON said, a 2-D array of
  the CSV's rows, the npy file's array, or a `PIL.Image.Image`. It returns what `Schema.examples` takes.
* ``postprocess(output)`` gets the model's raw output on the CPU, with its batch dimension, and returns a list
  with an answer for each example, or anything else that JSON can say. Tensors and arrays become lists.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from . import fingerprint, media, npy, pictures, strictjson, table, weights
from .errors import InferenceError, NotAModuleError, guarded
from .schema import Examples, Schema, folded
from .tasks import Custom, Task, as_numbers, on_cpu

OFFERED = (media.JSON, media.CSV, media.NPY)
"""What answers can be written as."""

_BAD_REQUEST, _UNSUPPORTED, _UNANSWERABLE = 400, 415, 422
_MAX_RESPONSE_BYTES = 6_553_500  # TorchServe's own limit; a larger answer kills its worker


@dataclass(frozen=True)
class Served:
    """A model that has been loaded.

    Attributes:
        fingerprint: Of its archive, or ``None`` if that has no manifest.
    """

    module: torch.nn.Module
    device: torch.device
    fingerprint: str | None


@dataclass(frozen=True)
class Prediction:
    """What the model has answered.

    Attributes:
        output: On the CPU, with its batch dimension.
        single: Whether the caller sent one example without a batch dimension.
    """

    output: object
    single: bool
    fingerprint: str | None


@dataclass(frozen=True)
class EntryPoint:
    """How requests become calls of one model.

    Attributes:
        model: The class of the model, or a function that makes one: called with ``init_args``.
    """

    model: Callable[..., object]
    init_args: Mapping[str, object] = field(default_factory=dict)
    task: Task = field(default_factory=Custom)
    schema: Schema = field(default_factory=Schema)
    preprocess: Callable[[Any], Any] | None = None
    postprocess: Callable[[Any], Any] | None = None

    def load(self, model_dir: str) -> Served:
        """Make the model, with the weights in ``model_dir``, on the GPU if there is one.

        Raises:
            ModelError: If the class makes no module, or the weights are not its own.
        """
        if not callable(self.model):
            raise NotAModuleError(f"{self.model!r} is no class that makes a torch.nn.Module")
        module = self.model(**self.init_args)
        if not isinstance(module, torch.nn.Module):
            raise NotAModuleError(
                f"{self.model!r} makes {type(module).__name__}, which is no torch.nn.Module"
            )
        weights.fit(weights.read(Path(model_dir) / weights.FILE_NAME), module)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return Served(module.to(device).eval(), device, fingerprint.of_model(model_dir))

    def decode(self, body: str | bytes | bytearray | None, content_type: str | None) -> Examples:
        """Return the examples in a request's body.

        Args:
            body: As the toolkit hands it over: text for JSON and CSV, bytes otherwise, ``None`` for forms.
            content_type: Taken for JSON if missing, because boto3 sends none unless it is told to.

        Raises:
            InferenceError: 415 for a type that is not taken, 400 for a body that cannot be used.
        """
        with guarded("reading the request"):
            if not body:
                raise InferenceError(_BAD_REQUEST, "the body is empty")
            text = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else bytes(body)
            value = self._value(text, media.essence(content_type or media.JSON))
        if self.preprocess is not None:
            with guarded("preprocess"):
                value = self.preprocess(value)
        with guarded("reading the request"):
            return self.schema.examples(value)

    def _value(self, body: bytes, kind: str) -> object:
        if kind == media.JSON:
            return strictjson.parse(body)
        if kind == media.CSV:
            rows = table.parse(body)
            return rows if self.preprocess else folded(rows, self.schema)
        if kind == media.NPY:
            return npy.parse(body)
        if self.task.takes_pictures and kind in {media.PNG, media.JPEG}:
            picture = pictures.parse(body)
            wanted = tuple(self.schema.inputs.values())
            return pictures.pixels(picture, *wanted[:1]) if wanted and not self.preprocess else picture
        raise InferenceError(_UNSUPPORTED, f"content type '{kind}' is not taken; send {', '.join(OFFERED)}")

    def predict(self, examples: Examples, served: Served) -> Prediction:
        """Call the model: one input by position, several by name.

        Raises:
            InferenceError: 500 if the model raises.
        """
        with guarded("the model"), torch.inference_mode():
            tensors = {name: tensor.to(served.device) for name, tensor in examples.tensors.items()}
            one = len(tensors) == 1
            output = served.module(*tensors.values()) if one else served.module(**tensors)
            return Prediction(on_cpu(output), examples.single, served.fingerprint)

    def encode(self, prediction: Prediction, accept: str | None, context: Any = None) -> tuple[bytes, str]:  # noqa: ANN401 - TorchServe's Context
        """Return the answer and its one content type.

        Raises:
            InferenceError: 406 if ``accept`` takes none of `OFFERED`, 422 if the answer has numbers that JSON
                has no word for or is larger than ``TS_MAX_RESPONSE_SIZE``, 500 if ``postprocess`` raises.
        """
        kind = media.choose(accept, OFFERED)
        with guarded("postprocess" if self.postprocess else "writing the answer"):
            body = self._json(prediction) if kind == media.JSON else self._numbers(prediction, kind)
        with guarded("writing the answer"):
            return _sendable(body, prediction.fingerprint, context), kind

    def _json(self, prediction: Prediction) -> bytes:
        if self.postprocess is None:
            return strictjson.write(self.task.answer(prediction.output, single=prediction.single))
        answers = self.postprocess(prediction.output)
        return strictjson.write(self.task.wrap(answers, single=prediction.single))

    def _numbers(self, prediction: Prediction, kind: str) -> bytes:
        if self.postprocess is None:
            numbers = self.task.numbers(prediction.output)
        else:
            numbers = as_numbers(self.postprocess(prediction.output))
        if kind == media.CSV:
            return table.write(numbers)
        return npy.write(numbers[0] if prediction.single and numbers.shape[:1] == (1,) else numbers)


def _sendable(body: bytes, mark: str | None, context: Any) -> bytes:  # noqa: ANN401 - TorchServe's Context
    limit = int(os.environ.get("TS_MAX_RESPONSE_SIZE", _MAX_RESPONSE_BYTES))
    if len(body) > limit:
        raise InferenceError(
            _UNANSWERABLE, f"the answer has {len(body)} bytes, TS_MAX_RESPONSE_SIZE allows {limit}"
        )
    if context is not None and mark is not None:
        fingerprint.mark(context, mark)
    return body
