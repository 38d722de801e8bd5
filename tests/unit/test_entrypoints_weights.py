import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from entrypoints.errors import WeightsError
from entrypoints.weights import fit, read

ALL_DTYPES = [
    torch.bool,
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
]
F32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def write(path: Path, header: object, content: bytes = b"\0" * 8) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content)
    return path


def test_every_dtype_is_read_bit_for_bit_as_the_safetensors_library_wrote_it(tmp_path: Path) -> None:
    written = {str(dtype): torch.randint(0, 2, (3, 5)).to(dtype) for dtype in ALL_DTYPES}
    written |= {
        "empty": torch.empty(0, 4),
        "scalar": torch.tensor(1.5),
        "odd": torch.tensor([1], dtype=torch.uint8),
    }
    save_file(written, tmp_path / "w")
    tensors = read(tmp_path / "w")
    assert set(tensors) == set(written)
    for name, tensor in written.items():
        assert tensors[name].dtype == tensor.dtype
        assert torch.equal(tensors[name], tensor)


def test_special_floats_keep_their_bits(tmp_path: Path) -> None:
    bits = torch.tensor([0x7FC00001, 0x7F800000, -0x80000000, 1], dtype=torch.int32)
    save_file({"w": bits.view(torch.float32)}, tmp_path / "w")
    assert torch.equal(read(tmp_path / "w")["w"].view(torch.int32), bits)


def test_tensors_that_are_not_aligned_are_read_all_the_same(tmp_path: Path) -> None:
    header = {
        "a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
        "b": {"dtype": "F32", "shape": [1], "data_offsets": [1, 5]},
    }
    value = torch.tensor([2.5])
    path = write(tmp_path / "w", header, b"\7" + value.numpy().tobytes())
    assert torch.equal(read(path)["b"], value)


def test_writing_to_a_tensor_leaves_the_file_alone(tmp_path: Path) -> None:
    save_file({"w": torch.zeros(4)}, tmp_path / "w")
    read(tmp_path / "w")["w"].fill_(1)
    assert torch.equal(read(tmp_path / "w")["w"], torch.zeros(4))


@pytest.mark.parametrize(
    ("header", "content"),
    [
        (b"", b""),
        (b" {}", b""),
        ({}, b""),
        ({"__metadata__": {"a": "b"}}, b""),
        (b"[]", b""),
        (b'{"a":', b""),
        (b'{"w":' + json.dumps(F32).encode() + b',"w":' + json.dumps(F32).encode() + b"}", b"\0" * 8),
        (b'{"a":' * 5000, b""),
        ({"w": {**F32, "more": 1}}, b"\0" * 8),
        ({"w": {**F32, "dtype": "F8_E4M3"}}, b"\0" * 8),
        ({"w": {**F32, "dtype": ["F32"]}}, b"\0" * 8),
        ({"w": {**F32, "shape": [-2]}}, b"\0" * 8),
        ({"w": {**F32, "shape": [True]}}, b"\0" * 8),
        ({"w": {**F32, "shape": [2**62, 2**62]}}, b"\0" * 8),
        ({"w": {**F32, "data_offsets": [0]}}, b"\0" * 8),
        ({"w": {**F32, "data_offsets": [0, 16]}}, b"\0" * 8),
        ({"w": F32}, b"\0" * 7),
        ({"w": F32}, b"\0" * 9),
        ({"w": {**F32, "data_offsets": [4, 12]}}, b"\0" * 12),
        ({"w": F32, "v": F32}, b"\0" * 8),
        ({"w" * 256: F32}, b"\0" * 8),
        ({"w\n": F32}, b"\0" * 8),
        ({"w": 7}, b"\0" * 8),
    ],
)
def test_a_file_that_breaks_a_rule_of_the_format_is_refused(
    tmp_path: Path, header: object, content: bytes
) -> None:
    with pytest.raises(WeightsError):
        read(write(tmp_path / "w", header, content))


@pytest.mark.parametrize("content", [b"", b"\1", b"\xff" * 8, b"\xff" * 7 + b"\x7f", b"\0\0\x90" + b"\0" * 5])
def test_a_file_without_a_plausible_header_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w").write_bytes(content)
    with pytest.raises(WeightsError):
        read(tmp_path / "w")


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be read"):
        read(tmp_path / "absent")


def test_weights_that_fit_are_copied_into_the_module() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.BatchNorm1d(1))
    wanted = {name: torch.full_like(tensor, 3) for name, tensor in module.state_dict().items()}
    fit(wanted, module)
    assert all(torch.equal(module.state_dict()[name], tensor) for name, tensor in wanted.items())


def test_weights_that_do_not_fit_are_refused_by_name_and_change_nothing() -> None:
    module = torch.nn.Linear(2, 1)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    with pytest.raises(WeightsError) as caught:
        fit({"weight": torch.zeros(1, 3), "extra": torch.zeros(1)}, module)
    problems = "missing bias; unexpected extra; mis-shaped weight is [1, 3], not [1, 2]"
    assert str(caught.value) == f"the weights do not fit Linear: {problems}"
    assert all(torch.equal(module.state_dict()[name], tensor) for name, tensor in before.items())


def test_a_long_list_of_names_is_cut() -> None:
    with pytest.raises(WeightsError, match=r"unexpected t0, t1, t2, t3, t4 and 3 more"):
        fit({f"t{number}": torch.zeros(1) for number in range(8)}, torch.nn.Module())
