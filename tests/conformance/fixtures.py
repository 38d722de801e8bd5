"""Weights for the container's default functions.

``python -m tests.conformance.fixtures`` makes them again, in any environment that has torch.
"""

import sys
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile, ZipInfo

_FOLDER = Path(__file__).parent / "fixtures"


def _read(name: str) -> bytes:
    path = _FOLDER / name
    return path.read_bytes() if path.exists() else b""


LINEAR = _read("linear.pt")
"""A TorchScript `Linear(3, 2)`: [[1, 2, 3]] gives [[-1.75, 14.25]]."""

STATE_DICT = _read("state_dict.pt")
"""The same layer's parameters, which the default `model_fn` cannot load."""

MODEL = {"model.pt": LINEAR, "readme.txt": b""}
"""An archive without code: the container answers with its default functions."""


def _without_places(saved: bytes) -> bytes:
    """Leave out where on this machine the sources of torch lie: errors would quote it."""
    written = BytesIO()
    with ZipFile(BytesIO(saved)) as old, ZipFile(written, "w") as new:
        for member in old.infolist():
            if not member.filename.endswith(".debug_pkl"):
                new.writestr(ZipInfo(member.filename), old.read(member))
    return written.getvalue()


def main() -> None:
    """Write both files."""
    # Whoever only runs the cases needs no torch.
    import warnings  # noqa: PLC0415

    import torch  # noqa: PLC0415

    layer = torch.nn.Linear(3, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.5, -2.0, 0.25], [1.0, 2.0, 3.0]]))
        layer.bias.copy_(torch.tensor([1.0, 0.25]))
    _FOLDER.mkdir(exist_ok=True)
    with warnings.catch_warnings():
        # The default functions read nothing else, but torch 2.13 would rather have torch.export.
        warnings.simplefilter("ignore", DeprecationWarning)
        compiled = torch.jit.script(layer.eval())
    saved = compiled.save_to_buffer()  # type: ignore[no-untyped-call] # torch has no type for it
    (_FOLDER / "linear.pt").write_bytes(_without_places(saved))
    torch.save(layer.state_dict(), _FOLDER / "state_dict.pt")
    sys.stdout.write(f"{layer(torch.tensor([[1.0, 2.0, 3.0]])).tolist()}\n")


if __name__ == "__main__":
    main()
