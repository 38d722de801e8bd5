"""Stands in for `sagemaker_pytorch_serving_container.default_pytorch_inference_handler`."""

from orchestrator.serving.worker.defaults import Defaults, ModelLoadError

INFERENCE_ACCELERATOR_PRESENT_ENV = "SAGEMAKER_INFERENCE_ACCELERATOR_PRESENT"
DEFAULT_MODEL_FILENAME = "model.pt"

__all__ = ["DefaultPytorchInferenceHandler", "ModelLoadError"]


class DefaultPytorchInferenceHandler(Defaults):
    """The container's own handler functions, for entry points that call them."""

    VALID_CONTENT_TYPES = ("application/json", "application/x-npy")
