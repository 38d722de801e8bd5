"""The four handler functions, as methods of one value that the generated ``predict.py`` builds.

A request goes ``read -> preprocess -> examples -> model -> postprocess or task -> encode``:

* ``preprocess(value)`` gets the decoded body before it becomes tensors: what the JSON said, a 2-D array of
  the CSV's rows, the npy file's array, a text, an array of samples, or a `PIL.Image.Image`. It returns what
  the task takes: what `Schema.examples` does, and texts, pictures or samples where the task is about them.
* ``postprocess(output)`` gets the model's raw output on the CPU, with its batch dimension, and returns a list
  with an answer for each example, or anything else that JSON can say. Tensors and arrays become lists.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from . import fingerprint, media, npy, strictjson, table
from .answers import Prediction, as_numbers, on_cpu
from .custom import Custom
from .errors import InferenceError, guarded
from .loaders import Loader
from .schema import Examples, Schema, folded

_BAD_REQUEST, _UNANSWERABLE = 400, 422
_MAX_RESPONSE_BYTES = 6_553_500  # TorchServe's own limit; a larger answer kills its worker


@dataclass(frozen=True)
class Served:
    """A model that has been loaded.

    Attributes:
        task: What the entry point's task has become, knowing the model.
        fingerprint: Of its archive, or ``None`` if that has no manifest.
    """

    module: torch.nn.Module
    device: torch.device
    task: Custom
    fingerprint: str | None


@dataclass(frozen=True)
class EntryPoint:
    """How requests become calls of one model.

    Attributes:
        loader: What makes the model, out of its folder.
        task: What requests and answers mean.
        schema: What the model takes.
    """

    loader: Loader
    task: Custom = field(default_factory=Custom)
    schema: Schema = field(default_factory=Schema)
    preprocess: Callable[[Any], Any] | None = None
    postprocess: Callable[[Any], Any] | None = None

    def load(self, model_dir: str) -> Served:
        """Make the model that lies in ``model_dir``, on the GPU if there is one.

        Raises:
            ModelError: If it cannot be made, or something that the task needs is not there.
        """
        module = self.loader.load(model_dir)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        task = self.task.prepared(model_dir, module, self.schema)
        return Served(module.to(device).eval(), device, task, fingerprint.of_model(model_dir))

    def decode(self, body: str | bytes | bytearray | None, content_type: str | None) -> Examples:
        """Return the examples in a request's body.

        Args:
            body: As the toolkit hands it over: text for JSON and CSV, bytes otherwise, ``None`` for forms.
            content_type: Taken for JSON if missing, because boto3 sends none unless it is told to.

        Raises:
            InferenceError: 415 for a type that is not taken, 400 for a body that cannot be used.
        """
        kind = media.essence(content_type or media.JSON)
        with guarded("reading the request"):
            # Of a form nothing is handed over, and a type that is not taken is what is wrong with that.
            if not body and kind in self.task.taken:
                raise InferenceError(_BAD_REQUEST, "the body is empty")
            raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body or b""
            value = self.task.read(raw, kind)
        if self.preprocess is not None:
            with guarded("preprocess"):
                value = self.preprocess(value)
        elif kind == media.CSV:
            value = folded(value, self.schema)
        with guarded("reading the request"):
            return self.task.examples(value, self.schema)

    def predict(self, examples: Examples, served: Served) -> Prediction:
        """Call the model.

        Raises:
            InferenceError: 500 if the model raises, 400 if it cannot be asked that.
        """
        with guarded("the model"), torch.inference_mode():
            inputs = served.task.inputs(examples)
            moved = {name: tensor.to(served.device) for name, tensor in inputs.items()}
            output = served.task.outputs(served.module, moved)
            return Prediction(on_cpu(output), inputs, examples.single, served.fingerprint)

    def encode(
        self,
        prediction: Prediction,
        accept: str | None,
        context: Any = None,  # noqa: ANN401 - TorchServe's Context
    ) -> tuple[bytes, str]:
        """Return the answer and its one content type.

        Raises:
            InferenceError: 406 if ``accept`` takes none of `media.OFFERED`, 422 if the answer is larger than
                ``TS_MAX_RESPONSE_SIZE`` or has numbers that JSON has no word for, 500 if ``postprocess``
                raises.
        """
        kind = media.choose(accept, media.OFFERED)
        with guarded("postprocess" if self.postprocess else "writing the answer"):
            body = self._json(prediction) if kind == media.JSON else self._numbers(prediction, kind)
        with guarded("writing the answer"):
            return _sendable(body, prediction.fingerprint, context), kind

    def _json(self, prediction: Prediction) -> bytes:
        if self.postprocess is None:
            return strictjson.write(self.task.answer(prediction))
        answers = self.postprocess(prediction.output)
        return strictjson.write(self.task.wrap(answers, single=prediction.single))

    def _numbers(self, prediction: Prediction, kind: str) -> bytes:
        if self.postprocess is None:
            numbers = self.task.numbers(prediction)
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
