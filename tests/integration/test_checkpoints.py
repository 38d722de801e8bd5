"""Models as people have them: what `inspect` says of them, and what goes into an archive."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save_file

from orchestrator.adapters.checkpoints import examine, weights
from orchestrator.core.archive import Content
from orchestrator.core.checkpoint import Format, Kind, Weights
from orchestrator.core.errors import ArtifactError, RefusedError, SpecError
from orchestrator.core.spec import ModelSpec, Reference

TENSORS = {
    "a": torch.arange(6.0).reshape(2, 3),
    "b": torch.tensor([1, 2]),
    "c": torch.ones((), dtype=torch.bool),
}
NET = Reference("net.py", "Net")


def spec(path: Path, **more: Any) -> ModelSpec:  # noqa: ANN401 - any key of the spec
    return replace(ModelSpec(path.name, NET), **more)


@contextmanager
def packed(path: Path, **more: Any) -> Iterator[Weights]:  # noqa: ANN401 - as above
    with weights(spec(path, **more), str(path.parent)) as found:
        yield found


def content(made: str | bytes | Content) -> bytes:
    if isinstance(made, bytes | str):
        return made if isinstance(made, bytes) else Path(made).read_bytes()
    return b"".join(made.chunks())


def tensors(path: Path, **more: Any) -> dict[str, torch.Tensor]:  # noqa: ANN401 - as above
    with packed(path, **more) as found:
        (member,) = found.members
        assert (member.path, found.kind) == ("model.safetensors", Kind.SAFETENSORS)
        return load(content(member.content))


def equal(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


class Touches:
    """Unpickled, it makes the file ``path``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self.path),)


def test_a_safetensors_file_is_packaged_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_file(TENSORS, path, {"made-by": "us"})
    with packed(path) as found:
        assert found.members[0].content == str(path)
        assert found.written_by == (("made-by", "us"),)
    shown = examine(str(path), "auto")
    assert (shown.format, shown.packaging, shown.size_bytes) == (
        Format.SAFETENSORS,
        "packaged as it is",
        path.stat().st_size,
    )
    assert {tensor.name: (tensor.dtype, tensor.shape) for tensor in shown.tensors} == {
        "a": ("float32", (2, 3)),
        "b": ("int64", (2,)),
        "c": ("bool", ()),
    }


