"""Stands in for `ts.torch_handler.base_handler`: the frame of a handler, for classes that build on it."""

from abc import ABC
from typing import Any


class BaseHandler(ABC):  # noqa: B024 - as TorchServe has it
    """A handler of TorchServe's own kind. SageMaker's toolkit makes none; user code may, and calls it."""

    def __init__(self) -> None:
        self.model: Any = None
        self.mapping: Any = None
        self.device: Any = None
        self.initialized = False
        self.context: Any = None
        self.manifest: Any = None
        self.map_location: Any = None
        self.explain = False
        self.target = 0

    def initialize(self, context: Any) -> None:  # noqa: ANN401 - TorchServe's signature
        """Choose the device; the model is the subclass's to load."""
        import torch  # noqa: PLC0415 - only where somebody uses it

        self.context = context
        self.manifest = context.manifest
        self.map_location = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = torch.device(self.map_location)
        self.initialized = True

    def preprocess(self, data: Any) -> Any:  # noqa: ANN401 - likewise
        """Return the inputs as a tensor on the device."""
        import torch  # noqa: PLC0415 - likewise

        return torch.as_tensor(data, device=self.device)

    def inference(self, data: Any, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - likewise
        """Call the model, without gradients."""
        import torch  # noqa: PLC0415 - likewise

        with torch.inference_mode():
            return self.model(data.to(self.device), *arguments, **named)

    def postprocess(self, data: Any) -> Any:  # noqa: ANN401 - likewise
        """Return the answers as a list."""
        return data.tolist()

    def handle(self, data: Any, context: Any) -> Any:  # noqa: ANN401 - likewise
        """Return the answers to ``data``."""
        self.context = context
        return self.postprocess(self.inference(self.preprocess(data)))
