"""As little as an ASGI application can be: it calls the generated entry point's functions.

Run by Uvicorn for `tests/benchmarks/serving.py`; MODEL_DIR names the model folder.
"""

import importlib
import os
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import torch

_Message = MutableMapping[str, Any]

_FOLDER = os.environ["MODEL_DIR"]
sys.path.insert(0, str(Path(_FOLDER) / "code"))
torch.set_num_threads(1)
_PREDICT = importlib.import_module("predict")
_MODEL = _PREDICT.model_fn(_FOLDER)


async def app(
    scope: _Message, receive: Callable[[], Awaitable[_Message]], send: Callable[[_Message], Awaitable[None]]
) -> None:
    """Answer one request; ``/ping`` with nothing."""
    if scope["type"] != "http":
        raise RuntimeError("there is nothing to start or to stop")
    body, media_type = b"", b"text/plain"
    if scope["path"] != "/ping":
        content, has_more = bytearray(), True
        while has_more:
            message = await receive()
            content += message["body"]
            has_more = message.get("more_body", False)
        headers = dict(scope["headers"])
        examples = _PREDICT.input_fn(content, headers[b"content-type"].decode())
        accept = headers[b"accept"].decode()
        body, answered = _PREDICT.output_fn(_PREDICT.predict_fn(examples, _MODEL), accept)
        media_type = answered.encode()
    heads = [(b"content-type", media_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": heads})
    await send({"type": "http.response.body", "body": body})