def test_a_safetensors_file_loses_the_prefix_of_a_wrapper(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_file({f"module.{name}": tensor for name, tensor in TENSORS.items()}, path)
    assert equal(tensors(path), TENSORS)
    assert set(tensors(path, strip_prefix="")) == {"module.a", "module.b", "module.c"}
    assert "the prefix 'module.'" in examine(str(path), "auto").notes[-1]


@pytest.mark.parametrize("as_zip", [True, False])
@pytest.mark.parametrize("name", ["m.pt", "m.PTH", "m.bin", "m.ckpt"])
def test_a_state_dict_is_converted(tmp_path: Path, name: str, as_zip: bool) -> None:  # noqa: FBT001 - drawn
    torch.save(TENSORS, tmp_path / name, _use_new_zipfile_serialization=as_zip)
    assert equal(tensors(tmp_path / name), TENSORS)
    shown = examine(str(tmp_path / name), "auto")
    assert (shown.format, shown.code, shown.written_by) == (Format.STATE_DICT, (), ())
    assert shown.packaging == "its tensors are converted to safetensors"


@pytest.mark.parametrize("as_zip", [True, False])
def test_a_training_checkpoint_gives_its_tensors_and_runs_nothing(tmp_path: Path, as_zip: bool) -> None:  # noqa: FBT001 - drawn
    module = torch.nn.Linear(2, 1)
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    checkpoint = {
        "state_dict": module.state_dict(),
        "optimizer_states": [optimizer.state_dict()],
        "hyper_parameters": {"hidden": 128, "args": argparse.Namespace(lr=0.1)},
        "pytorch-lightning_version": "2.5.0",
        "callbacks": {"evil": Touches(tmp_path / "ran")},
    }
    torch.save(checkpoint, tmp_path / "m.ckpt", _use_new_zipfile_serialization=as_zip)
    assert equal(tensors(tmp_path / "m.ckpt"), dict(module.state_dict()))
    shown = examine(str(tmp_path / "m.ckpt"), "auto")
    assert shown.keys == ("state_dict",)
    assert shown.written_by == (("pytorch-lightning", "2.5.0"),)
    assert {code.what for code in shown.code} >= {"calls posix.mkdir"}
    assert any("hidden = 128" in note for note in shown.notes)
    assert not (tmp_path / "ran").exists()
    torch.load(tmp_path / "m.ckpt", weights_only=False)
    assert (tmp_path / "ran").exists()  # the proof that it could have run


def test_the_key_of_the_spec_chooses_between_several(tmp_path: Path) -> None:
    ema = {name: tensor.clone() for name, tensor in TENSORS.items()}
    torch.save({"model": TENSORS, "ema": ema}, tmp_path / "m.pt")
    assert equal(tensors(tmp_path / "m.pt", state_dict_key="ema"), ema)
    with pytest.raises(ArtifactError, match="holds 2 state_dicts"), packed(tmp_path / "m.pt"):
        pass
    shown = examine(str(tmp_path / "m.pt"), "auto")
    assert shown.keys == ("model", "ema")
    assert shown.packaging == "needs model.state_dict_key: one of model, ema"
    assert {tensor.name for tensor in shown.tensors} >= {"model.a", "ema.a"}


def test_the_format_of_the_spec_stands_above_an_unknown_suffix(tmp_path: Path) -> None:
    torch.save(TENSORS, tmp_path / "weights.data")
    assert equal(tensors(tmp_path / "weights.data", format="state-dict"), TENSORS)


def test_a_large_strided_tensor_is_put_in_order_part_by_part(tmp_path: Path) -> None:
    large = {
        "turned": torch.arange(1_500_000.0).reshape(1000, 1500).T,
        "last": torch.arange(2_000_000)[1::2],
        "deep": torch.arange(1_200_000, dtype=torch.int16).reshape(2, 600, 1000).transpose(1, 2),
    }
    torch.save(large, tmp_path / "m.pt")
    with packed(tmp_path / "m.pt") as found:
        made = found.members[0].content
        assert not isinstance(made, str | bytes)
        assert max(map(len, made.chunks())) <= 1024 * 1024
    assert equal(tensors(tmp_path / "m.pt"), large)


@pytest.mark.parametrize(
    ("saved", "why"),
    [
        ({"a": torch.zeros(2).to_sparse()}, "tensor 'a' is sparse"),
        ({"a": torch.zeros(2, dtype=torch.complex64)}, "tensor 'a' is complex64, which is not served"),
        ({"a": torch.zeros(2, device="meta")}, "tensor 'a' is without content"),
        ({"a\n": torch.zeros(2)}, "no control characters"),
        ({"a": torch.zeros(1).expand(2**40)}, "at most"),
    ],
)
def test_a_tensor_that_cannot_be_packaged_is_refused_by_name(tmp_path: Path, saved: object, why: str) -> None:
    torch.save(saved, tmp_path / "m.pt")
    with pytest.raises(ArtifactError) as caught, packed(tmp_path / "m.pt"):
        pass
    assert why in str(caught.value)
    assert why in examine(str(tmp_path / "m.pt"), "auto").packaging


@pytest.mark.parametrize("as_zip", [True, False])
def test_a_whole_module_is_seen_and_refused_and_not_run(tmp_path: Path, as_zip: bool) -> None:  # noqa: FBT001 - drawn
    module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    torch.save(module, tmp_path / "m.pt", _use_new_zipfile_serialization=as_zip)
    shown = examine(str(tmp_path / "m.pt"), "auto")
    assert shown.format is Format.MODULE
    assert {tensor.name for tensor in shown.tensors} == set(module.state_dict())
    assert "allow_code = true" in shown.packaging
    with pytest.raises(RefusedError) as caught, packed(tmp_path / "m.pt", class_=None):
        pass
    assert "torch.nn.modules.container.Sequential" in dict(caught.value.details)["code"]


def test_what_lies_in_a_pickle_has_to_be_what_the_spec_says(tmp_path: Path) -> None:
    torch.save(TENSORS, tmp_path / "state.pt")
    torch.save(torch.nn.Linear(2, 3), tmp_path / "module.pt")
    for name, declared in (("state.pt", "module"), ("module.pt", "state-dict")):
        with (
            pytest.raises(ArtifactError, match=f"by the spec it is {declared}, by its content"),
            packed(tmp_path / name, format=declared, allow_code=True),
        ):
            pass
        with pytest.raises(ArtifactError, match=f"by the spec it is {declared}, by its content"):
            examine(str(tmp_path / name), declared)


@pytest.mark.parametrize("name", ["m.safetensors", "m.pt"])
def test_weights_without_a_class_are_refused_with_the_key(tmp_path: Path, name: str) -> None:
    (save_file if name.endswith("s") else torch.save)(TENSORS, tmp_path / name)
    with pytest.raises(SpecError, match=r"model\.class is needed"), packed(tmp_path / name, class_=None):
        pass


def test_a_key_into_a_file_without_state_dicts_is_refused(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "m.safetensors")
    with (
        pytest.raises(SpecError, match="has no effect"),
        packed(tmp_path / "m.safetensors", state_dict_key="ema"),
    ):
        pass


def test_a_file_cut_off_at_any_part_is_refused(tmp_path: Path) -> None:
    for as_zip in (True, False):
        torch.save(TENSORS, tmp_path / "m.pt", _use_new_zipfile_serialization=as_zip)
        whole = (tmp_path / "m.pt").read_bytes()
        for length in {*range(0, len(whole), 17), len(whole) - 1}:
            (tmp_path / "m.pt").write_bytes(whole[:length])
            with pytest.raises(ArtifactError), packed(tmp_path / "m.pt"):
                pass


def test_a_file_that_changes_while_it_is_packaged_is_an_error(tmp_path: Path) -> None:
    torch.save(TENSORS, tmp_path / "m.pt")
    with packed(tmp_path / "m.pt") as found:
        (tmp_path / "m.pt").write_bytes(b"short")
        with pytest.raises(ArtifactError, match="has changed while it was being packaged"):
            content(found.members[0].content)


def sharded(folder: Path) -> None:
    for number, (name, tensor) in enumerate(TENSORS.items()):
        save_file({name: tensor}, folder / f"model-{number}.safetensors")
    shards = {name: f"model-{number}.safetensors" for number, name in enumerate(TENSORS)}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))


