"""What a path is taken for: its name and its bytes have to agree, and what is no model is named."""

import gzip
import io
import os
import pickle
import tarfile
from pathlib import Path

import pytest

from orchestrator.adapters.checkpoints.classify import Classified, Layout, classify
from orchestrator.core.checkpoint import Format
from orchestrator.core.errors import ArtifactError
from tests.security.assembling import Part, torch_legacy, torch_zip, zipped

HEADER = b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'
SAFETENSORS = len(HEADER).to_bytes(8, "little") + HEADER + b"\1"
TORCH = torch_zip(b"}.")
LEGACY = torch_legacy(b"\x80\x02}.")
SCRIPT = zipped(
    [Part("s/data.pkl", b"N."), Part("s/constants.pkl", b"N."), Part("s/code/a.py", b"pass", method=8)]
)
EXPORTED = zipped([Part("p/archive_format", b"pt2"), Part("p/models/model.json", b"{}")])


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("storages"))
    return file.getvalue()


def classified(folder: Path, title: str, content: bytes, format_: str = "auto") -> Classified:
    path = folder / title
    path.write_bytes(content)
    return classify(str(path), format_)


@pytest.mark.parametrize(
    ("title", "content", "format_", "layout"),
    [
        ("m.safetensors", SAFETENSORS, Format.SAFETENSORS, Layout.FILE),
        ("m.pt", TORCH, Format.STATE_DICT, Layout.ZIP),
        ("m.ckpt", TORCH, Format.STATE_DICT, Layout.ZIP),
        ("M.BIN", LEGACY, Format.STATE_DICT, Layout.LEGACY),
        ("m.pt", SCRIPT, Format.TORCHSCRIPT, Layout.ZIP),
        ("m.jit", SCRIPT, Format.TORCHSCRIPT, Layout.ZIP),
        ("m.pt2", EXPORTED, Format.EXPORTED, Layout.ZIP),
        ("m.safetensors.index.json", b"{}", Format.SHARDED, Layout.FOLDER),
    ],
)
def test_a_file_is_what_its_name_and_its_bytes_say(
    tmp_path: Path, title: str, content: bytes, format_: Format, layout: Layout
) -> None:
    found = Classified(format_, layout, str(tmp_path / title))

    assert classified(tmp_path, title, content) == found
    assert classified(tmp_path, title, content, format_) == found


@pytest.mark.parametrize("protocol", range(6))
def test_an_old_file_is_known_by_its_magic_number_in_every_protocol(tmp_path: Path, protocol: int) -> None:
    objects: tuple[object, ...] = (0x1950A86A20F9469CFC6C, 1001, {}, {}, [])
    content = b"".join(pickle.dumps(part, protocol) for part in objects)

    assert classified(tmp_path, "m.pt", content).layout is Layout.LEGACY


@pytest.mark.parametrize(
    ("title", "content", "format_"),
    [
        ("m.pt2", TORCH, "auto"),
        ("m.pt", TORCH, "torchscript"),
        ("m.pt", SCRIPT, "state-dict"),
        ("m.pt", SAFETENSORS, "safetensors"),
        ("m.safetensors", TORCH, "state-dict"),
        ("m.pt", TORCH, "hugging-face"),
    ],
)
def test_a_file_that_is_something_else_than_declared_is_refused(
    tmp_path: Path, title: str, content: bytes, format_: str
) -> None:
    with pytest.raises(ArtifactError):
        classified(tmp_path, title, content, format_)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "it is empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer, not the model"),
        (gzip.compress(b"x", mtime=0), "compressed with gzip"),
        (b"BZh91AY", "compressed with bzip2"),
        (b"\xfd7zXZ\0", "compressed with xz"),
        (b"\x78\x9c\x00", "compressed with zlib"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"\x93NUMPY\x01\0", "a NumPy array"),
        (b"\x08\x07\x12\x07pytorch", "an ONNX model"),
        (b"\n<!DOCTYPE html>", "a web page"),
        (tarred(), "a tar archive"),
        (zipped([Part("a.npy", b""), Part("b.npy", b"")]), r"a file of NumPy arrays \(\.npz\)"),
        (pickle.dumps({"a": 1}), r"a pickle that torch\.save did not write"),
        (pickle.dumps({"a": 1}, 0), r"a pickle that torch\.save did not write"),
        (SAFETENSORS, "looks like a safetensors file under another name"),
        (b"what is this", "of no known format, or it is damaged"),
    ],
)
def test_what_is_no_model_is_named(tmp_path: Path, content: bytes, what: str) -> None:
    with pytest.raises(ArtifactError, match=what) as caught:
        classified(tmp_path, "m.pt", content)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (pickle.dumps({}, 2), "another pickle, and no safetensors"),
        (TORCH, "another pickle, and no safetensors"),
        ((2**63).to_bytes(8, "little") + HEADER, "its header claims 9223372036854775808 bytes, the file has"),
        (SAFETENSORS[:20], "cut off"),
        (SAFETENSORS[:5], "cut off"),
        (b"\x02" + bytes(7) + b"[]", "no safetensors header"),
        (b"", "it is empty"),
    ],
)
def test_a_file_called_safetensors_that_is_none_is_refused(tmp_path: Path, content: bytes, what: str) -> None:
    with pytest.raises(ArtifactError, match=what):
        classified(tmp_path, "m.safetensors", content)


