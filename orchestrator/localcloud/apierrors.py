"""Errors that go over the wire: what AWS, or the local cloud in its place, answers to a client.

They are not `OrchestratorError`s: no user of the CLI sees them, the AWS client turns them into its own.
"""


class ApiError(Exception):
    """A refusal in AWS's form.

    Attributes:
        code: What clients tell errors apart by, such as ``ValidationException``.
        status: The HTTP status. None of 500, 502, 503 and 504, which AWS clients retry.
    """

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def invalid(message: str) -> ApiError:
    """Return what SageMaker's control plane answers to nearly everything it refuses."""
    return ApiError("ValidationException", message)


def unsupported(what: str) -> ApiError:
    """Return the answer to a request that is valid on AWS and that the local cloud cannot carry out.

    Args:
        what: The subject, such as ``ServerlessConfig``.
    """
    return ApiError(
        "UnsupportedOperation", f"the local cloud does not support {what} yet; nothing has changed"
    )