def test_shards_are_packaged_as_they_are_with_their_index(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    sharded(folder)
    with packed(folder) as found:
        assert [member.path for member in found.members] == [
            "model.safetensors.index.json",
            *(f"model-{number}.safetensors" for number in range(3)),
        ]
        assert (found.kind, found.format) == (Kind.SAFETENSORS, Format.SHARDED)
    assert {tensor.name for tensor in examine(str(folder), "auto").tensors} == set(TENSORS)


def hugging_face(folder: Path) -> None:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"transformers_version": "4.40.0", "auto_map": {}}))
    for name in ("tokenizer.json", "vocab.txt", "modeling.py", "training_args.bin", "README.md"):
        (folder / name).write_text("{}")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text("{}")


def test_of_a_hugging_face_folder_only_data_is_packaged(tmp_path: Path) -> None:
    folder = tmp_path / "bert"
    hugging_face(folder)
    save_file(TENSORS, folder / "model.safetensors", {"format": "pt"})
    with packed(folder, class_=None) as found:
        assert [member.path for member in found.members] == [
            "model.safetensors",
            "1_Pooling/config.json",
            "config.json",
            "tokenizer.json",
            "vocab.txt",
        ]
        assert found.kind is Kind.HUGGING_FACE
        assert found.written_by[0] == ("transformers", "4.40.0")
    with packed(folder) as found:
        assert found.kind is Kind.SAFETENSORS
    notes = " ".join(examine(str(folder), "auto").notes)
    assert "auto_map" in notes
    assert "modeling.py, training_args.bin" in notes