def test_a_header_as_long_as_another_formats_mark_says_is_no_such_format(tmp_path: Path) -> None:
    header = HEADER.ljust(0x0178)  # the length's first two bytes are those of zlib

    found = classified(tmp_path, "m.safetensors", len(header).to_bytes(8, "little") + header + b"\1")

    assert found.format is Format.SAFETENSORS


def test_a_name_of_no_known_kind_is_refused_unless_the_spec_says_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"files named '\*\.weights' are not supported"):
        classified(tmp_path, "m.weights", TORCH)

    assert classified(tmp_path, "m.weights", TORCH, "state-dict").layout is Layout.ZIP


@pytest.mark.parametrize(
    ("files", "format_", "weights"),
    [
        (["model.safetensors"], Format.SAFETENSORS, "model.safetensors"),
        (["other.safetensors"], Format.SAFETENSORS, "other.safetensors"),
        (
            ["a-1.safetensors", "a-2.safetensors", "a.safetensors.index.json"],
            Format.SHARDED,
            "a.safetensors.index.json",
        ),
        (["config.json", "model.safetensors", "pytorch_model.bin"], Format.HUGGING_FACE, "model.safetensors"),
        (["config.json", "pytorch_model.bin"], Format.HUGGING_FACE, "pytorch_model.bin"),
        (
            ["config.json", "model-1.safetensors", "model.safetensors.index.json"],
            Format.HUGGING_FACE,
            "model.safetensors.index.json",
        ),
    ],
)
def test_a_folder_is_known_by_its_files(
    tmp_path: Path, files: list[str], format_: Format, weights: str
) -> None:
    for file in files:
        (tmp_path / file).write_bytes(SAFETENSORS if file.endswith(".safetensors") else b"{}")

    found = classify(str(tmp_path))

    assert (found.format, found.weights) == (format_, str(tmp_path / weights))


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ([], "no model in it"),
        (["readme.md"], "no model in it"),
        (["config.json"], "no model in it"),
        (["a.safetensors", "b.safetensors"], r"several files of weights: a\.safetensors, b\.safetensors"),
        (["saved_model.pb"], "TensorFlow SavedModel"),
    ],
)
def test_a_folder_without_one_model_is_refused(tmp_path: Path, files: list[str], what: str) -> None:
    for file in files:
        (tmp_path / file).write_bytes(SAFETENSORS)

    with pytest.raises(ArtifactError, match=what):
        classify(str(tmp_path))


def test_a_folder_whose_config_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("[1]")
    (tmp_path / "model.safetensors").write_bytes(SAFETENSORS)

    with pytest.raises(ArtifactError, match="JSON object"):
        classify(str(tmp_path))


def test_what_is_absent_or_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pt")

    for path in (tmp_path / "absent.pt", tmp_path / "pipe.pt"):
        with pytest.raises(ArtifactError, match="there is no model file"):
            classify(str(path))
