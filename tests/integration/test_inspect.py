"""`orchestrator inspect`: what a file holds, with nothing in it run."""

import io
import json
import tarfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.support.commands import Shell, write_files
from tests.support.projects import tensors


class Payload:
    """Pickles to a call that leaves a file behind."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return Path.write_text, (self.marker, "executed")  # type: ignore[return-value]  # any callable will do


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def archived(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))


def test_a_state_dict_is_told_with_every_tensor(shell: Shell) -> None:
    torch.save({**tensors(), "half": torch.zeros(2, 3, dtype=torch.bfloat16)}, shell.folder / "model.pt")
    done = shell.run("inspect", "model.pt")
    assert done.code == 0, done.err
    assert "state-dict" in done.out
    assert "code" in done.out
    assert "bfloat16  [2, 3]" in done.out
    found = json.loads(shell.run("inspect", "model.pt", "-o", "json").out)
    assert found["format"] == "state-dict"
    assert found["code"] == []
    assert {(one["name"], one["dtype"], tuple(one["shape"])) for one in found["tensors"]} == {
        ("layer.weight", "float32", (3, 4)),
        ("layer.bias", "float32", (3,)),
        ("half", "bfloat16", (2, 3)),
    }


def test_a_checkpoint_that_carries_code_is_told_and_not_run(shell: Shell) -> None:
    marker = shell.folder / "marker"
    torch.save({"state_dict": tensors(), "callback": Payload(marker)}, shell.folder / "last.ckpt")
    done = shell.run("inspect", "last.ckpt", "-o", "json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert any("pathlib" in code["what"] for code in found["code"])
    assert [tensor["name"] for tensor in found["tensors"]] == list(tensors())
    assert not marker.exists()
    torch.load(shell.folder / "last.ckpt", weights_only=False)
    assert marker.exists()  # the payload is one


def test_what_a_file_is_named_cannot_colour_the_screen(shell: Shell) -> None:
    torch.save({"a\x1b[31mred": torch.zeros(1)}, shell.folder / "model.pt")
    done = shell.run("inspect", "model.pt")
    assert "\x1b" not in done.out + done.err


def test_an_archive_of_ours_is_told_with_its_identity_and_its_code(shell: Shell) -> None:
    write_files(shell.folder)
    packaged = json.loads(shell.run("package", "-o", "json").out)
    found = json.loads(shell.run("inspect", "model.tar.gz", "-o", "json").out)
    assert found["identity"] == packaged["identity"]
    assert found["problems"] == []
    assert "code/predict.py" in {code["where"] for code in found["code"]}
    (model,) = found["models"]
    assert model["path"] == "model.safetensors"
    assert model["code"] == []
    assert "identity" in shell.run("inspect", "model.tar.gz").out


def test_a_strangers_archive_is_told_with_the_pickles_in_it(shell: Shell) -> None:
    marker = shell.folder / "marker"
    torch.save({**tensors(), "x": Payload(marker)}, shell.folder / "model.pth")
    content = (shell.folder / "model.pth").read_bytes()
    files = {"model.pth": content, "code/inference.py": b"", "old.safetensors": b"\x80\x02."}
    archived(shell.folder / "theirs.tar.gz", files)
    found = json.loads(shell.run("inspect", "theirs.tar.gz", "-o", "json").out)
    assert found["identity"] is None
    assert any(code["where"].startswith("model.pth: ") for code in found["code"])
    assert any(problem.startswith("old.safetensors: ") for problem in found["problems"])
    assert not marker.exists()


def test_a_pickle_in_capital_letters_is_told_as_well(shell: Shell) -> None:
    torch.save({**tensors(), "x": Payload(shell.folder / "marker")}, shell.folder / "model.pth")
    content = (shell.folder / "model.pth").read_bytes()
    archived(shell.folder / "THEIRS.TAR.GZ", {"MODEL.PTH": content, "code/INFERENCE.PY": b""})
    found = json.loads(shell.run("inspect", "THEIRS.TAR.GZ", "-o", "json").out)
    assert any(code["where"].startswith("MODEL.PTH: ") for code in found["code"])
    assert "code/INFERENCE.PY" in {code["where"] for code in found["code"]}


@pytest.mark.parametrize("name", ["absent.pt", "model.tar.gz"])
def test_a_file_that_is_not_there_is_named(shell: Shell, name: str) -> None:
    done = shell.run("inspect", name)
    assert done.code == 1
    assert name in done.err


def test_a_file_that_is_not_what_it_was_said_to_be_is_refused(shell: Shell) -> None:
    save_file(tensors(), str(shell.folder / "model.safetensors"))
    done = shell.run("inspect", "model.safetensors", "--format", "torchscript")
    assert done.code == 1
    assert "torchscript" in done.err
