"""Stands in for `sagemaker_inference.errors`."""

from orchestrator.serving.worker.formats import UnsupportedFormatError

__all__ = ["BaseInferenceToolkitError", "GenericInferenceToolkitError", "UnsupportedFormatError"]


class BaseInferenceToolkitError(Exception):
    """An error that the toolkit answers with a status of its own.

    Attributes:
        status_code: Of the answer.
        message: What the body begins with.
        phrase: The reason phrase.
    """

    def __init__(self, status_code: int, message: str, phrase: str) -> None:
        self.status_code = status_code
        self.message = message
        self.phrase = phrase
        super().__init__(status_code, message, phrase)


class GenericInferenceToolkitError(BaseInferenceToolkitError):
    """The same with "Invalid Request" for what is not said."""

    def __init__(self, status_code: int, message: str | None = None, phrase: str | None = None) -> None:
        message = message or "Invalid Request"
        super().__init__(status_code, message, phrase or message)
