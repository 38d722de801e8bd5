"""Files of weights as people have them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save, save_file

from orchestrator.adapters.checkpoints import weights
from orchestrator.core.errors import ArtifactError

TENSORS = {
    "a": torch.arange(6.0).reshape(2, 3),
    "b": torch.tensor([1, 2]),
    "c": torch.ones((), dtype=torch.bool),
}


def module_file(path: Path) -> None:
    torch.save(torch.nn.Linear(2, 1), path)


def nested(path: Path) -> None:
    torch.save({"state_dict": TENSORS, "epoch": 3}, path)


def test_a_safetensors_file_is_taken_as_it_is(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "m.safetensors")
    with weights(str(tmp_path / "m.safetensors"), "auto") as path:
        assert path == str(tmp_path / "m.safetensors")


@pytest.mark.parametrize("name", ["m.pt", "m.PTH", "m.bin"])
def test_a_state_dict_is_converted_and_the_copy_does_not_stay(tmp_path: Path, name: str) -> None:
    torch.save(TENSORS, tmp_path / name)
    with weights(str(tmp_path / name), "auto") as path:
        found = load_file(path)
        assert all(torch.equal(found[key], tensor) for key, tensor in TENSORS.items())
    assert not Path(path).exists()


def test_the_format_of_the_spec_stands_above_the_suffix(tmp_path: Path) -> None:
    torch.save(TENSORS, tmp_path / "weights.data")
    with weights(str(tmp_path / "weights.data"), "state-dict") as path:
        assert set(load_file(path)) == set(TENSORS)


def test_converting_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    torch.save(TENSORS, tmp_path / "m.pt")
    copies = []
    for _ in range(2):
        with weights(str(tmp_path / "m.pt"), "auto") as path:
            copies.append(Path(path).read_bytes())
    assert copies[0] == copies[1]


def test_tied_and_strided_tensors_are_written_out_in_full(tmp_path: Path) -> None:
    whole = torch.arange(6.0).reshape(2, 3)
    torch.save({"a": whole, "b": whole, "t": whole.T, "row": whole[1]}, tmp_path / "m.pt")
    with weights(str(tmp_path / "m.pt"), "auto") as path:
        found = load_file(path)
    assert torch.equal(found["a"], found["b"])
    assert torch.equal(found["t"], whole.T)
    assert torch.equal(found["row"], whole[1])


@pytest.mark.parametrize(
    ("write", "why"),
    [
        (module_file, "no state_dict"),
        (nested, "entry 'state_dict' is dict, not a tensor"),
        (lambda path: torch.save({}, path), "holds dict, not a state_dict"),
        (lambda path: torch.save([1], path), "holds list"),
        (lambda path: torch.save({1: torch.zeros(1)}, path), "entry 1"),
        (lambda path: torch.save({"a": torch.zeros(2).to_sparse()}, path), "sparse"),
        (lambda path: torch.save({"a": torch.zeros(2, dtype=torch.complex64)}, path), "C64"),
        (lambda path: path.write_bytes(b""), "no state_dict"),
        (lambda path: path.write_bytes(b"PK\x03\x04 and no more"), "no state_dict"),
        (lambda path: path.write_bytes(b"cos\nsystem\n(S'true'\ntR."), "no state_dict"),
    ],
)
def test_another_file_is_refused_with_what_is_supported(
    tmp_path: Path, write: Callable[[Path], object], why: str
) -> None:
    write(tmp_path / "m.pt")
    with pytest.raises(ArtifactError, match=why) as caught, weights(str(tmp_path / "m.pt"), "auto"):
        pass
    assert dict(caught.value.details)["supported"].startswith(".safetensors;")
    assert caught.value.hint == "in your training code: torch.save(model.state_dict(), 'model.pt')"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        save({}),
        save({"a": torch.zeros(2)})[:-1],
        save({"a": torch.zeros(2)}) + b"x",
        save({"a": torch.zeros(2, dtype=torch.complex64)}),
        save({"a\n": torch.zeros(2)}),
        save({"a": torch.zeros(2)}).replace(b'"F32"', b'["F"]'),
        b"\xff" * 16,
        (30).to_bytes(8, "little") + b'{"a":{"dtype":"F32"},"a":{"x":1}}'[:30],
    ],
)
def test_a_safetensors_file_that_breaks_a_rule_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.safetensors").write_bytes(content)
    with (
        pytest.raises(ArtifactError, match="cannot be packaged"),
        weights(str(tmp_path / "m.safetensors"), "auto"),
    ):
        pass


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"x")
    with (
        pytest.raises(ArtifactError, match=r"'\*.onnx' are not supported"),
        weights(str(tmp_path / "m.onnx"), "auto"),
    ):
        pass


def test_an_absent_file_is_named_with_its_key(tmp_path: Path) -> None:
    with (
        pytest.raises(ArtifactError, match="there is no model file") as caught,
        weights(str(tmp_path / "m.pt"), "auto"),
    ):
        pass
    assert "model.path" in dict(caught.value.details)["rule"]


def test_without_torch_the_missing_extra_is_named() -> None:
    program = """
import sys
sys.modules["torch"] = None
from orchestrator.adapters.checkpoints import weights
from orchestrator.core.errors import MissingExtraError
try:
    weights("m.pt", "auto").__enter__()
except MissingExtraError as error:
    print(error.hint)
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "pip install 'cloud-deployment-orchestrator[torch]'\n"
