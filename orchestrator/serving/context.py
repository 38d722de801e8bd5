"""The context that handler functions may take as their last parameter.

It has the attributes and methods of TorchServe 0.12's `ts.context.Context` that entry points use. There is
one per worker, refilled for every request, so user code must not keep it.
"""

import re

from orchestrator.serving.messages import Headers, Request

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OK = 200
_SERVER = {"server_name": "MMS", "server_version": "0.12.0", "limit_max_image_pixels": True}


class Context:
    """One worker's view of the server and of the request it is answering.

    Attributes:
        system_properties: ``model_dir``, ``gpu_id``, ``batch_size`` and what the server is called.
        model_name: Always ``model``, as on an endpoint with one model.
        manifest: Always ``None``: SageMaker's archives have no TorchServe manifest.
        request_ids: By index in the batch; a batch has one request.
        status: What `set_response_status` said, else 200.
    """

    def __init__(self, model_dir: str) -> None:
        self.system_properties: dict[str, object] = {
            "model_dir": model_dir,
            "gpu_id": None,
            "batch_size": 1,
            **_SERVER,
        }
        self.model_name = "model"
        self.manifest = None
        self.request_ids: dict[int, str] = {}
        self.status = _OK
        self._requests: list[dict[str, str]] = []
        self._response: dict[str, str] = {}

    def refill(self, request: Request) -> None:
        """Forget the previous request and present ``request``."""
        self.request_ids = {0: request.id}
        self.status = _OK
        self._requests = [{_spelling(name): value for name, value in request.headers}]
        self._response = {}

    @property
    def response_headers(self) -> Headers:
        """What handler functions have set for the answer."""
        return tuple(self._response.items())

    def get_request_header(self, idx: int, key: str) -> str | None:
        """Return a header of request ``idx`` by its name in any case, or ``None``."""
        return self._requests[idx].get(_spelling(key))

    def get_all_request_header(self, idx: int) -> dict[str, object]:
        """Return every header of request ``idx``; ``body`` stands for the body's own media type.

        HTTP servers do not hand on how a name was spelt, so names have their usual spelling, such as
        ``X-Amzn-SageMaker-Custom-Attributes``.
        """
        headers = self._requests[idx]
        content_type = headers.get("Content-Type")
        body = {} if content_type is None else {"body": {"content-type": content_type}}
        return {**headers, **body}

    def get_request_id(self, idx: int = 0) -> str:
        """Return what the answer's ``x-request-id`` will say."""
        return self.request_ids[idx]

    def set_response_header(self, idx: int, key: str, value: str) -> None:
        """Add a header to the answer of request ``idx``.

        Raises:
            ValueError: If the name or the value could not be written into an HTTP message.
        """
        self._check(idx)
        if not _TOKEN.fullmatch(key) or not value.isprintable():
            raise ValueError(f"'{key}: {value}' is no HTTP header")
        self._response[key.lower()] = value

    def set_response_content_type(self, idx: int, value: str) -> None:
        """Set the Content-Type of request ``idx``'s answer; the toolkit overwrites it on success."""
        self.set_response_header(idx, "content-type", value)

    # The reason phrase ends here: neither ASGI nor uvicorn can send one of our own.
    def set_response_status(self, code: int = _OK, phrase: str = "", idx: int = 0) -> None:  # noqa: ARG002 - TorchServe's signature
        """Set the status of request ``idx``'s answer.

        Raises:
            ValueError: If no HTTP server could send it.
        """
        self._check(idx)
        if code not in range(_OK, 600):
            raise ValueError(f"{code!r} is no HTTP status from 200 to 599")
        self.status = code

    def _check(self, idx: int) -> None:
        if idx not in self.request_ids:
            raise IndexError(f"there is no request {idx} in this batch")


def _spelling(name: str) -> str:
    return "-".join("SageMaker" if word == "sagemaker" else word.title() for word in name.lower().split("-"))