def test_a_link_out_of_a_strangers_folder_packs_nothing_of_ours(tmp_path: Path) -> None:
    folder = tmp_path / "bert"
    hugging_face(folder)
    save_file(TENSORS, folder / "model.safetensors")
    (tmp_path / "private").write_text("mine")
    (folder / "vocab.txt").unlink()
    (folder / "vocab.txt").symlink_to(tmp_path / "private")
    with (
        pytest.raises(ArtifactError, match=r"vocab.txt' is a link that leads out"),
        packed(folder, class_=None),
    ):
        pass


def test_the_links_of_hugging_faces_own_cache_are_followed(tmp_path: Path) -> None:
    blobs = tmp_path / "models--x" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / "abc").write_text("[PAD]")
    snapshot = tmp_path / "models--x" / "snapshots" / "1f0c"
    snapshot.parent.mkdir()
    hugging_face(snapshot)
    save_file(TENSORS, snapshot / "model.safetensors")
    (snapshot / "vocab.txt").unlink()
    (snapshot / "vocab.txt").symlink_to(blobs / "abc")
    with packed(snapshot, class_=None) as found:
        assert "vocab.txt" in {member.path for member in found.members}


@pytest.mark.parametrize("is_sharded", [False, True])
def test_the_pickles_of_a_hugging_face_folder_are_converted(tmp_path: Path, is_sharded: bool) -> None:  # noqa: FBT001 - drawn
    folder = tmp_path / "bert"
    hugging_face(folder)
    names = {name: f"pytorch_model-{number}.bin" for number, name in enumerate(TENSORS)}
    if is_sharded:
        (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": names}))
        for name, file in names.items():
            torch.save({name: TENSORS[name]}, folder / file)
    else:
        torch.save(TENSORS, folder / "pytorch_model.bin")
    with packed(folder, class_=None) as found:
        assert equal(load(content(found.members[0].content)), TENSORS)
    assert examine(str(folder), "auto").format is Format.HUGGING_FACE


def test_a_program_is_refused_unless_the_spec_allows_code(tmp_path: Path) -> None:
    program = torch.export.export(torch.nn.Linear(2, 1), (torch.ones(1, 2),))
    torch.export.save(program, tmp_path / "m.pt2")
    with pytest.raises(RefusedError, match=r"program of torch\.export"), packed(tmp_path / "m.pt2"):
        pass
    assert examine(str(tmp_path / "m.pt2"), "auto").format is Format.EXPORTED


def test_reading_and_converting_a_model_takes_neither_torch_nor_numpy(tmp_path: Path) -> None:
    torch.save(TENSORS, tmp_path / "m.pt")
    program = """
import sys
sys.modules.update(dict.fromkeys(("torch", "numpy", "safetensors")))
from orchestrator.adapters.checkpoints import examine, weights
from orchestrator.core.spec import ModelSpec, Reference
assert len(examine(sys.argv[1] + "/m.pt", "auto").tensors) == 3
with weights(ModelSpec("m.pt", Reference("net.py", "Net")), sys.argv[1]) as found:
    print(sum(map(len, found.members[0].content.chunks())) == found.members[0].content.size_bytes)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], check=True, capture_output=True, text=True
    )
    assert done.stdout == "True\n"


def test_putting_a_strided_tensor_in_order_names_the_missing_extra(tmp_path: Path) -> None:
    torch.save({"a": TENSORS["a"].T}, tmp_path / "m.pt")
    program = """
import sys
sys.modules["numpy"] = None
from orchestrator.adapters.checkpoints import weights
from orchestrator.core.errors import MissingExtraError
from orchestrator.core.spec import ModelSpec, Reference
try:
    weights(ModelSpec("m.pt", Reference("net.py", "Net")), sys.argv[1]).__enter__()
except MissingExtraError as error:
    print(error.hint)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], check=True, capture_output=True, text=True
    )
    assert done.stdout == "pip install 'cloud-deployment-orchestrator[torch]'\n"
