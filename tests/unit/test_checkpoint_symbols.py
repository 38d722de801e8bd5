"""Reading what a pickle describes, without importing or calling anything."""

import collections
import io
import mmap
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from orchestrator.adapters.checkpoints import statedicts, symbols
from orchestrator.adapters.checkpoints.rebuilding import (
    Key,
    Name,
    StrangeTensor,
    Tensor,
    Unknown,
    UnreadableError,
)

PLAIN: list[object] = [
    None,
    True,
    -(2**70),
    1.5,
    "ä\n",
    b"\0\xff" * 300,
    (),
    (1,),
    (1, 2, 3, 4),
    [1, [2, [3]]],
    {"a": {"b": [1, 2]}, 3: None},
    collections.OrderedDict(a=1, b=2),
    ["same"] * 300,
]


class Calls:
    """Unpickled, it calls ``function``."""

    def __init__(self, function: Any, *arguments: object) -> None:  # noqa: ANN401 - any callable
        self._call = (function, arguments)

    def __reduce__(self) -> Any:  # noqa: ANN401 - as object says
        return self._call


def saved(value: object, **options: object) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, **options)  # type: ignore[arg-type]  # drawn by name
    return zipfile.ZipFile(file).read("archive/data.pkl")


def read(content: bytes) -> Any:  # noqa: ANN401 - whatever was pickled
    return symbols.read(content).value


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("value", PLAIN, ids=lambda value: type(value).__name__)
def test_plain_values_are_read_as_pickle_reads_them(value: object, protocol: int) -> None:
    content = pickle.dumps(value, protocol)
    found = symbols.read(content)
    assert found.value == value
    assert found.end == len(content)


@pytest.mark.parametrize("value", [None, True, 7, 1.5, "text", [1, (2, {"a": 3})]])
def test_the_textual_protocol_is_read_too(value: object) -> None:
    assert read(pickle.dumps(value, 0)) == value


def test_a_call_is_described_and_not_made(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    content = pickle.dumps({"x": Calls(Path.touch, marker), "y": 1})
    found = read(content)
    assert isinstance(found["x"], Unknown)
    assert found["y"] == 1
    assert not marker.exists()
    pickle.loads(content)  # noqa: S301 - the proof that it would have run
    assert marker.exists()


def test_a_call_that_would_fill_the_memory_is_not_made() -> None:
    found = read(pickle.dumps(Calls(bytearray, 10**13)))
    assert (found.name, found.arguments) == ("bytearray", (10**13,))


@pytest.mark.parametrize("opcode", [b"\x8d", b"\x8e", b"\x96"])
def test_a_text_that_claims_to_be_huge_is_refused_before_it_is_read(opcode: bytes) -> None:
    with pytest.raises(UnreadableError, match="at most"):
        symbols.read(b"\x80\4" + opcode + (2**40).to_bytes(8, "little") + b"x.")


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_pickle_cut_off_anywhere_is_refused(protocol: int) -> None:
    content = pickle.dumps({"a": [1, "text", Calls(print, 1.5)], "b": (b"bytes", 2**70)}, protocol)
    for length in range(len(content)):
        with pytest.raises(UnreadableError):
            symbols.read(content[:length])


@pytest.mark.parametrize(
    "content",
    [
        b".",
        b"0.",
        b"h\1.",
        b"t.",
        b"1.",
        b"u.",
        b"}(K\1u.",
        b"R.",
        b"\x93.",
        b"K\1K\2\x93.",
        b"\x97.",
        b"\xff.",
    ],
)
def test_a_stack_that_does_not_work_out_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableError):
        symbols.read(content)


def test_depth_and_sharing_cost_nothing() -> None:
    deep = b"]" * 200_000 + b"a" * 199_999 + b"."
    assert isinstance(read(deep), list)
    doubled = b"K\1" + b"2\x86" * 5000 + b"."
    assert isinstance(read(doubled), tuple)


def test_keys_that_are_not_plain_are_not_hashed() -> None:
    deep_tuple = b")" + b"\x85" * 100_000
    (key,) = read(b"}" + deep_tuple + b"K\1s.")
    assert isinstance(key, Key)
    assert all(isinstance(key, Key) for key in read(pickle.dumps({2**61: 1, 1.5: 2, b"x": 3})))


