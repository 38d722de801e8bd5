"""Calls of an entry point, as the container makes them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from entrypoints.entrypoint import EntryPoint
from entrypoints.errors import InferenceError

JSON, CSV, NPY, TEXT, WAV = "application/json", "text/csv", "application/x-npy", "text/plain", "audio/wav"


@dataclass(frozen=True)
class Made:
    """A loader of a module that is there already."""

    module: torch.nn.Module

    def load(self, model_dir: str) -> torch.nn.Module:
        """Return the module."""
        return self.module


@dataclass(frozen=True)
class Caller:
    """One who calls an entry point whose archive lies in ``folder``."""

    folder: Path
    entry: EntryPoint

    def ask(self, body: object, kind: str = JSON, accept: str | None = None) -> Any:  # noqa: ANN401 - decoded JSON, or bytes
        """Return the answer; a ``body`` that is neither text nor bytes is written as JSON."""
        sent = body if isinstance(body, (str, bytes, bytearray)) else json.dumps(body)
        served = self.entry.load(str(self.folder))
        answer, answered = self.entry.encode(
            self.entry.predict(self.entry.decode(sent, kind), served), accept
        )
        return json.loads(answer) if answered == JSON else answer

    def refused(self, body: object, kind: str = JSON, accept: str | None = None) -> str:
        """Return the status and the message of an answer other than 200."""
        with pytest.raises(InferenceError) as caught:
            self.ask(body, kind, accept)
        return str(caught.value)
