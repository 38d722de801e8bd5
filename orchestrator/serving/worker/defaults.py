"""The container's own handler functions, which take the place of those that an entry point lacks.

The rules, and the texts of errors, are those of `default_pytorch_inference_handler.py` of
sagemaker-pytorch-inference 2.0.25, but for Elastic Inference, which AWS has ended.
"""

import os
from collections.abc import Callable
from typing import Any

from orchestrator.serving.worker import formats

_MODEL_FILE = "model.pt"
_SUFFIXES = (".pt", ".pth")


class ModelLoadError(Exception):
    """The model's file is no TorchScript."""

    # The last line of its traceback says so, as in the container.
    __module__ = "sagemaker_pytorch_serving_container.default_pytorch_inference_handler"


class Defaults:
    """The four functions.

    Attributes:
        allow_pickle: Whether npy bodies may hold pickles, as in the container: callers can then run code.
        noticed: Slugs of traps that the functions have met since somebody last emptied it.
    """

    def __init__(self, *, allow_pickle: bool = False) -> None:
        self.allow_pickle = allow_pickle
        self.noticed: list[str] = []

    @property
    def functions(self) -> dict[str, Callable[..., Any]]:
        """The functions by the names of what they replace."""
        return {
            "model_fn": self.default_model_fn,
            "input_fn": self.default_input_fn,
            "predict_fn": self.default_predict_fn,
            "output_fn": self.default_output_fn,
        }

    def default_model_fn(self, model_dir: str) -> Any:  # noqa: ANN401 - a module of torch
        """Load TorchScript from ``model.pt``, or from the only ``.pt`` or ``.pth`` file.

        Which files there are is asked relative to the working folder, which is the model folder.

        Raises:
            ValueError: If there is none, or more than one.
            ModelLoadError: If it is no TorchScript.
        """
        import torch  # noqa: PLC0415 - an archive that has functions of its own may do without

        device = _device()
        path = os.path.join(model_dir, _MODEL_FILE)  # noqa: PTH118 - the toolkit's way, for the text of errors
        if not os.path.exists(path):  # noqa: PTH110 - likewise
            files = [name for name in os.listdir(model_dir) if _is_model_file(name)]  # noqa: PTH208 - likewise
            if len(files) != 1:
                raise ValueError(f"Exactly one .pth or .pt file is required for PyTorch models: {files}")
            path = os.path.join(model_dir, files[0])  # noqa: PTH118 - likewise
        try:
            model = torch.jit.load(path, map_location=device)  # type: ignore[no-untyped-call]  # torch has no types here
        except RuntimeError as error:
            text = f"Failed to load {path}. Please ensure model is saved using torchscript."
            raise ModelLoadError(text) from error
        return model.to(device)

    def default_input_fn(self, input_data: Any, content_type: object) -> Any:  # noqa: ANN401 - a tensor
        """Return the tensor in a request's body: of float32 for JSON and CSV, of its own dtype for npy."""
        import torch  # noqa: PLC0415 - see above

        try:
            array = formats.decode(input_data, content_type, allow_pickle=self.allow_pickle)
        except formats.PickleRefusedError:
            self.noticed.append("unsafe-npy")
            raise
        tensor = torch.FloatTensor(array) if content_type in formats.UTF8_TYPES else torch.from_numpy(array)
        return tensor.to(_device())

    def default_predict_fn(self, data: Any, model: Any) -> Any:  # noqa: ANN401 - tensors and modules
        """Call the model, in evaluation mode and without gradients."""
        import torch  # noqa: PLC0415 - see above

        with torch.no_grad():
            device = _device()
            placed = model.to(device)
            values = data.to(device)
            placed.eval()
            return placed(values)

    def default_output_fn(self, prediction: Any, accept: str) -> Any:  # noqa: ANN401 - text or bytes
        """Return ``prediction`` in the first format of ``accept`` that is known.

        Raises:
            UnsupportedFormatError: If there is none; a type with a q-value is not known.
        """
        import torch  # noqa: PLC0415 - see above

        if type(prediction) is torch.Tensor:
            prediction = prediction.detach().cpu().numpy().tolist()
        for content_type in formats.parse_accept(accept):
            if content_type in formats.SUPPORTED_CONTENT_TYPES:
                written = formats.encode(prediction, content_type)
                if content_type == formats.NPY and b"'|O'" in written[:128]:
                    self.noticed.append("pickled-answer")
                return written.encode() if content_type == formats.CSV else written
        if "q=" in accept:
            self.noticed.append("accept-quality")
        raise formats.UnsupportedFormatError(accept)


def _device() -> Any:  # noqa: ANN401 - torch.device, which may not be installed
    import torch  # noqa: PLC0415 - see above

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _is_model_file(name: str) -> bool:
    return os.path.isfile(name) and os.path.splitext(name)[1] in _SUFFIXES  # noqa: PTH113, PTH122 - see above
