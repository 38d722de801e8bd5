"""Small model files that unfold to much, claim much, or never end: each is answered soon, in one line."""

import json
import os
import zipfile
from pathlib import Path

import pytest
import torch

from orchestrator.adapters.checkpoints import examine, reading, statedicts, symbols, torchfiles, weights
from orchestrator.adapters.checkpoints.classify import Layout
from orchestrator.adapters.checkpoints.dtypes import BY_NAME
from orchestrator.adapters.checkpoints.opcodes import MAX_OPCODES
from orchestrator.adapters.checkpoints.rebuilding import Storage, Tensor, Unknown, UnreadableError
from orchestrator.core.errors import ArtifactError
from orchestrator.core.spec import ModelSpec, Reference

WEIGHT = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
TENSOR = Tensor(Storage("0", BY_NAME["float32"]), BY_NAME["float32"], 0, (1,), (1,))
NET = Reference("net.py", "Net")


def safetensors(header: object) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(4)


def zipped(path: Path, members: dict[str, bytes]) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"m/{name}", content)
    return str(path)


def test_a_pickle_of_too_many_opcodes_is_refused_before_it_fills_the_memory() -> None:
    with pytest.raises(UnreadableError, match="more than 5000000 opcodes"):
        symbols.read(b"(" + b"}" * MAX_OPCODES + b"t.")


def test_more_tensors_than_a_header_can_name_are_refused_before_each_is_looked_at() -> None:
    file = torchfiles.TorchFile("m.pt", None, {}, ())
    state = statedicts.StateDict("", dict.fromkeys(map(str, range(reading.MAX_TENSORS + 1)), TENSOR))
    with pytest.raises(ArtifactError, match="it has 160001 tensors, at most 160000"):
        reading.from_torch(file, [state], layout=Layout.ZIP)


def test_lists_that_hold_one_another_twice_are_not_unfolded_in_torchscript(tmp_path: Path) -> None:
    doubling = b"".join(b"](h%ch%ceq%c0" % (level, level, level + 1) for level in range(60))
    script = {
        "data.pkl": b"\x80\2]q\x000" + doubling + b"h\x3c.",
        "constants.pkl": b"\x80\2).",
        "code/x.py": b"",
    }
    assert examine(zipped(tmp_path / "m.pt", script), "auto").tensors == ()


def test_modules_that_share_many_tensors_are_not_unfolded_without_end() -> None:
    state: dict[str, object] = {
        "_parameters": {f"p{number}": TENSOR for number in range(50_000)},
        "_buffers": {},
    }
    module = Unknown("m", "M", state=state)
    state["_modules"] = {f"m{number}": module for number in range(1000)}
    found = statedicts.of_module(module)
    assert found is not None
    assert len(found.tensors) <= 4 * statedicts.MAX_UNFOLDED


def test_a_name_that_is_a_million_prefixes_is_refused(tmp_path: Path) -> None:
    torch.save({"module." * 1_000_000 + "w": torch.ones(1)}, tmp_path / "m.pt")
    with (
        pytest.raises(ArtifactError, match="a name has at most 255 bytes"),
        weights(ModelSpec("m.pt", NET), str(tmp_path)),
    ):
        pass


def test_a_number_that_python_does_not_write_out_is_left_out_of_the_hyper_parameters(tmp_path: Path) -> None:
    hyper = {"huge": 10**5000, "hidden": 8}
    torch.save({"state_dict": {"w": torch.ones(1)}, "hyper_parameters": hyper}, tmp_path / "m.ckpt")
    assert "hyper-parameters: hidden = 8 and 1 more" in examine(str(tmp_path / "m.ckpt"), "auto").notes


def exported(sizes: str) -> bytes:
    weight = '"parameter_name": "w", "arg": {"name": "a"}'
    values = f'"tensor_values": {{"a": {{"dtype": 7, "sizes": [{sizes}]}}}}'
    signature = f'"signature": {{"input_specs": [{{"parameter": {{{weight}}}}}]}}'
    return f'{{"torch_version": "2.13", "graph_module": {{"graph": {{{values}}}, {signature}}}}}'.encode()


@pytest.mark.parametrize(
    "sizes",
    [
        '{"as_int": Infinity}',
        '{"as_int": NaN}',
        '{"as_int": -1}',
        '{"as_int": "2"}',
        '{"as_int": 9223372036854775808}',
        ",".join(['{"as_int": 1}'] * 65),
    ],
)
def test_a_program_whose_tensors_have_impossible_shapes_is_refused(sizes: str, tmp_path: Path) -> None:
    members = {"archive_format": b"pt2", "models/model.json": exported(sizes)}
    with pytest.raises(ArtifactError, match="not described as PyTorch does"):
        examine(zipped(tmp_path / "m.pt2", members), "auto")


def test_the_version_that_a_program_claims_is_shown_in_short_if_it_is_text(tmp_path: Path) -> None:
    program = exported('{"as_int": 2}')
    members = {"archive_format": b"pt2", "models/model.json": program.replace(b"2.13", b"2" * 10_000)}
    shown = examine(zipped(tmp_path / "m.pt2", members), "auto")
    assert shown.written_by == (("torch", "2" * 80),)


@pytest.mark.parametrize("pipe", ["config.json", "one.safetensors", "model.safetensors.index.json"])
def test_a_named_pipe_in_a_folder_is_refused_and_not_waited_for(pipe: str, tmp_path: Path) -> None:
    index = {"weight_map": {"w": "one.safetensors"}}
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "one.safetensors").write_bytes(safetensors({"w": WEIGHT}))
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert examine(str(tmp_path), "hugging-face").tensors
    (tmp_path / pipe).unlink()
    os.mkfifo(tmp_path / pipe)
    if pipe.endswith("index.json"):
        (tmp_path / "one.safetensors").unlink()
    with pytest.raises(ArtifactError):
        examine(str(tmp_path), "hugging-face")


@pytest.mark.parametrize("shape", [[0, 2**62, 4], [0, 2**63 - 1, 2**63 - 1]])
def test_an_empty_tensor_of_a_shape_that_torch_cannot_make_is_refused(
    shape: list[int], tmp_path: Path
) -> None:
    empty = {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}
    (tmp_path / "m.safetensors").write_bytes(safetensors({"empty": empty, "w": WEIGHT}))
    with pytest.raises(ArtifactError, match="of a shape that PyTorch cannot make"):
        examine(str(tmp_path / "m.safetensors"), "auto")
