"""Stands in for `sagemaker_inference.default_inference_handler`."""

from typing import Any

from orchestrator.serving.worker import formats

_TEXT = "\nPlease provide a {0} implementation.\nSee documentation for {0} at https://sagemaker.readthedocs.io/en/stable/\n"


class DefaultInferenceHandler:
    """What a framework's own functions build on."""

    def default_model_fn(self, model_dir: str, context: Any = None) -> Any:  # noqa: ANN401 - the toolkit's signature
        """Refuse.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError(_TEXT.format("model_fn"))

    def default_input_fn(self, input_data: Any, content_type: str, context: Any = None) -> Any:  # noqa: ANN401, ARG002 - likewise
        """Return the array in a request's body."""
        return formats.decode(input_data, content_type)

    def default_predict_fn(self, data: Any, model: Any, context: Any = None) -> Any:  # noqa: ANN401 - likewise
        """Refuse.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError(_TEXT.format("predict_fn"))

    def default_output_fn(self, prediction: Any, accept: str, context: Any = None) -> Any:  # noqa: ANN401, ARG002 - likewise
        """Return the prediction in the first format of ``accept`` that is known, and that format.

        Raises:
            UnsupportedFormatError: If there is none.
        """
        for content_type in formats.parse_accept(accept):
            if content_type in formats.SUPPORTED_CONTENT_TYPES:
                return formats.encode(prediction, content_type), content_type
        raise formats.UnsupportedFormatError(accept)
