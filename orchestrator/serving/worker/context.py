"""The context that handler functions may take as their last parameter.

It has the public surface of TorchServe 0.12's `ts.context.Context`. There is one per worker, refilled for
every request, so user code must not keep it.
"""

import os
from typing import Any, Protocol

from orchestrator.serving.worker.readings import Readings

_OK = 200
_SERVER = {"server_name": "MMS", "server_version": "0.12.0", "limit_max_image_pixels": True}
STREAM = "ts_stream_next"
"""The header that says whether more of the answer follows."""

Properties = dict[str, Any]
"""A request's headers as spelt, and what TorchServe says of each of its inputs."""


class Socket(Protocol):
    """Where a handler function sends a piece of its answer."""

    def send_piece(self, value: object, message: str, code: int) -> None:
        """Send ``value`` ahead of the rest."""


class RequestProcessor:
    """One request's headers, and what handler functions have said about its answer."""

    __module__ = "ts.context"  # what user code sees, as in the container

    def __init__(self, request_header: Properties) -> None:
        self._status_code: Any = _OK
        self._reason_phrase: Any = None
        self._response_header: dict[str, Any] = {}
        self._request_header = request_header

    def get_request_property(self, key: str) -> Any:  # noqa: ANN401 - a header's value is text, an input's a dict
        """Return a header by its name as it was spelt, or ``None``."""
        return self._request_header.get(key)

    def get_request_properties(self) -> Properties:
        """Return every header, and ``{"content-type": ...}`` for each input such as ``body``."""
        return self._request_header

    def report_status(self, code: int, reason_phrase: str | None = None) -> None:
        """Set the status of the answer."""
        self._status_code, self._reason_phrase = code, reason_phrase

    def get_response_status_code(self) -> Any:  # noqa: ANN401 - user code may have set anything
        """Return the status of the answer."""
        return self._status_code

    def get_response_status_phrase(self) -> Any:  # noqa: ANN401 - likewise
        """Return the reason phrase of the answer, or ``None``."""
        return self._reason_phrase

    def add_response_property(self, key: str, value: Any) -> None:  # noqa: ANN401 - likewise
        """Set a header of the answer; it is looked at when the answer is written."""
        self._response_header[key] = value

    def get_response_headers(self) -> dict[str, Any]:
        """Return the headers of the answer."""
        return self._response_header

    def get_response_header(self, key: str) -> Any:  # noqa: ANN401 - likewise
        """Return a header of the answer by its name as it was spelt, or ``None``."""
        return self._response_header.get(key)


class Context:
    """One worker's view of the server and of the request it is answering.

    Attributes:
        model_name: ``model``, unless there are several.
        manifest: Always ``None``: SageMaker's archives have no TorchServe manifest.
        request_ids: By index in the batch; ``None`` while loading. A batch has one request.
        request_processor: By index likewise.
        metrics: Takes what is measured, and keeps none of it.
        model_yaml_config: Always empty, for want of a manifest.
        stopping_criteria: By index, functions that say whether a piece of the answer is the last.
        cl_socket: Takes the pieces of an answer that is streamed.
    """

    __module__ = "ts.context"

    def __init__(self, model_dir: str, model_name: str = "model", batch_size: int = 1) -> None:
        self._system_properties: dict[str, Any] = {
            "model_dir": model_dir,
            "gpu_id": None,
            "batch_size": batch_size,
            **_SERVER,
        }
        self.model_name = model_name
        self.manifest = None
        self.request_ids: dict[int, str] | None = None
        self.request_processor: Any = None
        self.metrics = Readings(model_name)
        self.model_yaml_config: dict[str, Any] = {}
        self.stopping_criteria: Any = None
        self.cl_socket: Socket | None = None
        self.header_key_sequence_id = os.getenv("TS_REQUEST_SEQUENCE_ID", "ts_request_sequence_id")
        self.header_key_sequence_start = os.getenv("TS_REQUEST_SEQUENCE_START", "ts_request_sequence_start")
        self.header_key_sequence_end = os.getenv("TS_REQUEST_SEQUENCE_END", "ts_request_sequence_end")

    def refill(self, request_id: str, properties: Properties, socket: Socket | None = None) -> None:
        """Forget the previous request and present this one."""
        self.request_ids = {0: request_id}
        self.request_processor = [RequestProcessor(properties)]
        self.metrics.request_ids = self.request_ids
        self.cl_socket = socket

    @property
    def system_properties(self) -> dict[str, Any]:
        """``model_dir``, ``gpu_id``, ``batch_size`` and what the server is called."""
        return self._system_properties

    def get_request_id(self, idx: int = 0) -> str | None:
        """Return what the answer's ``x-request-id`` will say."""
        return None if self.request_ids is None else self.request_ids.get(idx)

    def get_request_header(self, idx: int, key: str) -> Any:  # noqa: ANN401 - see `RequestProcessor`
        """Return a header of request ``idx`` by its name as the client has spelt it, or ``None``."""
        return self._processor(idx).get_request_property(key)

    def get_all_request_header(self, idx: int) -> Properties:
        """Return every header of request ``idx``; ``body`` stands for the body's own media type."""
        return self._processor(idx).get_request_properties()

    def get_sequence_id(self, idx: int) -> Any:  # noqa: ANN401 - likewise
        """Return the header ``ts_request_sequence_id``, or ``None``."""
        return self.get_request_header(idx, self.header_key_sequence_id)

    def set_response_content_type(self, idx: int, value: Any) -> None:  # noqa: ANN401 - likewise
        """Set the Content-Type of request ``idx``'s answer; the toolkit overwrites it on success."""
        self.set_response_header(idx, "content-type", value)

    def get_response_content_type(self, idx: int) -> Any:  # noqa: ANN401 - likewise
        """Return the Content-Type that was set, or ``None``."""
        return self.get_response_headers(idx).get("content-type")

    def set_response_header(self, idx: int, key: str, value: Any) -> None:  # noqa: ANN401 - likewise
        """Set a header of request ``idx``'s answer; what cannot be sent costs the worker its life."""
        self._processor(idx).add_response_property(key, value)

    def get_response_headers(self, idx: int) -> dict[str, Any]:
        """Return the headers that were set for request ``idx``."""
        return self._processor(idx).get_response_headers()

    def set_response_status(self, code: int = _OK, phrase: str | None = "", idx: int = 0) -> None:
        """Set the status of request ``idx``'s answer; while loading, do nothing."""
        if self.request_processor is not None and self.request_processor[idx] is not None:
            self._processor(idx).report_status(code, reason_phrase=phrase)

    def set_all_response_status(self, code: int = _OK, phrase: str = "") -> None:
        """Set the status of every answer of the batch."""
        for processor in self.request_processor:
            processor.report_status(code, reason_phrase=phrase)

    def get_response_status(self, idx: int) -> tuple[Any, Any]:
        """Return status and reason phrase of request ``idx``'s answer."""
        processor = self._processor(idx)
        return processor.get_response_status_code(), processor.get_response_status_phrase()

    def _processor(self, idx: int) -> RequestProcessor:
        processor: RequestProcessor = self.request_processor[idx]
        return processor
