import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from entrypoints.errors import WeightsError
from entrypoints.weights import fit, read, read_folder

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
    torch.uint16,
    torch.uint32,
    torch.uint64,
    torch.complex64,
    torch.float8_e4m3fn,
    torch.float8_e5m2,
    torch.float8_e4m3fnuz,
    torch.float8_e5m2fnuz,
]
F32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def write(path: Path, header: object, content: bytes = b"\0" * 8) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content)
    return path


def bits(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


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
        assert bits(tensors[name]) == bits(tensor)


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
        ({"w": {**F32, "dtype": "F4"}}, b"\0" * 8),
        ({"w": {**F32, "dtype": ["F32"]}}, b"\0" * 8),
        ({"w": {**F32, "shape": [-2]}}, b"\0" * 8),
        ({"w": {**F32, "shape": [True]}}, b"\0" * 8),
        ({"w": {**F32, "shape": [2**62, 2**62]}}, b"\0" * 8),
        ({"w": {**F32, "shape": [2, *[1] * 64]}}, b"\0" * 8),
        ({"w": {**F32, "shape": [0, 2**63], "data_offsets": [0, 0]}}, b""),
        ({"w": {**F32, "shape": [0, 2**62, 4], "data_offsets": [0, 0]}}, b""),
        (
            b'{"w":{"dtype":"F32","shape":[' + b",".join([b"9" * 4000] * 2000) + b'],"data_offsets":[0,0]}}',
            b"",
        ),
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


SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


def sharded(root: Path, index: object) -> Path:
    save_file({"a": torch.ones(2), "b": torch.zeros(1, dtype=torch.bfloat16)}, root / SHARDS[0])
    save_file({"c": torch.full((1, 2), 3, dtype=torch.int8)}, root / SHARDS[1])
    text = index if isinstance(index, bytes) else json.dumps({"metadata": {}, "weight_map": index}).encode()
    (root / "model.safetensors.index.json").write_bytes(text)
    return root


def test_weights_in_several_files_are_read_as_one(tmp_path: Path) -> None:
    found = read_folder(sharded(tmp_path, {"a": SHARDS[0], "b": SHARDS[0], "c": SHARDS[1]}))
    assert {name: (tensor.dtype, tensor.tolist()) for name, tensor in found.items()} == {
        "a": (torch.float32, [1, 1]),
        "b": (torch.bfloat16, [0]),
        "c": (torch.int8, [[3, 3]]),
    }


def test_one_file_of_weights_needs_no_index(tmp_path: Path) -> None:
    save_file({"w": torch.ones(1)}, tmp_path / "model.safetensors")
    assert list(read_folder(tmp_path)) == ["w"]


@pytest.mark.parametrize(
    "index",
    [
        {"a": SHARDS[0], "b": SHARDS[0]},
        {"a": SHARDS[0], "c": SHARDS[1]},
        {"a": SHARDS[0], "b": SHARDS[0], "c": SHARDS[0]},
        {"a": SHARDS[0], "b": SHARDS[0], "c": "absent.safetensors"},
        {"a": SHARDS[0], "b": SHARDS[0], "c": f"../{SHARDS[1]}"},
        {"a": SHARDS[0], "b": SHARDS[0], "c": ".."},
        {"a": 7},
        {},
        [],
        b"{",
        b"[]",
        b'{"weight_map": 7}',
        b'{"weight_map": {"a": "x", "a": "y"}}',
    ],
)
def test_an_index_that_disagrees_with_its_files_is_refused(tmp_path: Path, index: object) -> None:
    root = sharded(tmp_path, index)
    if index == {"a": SHARDS[0], "b": SHARDS[0]}:
        save_file({"x": torch.ones(1), "a": torch.ones(1)}, root / SHARDS[0])
    with pytest.raises(WeightsError):
        read_folder(root)


def test_a_folder_without_weights_is_refused_by_the_name_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"^model\.safetensors cannot be read"):
        read_folder(tmp_path)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / SHARDS[0]).write_bytes(b"{}")
    with pytest.raises(WeightsError, match=rf"^{SHARDS[0]} has no complete header"):
        read(tmp_path / SHARDS[0])


class Tied(torch.nn.Module):
    """Two layers with one weight, a layer that keeps its weights in a list, and one that occurs twice."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(3, 2)
        self.head = torch.nn.Linear(2, 3, bias=False)
        self.head.weight = self.embedding.weight
        self.lstm = torch.nn.LSTM(2, 2, batch_first=True)
        self.again = torch.nn.ModuleList([self.lstm])
        self.norm = torch.nn.BatchNorm1d(2)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        hidden: torch.Tensor = self.lstm(self.embedding(words))[0]
        answer: torch.Tensor = self.head(self.norm(hidden.transpose(1, 2)).transpose(1, 2))
        return answer


def test_weights_in_mapped_memory_are_used_where_they_lie(tmp_path: Path) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    save_file(module.state_dict(), tmp_path / "w")
    tensors = read(tmp_path / "w")
    fit(tensors, module)
    state = module.state_dict()
    assert {name: state[name].data_ptr() for name in state} == {
        name: tensors[name].data_ptr() for name in state
    }
    assert all(parameter.requires_grad for parameter in module.parameters())


def test_what_is_tied_stays_tied_and_answers_as_before(tmp_path: Path) -> None:
    torch.manual_seed(0)
    trained, served = Tied().eval(), Tied().eval()
    save_file({name: tensor.clone() for name, tensor in trained.state_dict().items()}, tmp_path / "w")
    fit(read(tmp_path / "w"), served)
    words = torch.tensor([[0, 1, 2]])
    assert served.head.weight is served.embedding.weight
    assert served.again[0] is served.lstm
    assert torch.equal(served(words), trained(words))


def test_of_tied_weights_that_differ_the_last_one_wins_as_it_does_in_pytorch() -> None:
    ours, theirs = Tied(), Tied()
    state = {name: tensor.clone() for name, tensor in ours.state_dict().items()}
    state["head.weight"] = state["embedding.weight"] + 1
    fit(state, ours)
    theirs.load_state_dict(state)
    assert torch.equal(ours.embedding.weight, theirs.embedding.weight)
    assert torch.equal(ours.head.weight, state["head.weight"])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_the_modules_own_dtype_wins(dtype: torch.dtype) -> None:
    module = torch.nn.Linear(2, 1).to(torch.float32)
    fit({"weight": torch.tensor([[0.5, 2]], dtype=dtype), "bias": torch.ones(1, dtype=dtype)}, module)
    assert module.weight.dtype == torch.float32
    assert module.weight.tolist() == [[0.5, 2]]


def test_who_looks_at_anothers_memory_sees_the_new_weights() -> None:
    module = torch.nn.Linear(2, 2)
    module.first_row = module.weight.detach()[0]
    fit({"weight": torch.full((2, 2), 7.0), "bias": torch.zeros(2)}, module)
    assert torch.equal(torch.as_tensor(module.first_row), torch.full((2,), 7.0))


def test_a_module_without_memory_of_its_own_gets_that_of_the_weights() -> None:
    with torch.device("meta"):
        module = torch.nn.Linear(2, 1)
    fit({"weight": torch.ones(1, 2), "bias": torch.zeros(1)}, module)
    assert module(torch.ones(1, 2)).tolist() == [[2]]


def test_another_order_in_memory_is_kept() -> None:
    module = torch.nn.Conv2d(2, 3, 2).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
    weight = torch.randn(3, 2, 2, 2)
    fit({"weight": weight, "bias": torch.zeros(3)}, module)
    assert module.weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(module.weight, weight)


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
