"""What an entry point raises: answers other than 200, and models that cannot be loaded.

The toolkit turns an exception with ``status_code``, ``message`` and ``phrase`` into that HTTP answer, and
any other into a 500 whose body holds the traceback. A character outside ASCII in the text of an exception
hangs the worker (``ts/otf_message_handler.py`` counts characters and writes bytes), and a long one breaks
the status line, so the text is made safe here, once.
"""

import contextlib
import http
import importlib
import secrets
import sys
import traceback
from collections.abc import Iterator

_MAX_CHARACTERS = 200
_FIRST_ERROR, _LAST_ERROR = 400, 599


def _toolkit_error() -> type[Exception]:
    try:
        module = importlib.import_module("sagemaker_inference.errors")
    except ImportError:
        return Exception
    found: type[Exception] = module.BaseInferenceToolkitError
    return found


class InferenceError(_toolkit_error()):  # type: ignore[misc]  # the base is the toolkit's only where there is one
    """A request that gets an answer other than 200.

    User code may raise it, too: ``InferenceError(400, "the image is too dark")``.

    Args:
        status_code: An HTTP status from 400 to 599.
        message: What is wrong, for the caller; made ASCII, one line, at most 200 characters.
    """

    def __init__(self, status_code: int, message: str) -> None:
        self.status_code = status_code
        self.message = safe_text(message)
        self.phrase = http.HTTPStatus(status_code).phrase if status_code in _STATUSES else "Error"
        super().__init__(self.status_code, self.message, self.phrase)

    def __str__(self) -> str:
        return f"{self.status_code} {self.message}"


class ModelError(Exception):
    """The archive's model cannot be served; raised while loading, where the text may be long."""


class NotAModuleError(ModelError):
    """What the spec calls the model's class does not make a `torch.nn.Module`."""


class WeightsError(ModelError):
    """The weights are damaged, or are not those of the model's class."""


_STATUSES = frozenset(http.HTTPStatus)


def safe_text(text: str) -> str:
    r"""Return ``text`` as one line of at most 200 ASCII characters.

    >>> safe_text("naïve\nwords")
    'na?ve words'
    """
    line = " ".join(text.split()).encode("ascii", "replace").decode()
    printable = "".join(character if character.isprintable() else "?" for character in line[:_MAX_CHARACTERS])
    return printable or "error"


@contextlib.contextmanager
def guarded(doing: str) -> Iterator[None]:
    """Let nothing but `InferenceError` out, whatever the user's code raises.

    The full traceback goes to stderr under a short id; the caller gets the id.

    Args:
        doing: What failed if something does, such as ``"preprocess"``.

    Raises:
        InferenceError: 500, or what an error with a ``status_code`` and a ``message`` of its own asks for.
    """
    try:
        yield
    except InferenceError:
        raise
    # sys.exit() in a model's code would end the worker, and with it every request in its queue.
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the edge of the user's code: nothing may get past it
        raise _answer_to(error, doing) from None


def _answer_to(error: BaseException, doing: str) -> InferenceError:
    status, message = getattr(error, "status_code", None), getattr(error, "message", None)
    if isinstance(status, int) and isinstance(message, str) and _FIRST_ERROR <= status <= _LAST_ERROR:
        return InferenceError(status, message)
    mark = secrets.token_hex(4)
    lines = "".join(traceback.format_exception(error))
    print(f"error {mark}: {doing} failed\n{lines}", file=sys.stderr, flush=True)  # noqa: T201 - the container's log is stderr
    return InferenceError(500, f"{doing} failed; the log has the traceback under error {mark}")