def test_what_pop_and_dup_leave_is_what_pickle_leaves() -> None:
    content = b"(K\1K\2K\x030l]K\x042\x86a\x86."
    with pytest.raises(pickle.UnpicklingError):
        pickle.loads(b"(K\1K\x020" + b"0" * 3 + b".")  # noqa: S301 - ours
    assert read(b"(K\1K\2K\x030l.") == pickle.loads(b"(K\1K\2K\x030l.") == [1, 2]  # noqa: S301 - ours
    assert read(b"K\1(K\x021.") == pickle.loads(b"K\1(K\x021.") == 1  # noqa: S301 - ours
    assert read(content) == pickle.loads(content)  # noqa: S301 - ours


def test_names_extensions_and_instances_stay_what_they_are() -> None:
    assert read(b"cposix\nsystem\n.") == Name("posix", "system")
    assert str(read(b"\x82\7.")) == "copyreg.extension 7"
    assert str(read(b"(K\1iposix\nsystem\n.")) == "posix.system"
    assert str(read(b"(cposix\nsystem\nK\1o.")) == "posix.system"


def test_an_unknown_mapping_keeps_its_items() -> None:
    found = read(b"ccustom\nDict\n)\x81}X\1\0\0\0aK\1sbX\1\0\0\0bK\2s.")
    assert found.items == {"b": 2}
    assert found.state == {"a": 1}


def test_a_pickle_in_a_mapped_file_leaves_what_follows_alone(tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(b"front" + pickle.dumps([1], 2) + b"\n" * 100)
    with (
        (tmp_path / "p").open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        found = symbols.read(content, 5)
        assert found.value == [1]
        assert content[found.end :] == b"\n" * 100


def test_every_way_to_save_a_tensor_is_read() -> None:
    whole = torch.arange(12.0).reshape(3, 4)
    odd = torch.zeros(2)
    odd.note = "an attribute makes it another call"  # type: ignore[attr-defined]
    found = read(
        saved(
            {
                "view": whole[1:, ::2],
                "parameter": torch.nn.Parameter(torch.ones(2)),
                "uint16": torch.zeros(3, dtype=torch.uint16),
                "attribute": odd,
            }
        )
    )
    assert all(isinstance(tensor, Tensor) for tensor in found.values())
    view = found["view"]
    assert (view.offset, view.shape, view.strides, view.dtype.name) == (4, (2, 2), (4, 2), "float32")
    assert found["uint16"].dtype.name == "uint16"


def test_tensors_that_are_more_than_their_elements_say_what_they_are() -> None:
    found = read(
        saved(
            {
                "sparse": torch.ones(2).to_sparse(),
                "meta": torch.ones(2, device="meta"),
                "conjugated": torch.ones(2, dtype=torch.complex64).conj(),
            }
        )
    )
    assert all(isinstance(tensor, StrangeTensor) for tensor in found.values())
    assert [tensor.what.split()[0] for tensor in found.values()] == ["sparse", "without", "conjugated"]


@pytest.mark.parametrize(
    "argument",
    [
        b"X\1\0\0\0x",
        b"(X\7\0\0\0storageK\1t",
        b"(X\7\0\0\0storagecos\nsystem\nX\1\0\0\x000X\3\0\0\0cpuK\1t",
    ],
)
def test_a_persistent_id_that_torch_does_not_write_is_refused(argument: bytes) -> None:
    with pytest.raises(UnreadableError, match="no storage of torch"):
        symbols.read(argument + b"Q.")


@pytest.mark.parametrize(
    "arguments", [b")", b"(K\1K\2t", b"(K\1K\1K\1K\1K\1K\1t"], ids=["none", "two", "no storage"]
)
def test_a_tensor_that_is_described_wrongly_is_refused(arguments: bytes) -> None:
    with pytest.raises(UnreadableError, match="describes a tensor wrongly"):
        symbols.read(b"ctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"R.")


def test_the_tensors_of_a_whole_module_are_seen_under_their_names() -> None:
    module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    state = statedicts.of_module(read(saved(module)))
    assert state is not None
    assert set(state.tensors) == set(module.state_dict())


def test_modules_that_hold_one_another_are_not_unfolded_without_end() -> None:
    module = Unknown("m", "M", state={"_parameters": {}, "_buffers": {}, "_modules": {}})
    assert isinstance(module.state, dict)
    module.state["_modules"] = {"a": module, "b": module}
    assert statedicts.of_module(module) is None
