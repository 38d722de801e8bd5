"""An entry point as a worker's handler offers it, with a model of the test's own, and requests to it."""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from orchestrator.serving.messages import Request, Response
from orchestrator.serving.worker.stacking import Stacker

JSON, NPY, CSV = "application/json", "application/x-npy", "text/csv"
ROWS = [[1.0, 2.0, 3.0], [4.0, 6.0, 5.0], [9.0, 7.0, 8.0], [2.0, 2.0, 1.0]]

Predict = Callable[[Any], Any]


def one_row(content: Any) -> torch.Tensor:  # noqa: ANN401 - decoded JSON
    """Return a batch of one."""
    return torch.tensor([content])


@dataclass
class Functions:
    """An entry point whose `predict_fn` is ``model``, as a handler offers it; remembers what it was asked."""

    model: Predict
    decoder: Callable[[Any], object] = one_row
    is_stackable: bool = True
    calls: list[object] = field(default_factory=list)
    about: list[str] = field(default_factory=list)

    def answer(self, request: Request) -> Response:
        """Return the answer of a call for ``request`` alone."""
        value = self.decode(request)
        if isinstance(value, Response):
            return value
        try:
            prediction = self.predict(value)
        except ValueError as error:
            return self.failed(error, request)
        return self.encode(prediction, request)

    def decode(self, request: Request) -> object:
        """Return what ``decoder`` makes of JSON or a line of CSV."""
        kind = dict(request.headers)["Content-Type"]
        try:
            content = [float(cell) for cell in request.body.split(b",")] if kind == CSV else None
            content = json.loads(request.body) if content is None else content
        except ValueError as error:
            return self.failed(error, request)
        return self.decoder(content)

    def predict(self, value: object) -> object:
        """Call the model."""
        self.calls.append(value)
        return self.model(value)

    def encode(self, prediction: object, request: Request) -> Response:
        """Return the prediction as JSON, or as `torch.save` writes it."""
        self.about.append(request.id)
        accept = dict(request.headers)["Accept"]
        if accept == NPY:
            buffer = io.BytesIO()
            torch.save(prediction, buffer)
            return Response(200, (("content-type", accept),), buffer.getvalue())
        return Response(200, (("content-type", accept),), json.dumps(plain(prediction)).encode())

    def failed(self, error: Exception, request: Request) -> Response:
        """Return the error's words."""
        return Response(500, (), f"{request.id} {type(error).__name__} {error}".encode())

    @property
    def sizes(self) -> list[int]:
        """How many rows each call had."""
        return [len(value) for value in self.calls if isinstance(value, (torch.Tensor, np.ndarray))]


def plain(value: Any) -> object:  # noqa: ANN401 - predictions of every kind
    """Return what JSON can say of ``value``."""
    if isinstance(value, (torch.Tensor, np.ndarray)):
        return np.asarray(value, dtype=np.float64).round(4).tolist()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value if isinstance(value, (str, int, float)) else type(value).__name__


def request(content: object, number: int = 0, kind: str = JSON, accept: str = JSON) -> Request:
    """Return a request with ``content`` as its body."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Request((("Content-Type", kind), ("Accept", accept)), body, f"r{number}")


def batch(contents: Sequence[object] = ROWS) -> list[Request]:
    """Return a request for each of ``contents``."""
    return [request(content, number) for number, content in enumerate(contents)]


def bodies(responses: Sequence[Response]) -> list[bytes]:
    """Return what the answers say."""
    return [response.body for response in responses]


def double(value: Any) -> Any:  # noqa: ANN401 - a tensor or an array
    """Return twice ``value``."""
    return value * 2


def eager(model: Predict, decoder: Callable[[Any], object] = one_row) -> list[bytes]:
    """Return the answers to `batch` without stacking."""
    functions = Functions(model, decoder)
    return bodies([functions.answer(one) for one in batch()])


def settled(functions: Functions, requests: Sequence[Request]) -> list[Response]:
    """Return the answers to a batch of a kind that has been seen often; ``functions.calls`` are theirs."""
    stacker = Stacker(functions)
    for _ in range(3):  # the first is compared, the two after it are checked, and so would be the fifth
        stacker.answer_all(requests)
    functions.calls.clear()
    return stacker.answer_all(requests)


def scaled_by_the_largest(x: torch.Tensor) -> torch.Tensor:
    """Return rows that depend on their neighbours."""
    return x / x.max()
