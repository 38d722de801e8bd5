"""Answer requests with an entry point's handler functions, exactly as the real toolkit calls them.

Sources: `transformer.py` and `default_pytorch_inference_handler.py` of sagemaker-pytorch-inference 2.0.25,
and `otf_message_handler.py` of TorchServe 0.12 for what a returned value becomes on the wire. Runs in a
worker process only.
"""

import io
import json
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs

from orchestrator.serving import answers
from orchestrator.serving.context import Context
from orchestrator.serving.contract import Contract
from orchestrator.serving.entrypoint import Function, call, handler_functions
from orchestrator.serving.messages import Request, Response

_ANY = "*/*"
_TEXT_TYPES = ("application/json", "text/csv")
_FORM = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/"
_INTERNAL_SERVER_ERROR = 500


class Handler:
    """A loaded model and the functions that answer with it; one request at a time."""

    def __init__(
        self, functions: Mapping[str, Function], model: object, context: Context, accept: str
    ) -> None:
        self._functions = functions
        self._model = model
        self._context = context
        self._default_accept = accept

    @classmethod
    def load(cls, model_dir: Path, contract: Contract) -> "Handler":
        """Import the entry point, whose folder can be imported from already, and load its model.

        Raises:
            ArtifactError: If the entry point is missing, or its functions do not fit together.
            Exception: Whatever the entry point raises.
        """
        functions = handler_functions(contract.module)
        context = Context(str(model_dir))
        if "pre_model_fn" in functions:
            call(functions["pre_model_fn"], context, str(model_dir))
        model = call(functions["model_fn"], context, str(model_dir))
        if "model_warmup_fn" in functions:
            call(functions["model_warmup_fn"], context, str(model_dir), model)
        return cls(functions, model, context, contract.default_accept)

    def answer(self, request: Request) -> Response:
        """Return the answer to ``request``.

        Every exception of the handler functions becomes an answer. A content type that is no text raises
        TypeError, which costs the worker its life as it does in the container.
        """
        self._context.refill(request)
        headers = dict(request.headers)
        content_type, accept = headers.get("content-type"), headers.get("accept")
        accept = self._default_accept if accept in {None, "", _ANY} else accept
        try:
            result = self._transform(_payload(request.body, content_type), content_type, accept)
            output, output_type = (result[0], result[1]) if isinstance(result, tuple) else (result, accept)
        except Exception as error:  # noqa: BLE001 - any exception of user code is answered, as by the toolkit
            return self._failure(error)
        return self._success(output, output_type)

    def _transform(self, payload: object, content_type: str | None, accept: str | None) -> object:
        if "transform_fn" in self._functions:
            return self._call("transform_fn", self._model, payload, content_type, accept)
        decoded = self._call("input_fn", payload, content_type)
        prediction = self._call("predict_fn", decoded, self._model)
        return self._call("output_fn", prediction, accept)

    def _call(self, name: str, *arguments: object) -> object:
        return call(self._functions[name], self._context, *arguments)

    def _success(self, output: object, content_type: object) -> Response:
        if not isinstance(content_type, str):
            raise TypeError(f"the content type of the answer is {content_type!r}, not a str")
        encoded = _encoded(output)
        if encoded is None:
            return answers.unsupported_output()
        headers = {**dict(self._context.response_headers), "content-type": content_type}
        return Response(self._context.status, tuple(headers.items()), encoded)

    def _failure(self, error: Exception) -> Response:
        # An exception's text may hold what no encoding has, such as half of a surrogate pair.
        trace = _writable("".join(traceback.format_exception(error)))
        sys.stderr.write(f"Transform failed for model\n{trace}")
        status, message = _reply(error)
        body = f"{_writable(message)}\n{trace}".encode()
        return Response(status, self._context.response_headers, body)


def _reply(error: Exception) -> tuple[int, str]:
    # The toolkit looks for its own BaseInferenceToolkitError; it may not be installed here, so its errors are
    # known by their attributes.
    status, message = getattr(error, "status_code", None), getattr(error, "message", None)
    if (
        isinstance(status, int)
        and status in range(200, 600)
        and message is not None
        and hasattr(error, "phrase")
    ):
        return (status, str(message))
    return (_INTERNAL_SERVER_ERROR, str(error) or "Invalid Request")


def _writable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()


def _payload(body: bytes, content_type: str | None) -> str | bytearray | None:
    if content_type in _TEXT_TYPES:
        return body.decode()
    # TorchServe's front end parses forms and looks for a field called "body".
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type == _FORM:
        fields = parse_qs(body, keep_blank_values=True)
        return bytearray(fields[b"body"][0]) if b"body" in fields else None
    return None if media_type.startswith(_MULTIPART) else bytearray(body)


def _encoded(output: object) -> bytes | None:
    """Return what TorchServe writes for ``output``, or ``None`` where it refuses."""
    if isinstance(output, str):
        return output.encode()
    if isinstance(output, (bytes, bytearray)):
        return bytes(output)
    # Only user code imports torch.
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(output, torch.Tensor):
        buffer = io.BytesIO()
        torch.save(output, buffer)
        return buffer.getvalue()
    try:
        return json.dumps(output, indent=2).encode()
    except (TypeError, ValueError):
        return None
