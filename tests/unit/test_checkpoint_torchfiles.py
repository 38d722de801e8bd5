"""Where in files of torch.save the bytes of tensors lie, and files that claim what is not so."""

import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from orchestrator.adapters.checkpoints import statedicts, torchfiles
from orchestrator.adapters.checkpoints.classify import Layout
from orchestrator.adapters.checkpoints.dtypes import BY_NAME
from orchestrator.adapters.checkpoints.rebuilding import (
    Name,
    Storage,
    StrangeTensor,
    Tensor,
    UnreadableError,
    call,
    stored,
)
from orchestrator.core.errors import ArtifactError

FLOATS = Name("torch", "FloatStorage")
F32 = BY_NAME["float32"]


def located_bytes(path: Path, layout: Layout) -> dict[str, bytes]:
    file = torchfiles.read(str(path), layout)
    content = path.read_bytes()
    found = {}
    for name, tensor in statedicts.choose(str(path), file.value, None).tensors.items():
        assert isinstance(tensor, Tensor)
        place = file.located(name, tensor)
        found[name] = content[place.offset : place.offset + place.span_bytes]
    return found


@pytest.mark.parametrize("layout", [Layout.ZIP, Layout.LEGACY])
def test_tensors_are_found_at_their_bytes(tmp_path: Path, layout: Layout) -> None:
    whole = torch.arange(10, dtype=torch.int16)
    saved = {"row": whole[3:5], "all": whole, "empty": whole[10:], "one": torch.tensor(1.5)}
    torch.save(saved, tmp_path / "m", _use_new_zipfile_serialization=layout is Layout.ZIP)
    assert located_bytes(tmp_path / "m", layout) == {
        name: tensor.numpy().tobytes() for name, tensor in saved.items()
    }


def rewritten(path: Path, name: str, content: bytes) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for member, old in members.items():
            archive.writestr(member, content if member == name else old)


def test_a_zip_of_the_other_byte_order_is_refused_by_name(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2)}, tmp_path / "m.pt")
    rewritten(tmp_path / "m.pt", "m/byteorder", b"big")
    with pytest.raises(ArtifactError, match="big-endian"):
        torchfiles.read(str(tmp_path / "m.pt"), Layout.ZIP)


def test_a_legacy_file_of_the_other_byte_order_is_refused_by_name(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2)}, tmp_path / "m.pt", _use_new_zipfile_serialization=False)
    content = (tmp_path / "m.pt").read_bytes()
    head, little, rest = content.partition(b"little_endian")
    position = rest.index(b"\x88")
    (tmp_path / "m.pt").write_bytes(head + little + rest[:position] + b"\x89" + rest[position + 1 :])
    with pytest.raises(ArtifactError, match="big-endian"):
        torchfiles.read(str(tmp_path / "m.pt"), Layout.LEGACY)


def test_a_storage_that_is_shorter_than_its_tensor_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2)}, tmp_path / "m.pt")
    rewritten(tmp_path / "m.pt", "m/data/0", b"\0" * 7)
    with pytest.raises(ArtifactError, match="the storage of tensor 'a' is not in it as a whole"):
        located_bytes(tmp_path / "m.pt", Layout.ZIP)


def test_a_legacy_storage_that_claims_more_than_the_file_has_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2)}, tmp_path / "m.pt", _use_new_zipfile_serialization=False)
    content = (tmp_path / "m.pt").read_bytes()
    for count in (2**62, -1):
        (tmp_path / "m.pt").write_bytes(
            content[:-16] + count.to_bytes(8, "little", signed=True) + content[-8:]
        )
        with pytest.raises(ArtifactError, match="it ends within the storage"):
            torchfiles.read(str(tmp_path / "m.pt"), Layout.LEGACY)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")
def test_a_legacy_file_with_a_quantized_tensor_is_read_and_that_tensor_is_named(tmp_path: Path) -> None:
    quantized = torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)
    path = tmp_path / "m.pt"
    torch.save({"q": quantized, "w": torch.ones(2)}, path, _use_new_zipfile_serialization=False)
    value = torchfiles.read(str(path), Layout.LEGACY).value
    assert isinstance(value, dict)
    assert value["q"] == StrangeTensor("quantized")


def test_a_legacy_file_needs_its_marks(tmp_path: Path) -> None:
    (tmp_path / "m.pt").write_bytes(pickle.dumps(1) * 5)
    with pytest.raises(ArtifactError, match="does not begin as"):
        torchfiles.read(str(tmp_path / "m.pt"), Layout.LEGACY)


def test_a_view_of_a_storage_begins_behind_its_beginning() -> None:
    assert stored(("storage", FLOATS, "0", "cpu", 9, ("1", 2, 4))) == Storage("0", F32, 8)
    assert stored(("storage", FLOATS, "0", "cpu", 9, None)) == Storage("0", F32)
    assert stored(("module", Name("net", "Net"), "net.py", "class Net")) == Name("net", "Net")


@pytest.mark.parametrize("view", [("1", -2, 4), ("1", 2), "1"])
def test_a_view_that_torch_does_not_write_is_refused(view: object) -> None:
    with pytest.raises(UnreadableError):
        stored(("storage", FLOATS, "0", "cpu", 9, view))


@pytest.mark.parametrize(
    "arguments",
    [
        (Storage("0", F32), -1, (2,), (1,)),
        (Storage("0", F32), 0, (2,), (-1,)),
        (Storage("0", F32), 0, (2, 3), (1,)),
        (Storage("0", F32), 0, (True,), (1,)),
        (Storage("0", F32), 0, (2**63,), (1,)),
        (Storage("0", F32), 0, (1,) * 65, (1,) * 65),
    ],
)
def test_a_tensor_with_impossible_lengths_is_refused(arguments: object) -> None:
    with pytest.raises(UnreadableError, match="describes a tensor wrongly"):
        call(Name("torch._utils", "_rebuild_tensor"), arguments)
