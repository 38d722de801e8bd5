"""The models that serving is measured with, packaged, and with an entry point as people write them.

`digits` takes 3 by 32 by 32 numbers, and about 0.6 ms on one core. `wide` gains from batching: its weights
exceed the processor's caches, so that one row costs as much to read as many.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from orchestrator.adapters.archives.tarball import extract
from orchestrator.core.golden import Case, Request
from tests.support.commands import Shell

NPY = "application/x-npy"

_DIGITS = """
import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(3, 32, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
            torch.nn.Conv2d(32, 48, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
            torch.nn.Flatten(), torch.nn.Linear(48 * 64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10),
        )

    def forward(self, x):
        return self.layers(x)
"""
_WIDE = """
import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(256, 2048), torch.nn.ReLU(),
            torch.nn.Linear(2048, 2048), torch.nn.ReLU(), torch.nn.Linear(2048, 10),
        )

    def forward(self, x):
        return self.layers(x)
"""
_WRITTEN = '''
"""An entry point as the documentation of the container shows them."""

import io
import json
import os

import numpy as np
import torch

from net import Net


def model_fn(model_dir):
    model = Net()
    model.load_state_dict(torch.load(os.path.join(model_dir, "model.pth"), weights_only=True))
    return model.eval()


def input_fn(body, content_type):
    if content_type == "application/json":
        return torch.tensor(json.loads(body)["x"]).unsqueeze(0)
    if content_type == "application/x-npy":
        return torch.from_numpy(np.load(io.BytesIO(body))).unsqueeze(0)
    raise ValueError(content_type)


def predict_fn(batch, model):
    with torch.inference_mode():
        return model(batch)


def output_fn(prediction, accept):
    if accept == "application/x-npy":
        buffer = io.BytesIO()
        np.save(buffer, prediction.numpy())
        return buffer.getvalue()
    return json.dumps(prediction.tolist())
'''


@dataclass(frozen=True)
class Model:
    """A model in three forms of the same weights.

    Attributes:
        net: The module itself, for what its bare forward call takes.
        generated: The model folder with our generated entry point.
        written: The model folder with the entry point that a person wrote.
        size_bytes: Of the archive.
    """

    net: torch.nn.Module
    generated: Path
    written: Path
    shape: tuple[int, ...]
    size_bytes: int

    def example(self) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
        """Return one input without its batch dimension: float32 numbers with all their digits."""
        return np.random.default_rng(0).random(self.shape, dtype=np.float32)

    def json_case(self) -> Case:
        """Return a request in JSON."""
        return Case("json", Request(json.dumps({"x": self.example().tolist()}).encode()))

    def npy_case(self) -> Case:
        """Return a request in npy, for an answer in npy."""
        buffer = io.BytesIO()
        np.save(buffer, self.example())
        return Case("npy", Request(buffer.getvalue(), NPY, NPY))


def digits(folder: Path) -> Model:
    """Build the digits classifier in the new folder ``folder``."""
    return _built(folder, _DIGITS, (3, 32, 32))


def wide(folder: Path) -> Model:
    """Build the model that gains from batching in the new folder ``folder``."""
    return _built(folder, _WIDE, (256,))


def files(folder: Path) -> Mapping[str, bytes]:
    """Return what lies in a model folder, by path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def _built(folder: Path, source: str, shape: tuple[int, ...]) -> Model:
    net = _net(source)
    project, written = folder / "project", folder / "written"
    (project / "src").mkdir(parents=True)
    (written / "code").mkdir(parents=True)
    (project / "src" / "net.py").write_text(source)
    save_file(net.state_dict(), str(project / "model.safetensors"))
    (project / "orchestrator.toml").write_text(_spec(shape))
    done = Shell(project).run("package")
    if done.code:
        raise SystemExit(done.err)
    archive = project / "model.tar.gz"
    extract(str(archive), str(folder / "generated"))
    torch.save(net.state_dict(), written / "model.pth")
    (written / "code" / "net.py").write_text(source)
    (written / "code" / "inference.py").write_text(_WRITTEN)
    return Model(net, folder / "generated", written, shape, archive.stat().st_size)


def _net(source: str) -> torch.nn.Module:
    names: dict[str, type[torch.nn.Module]] = {}
    torch.manual_seed(0)
    exec(source, names)  # noqa: S102 - the constant above, which the project holds as a file
    return names["Net"]().eval()


def _spec(shape: tuple[int, ...]) -> str:
    return f"""
version = 1
name = "bench"

[model]
path = "model.safetensors"
class = "src/net.py:Net"

[schema.input]
x = {{ dtype = "float32", shape = {list(shape)} }}
"""
