"""Whatever tensors torch saves, what is made of them is what torch itself reads, bit for bit."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load

from entrypoints import weights as runtime
from orchestrator.adapters.checkpoints import examine, weights
from orchestrator.core.archive import Content
from orchestrator.core.errors import ArtifactError
from orchestrator.core.spec import ModelSpec, Reference

DTYPES = [
    torch.bool,
    torch.uint8,
    torch.int8,
    torch.uint16,
    torch.int16,
    torch.uint32,
    torch.int32,
    torch.uint64,
    torch.int64,
    torch.float8_e4m3fn,
    torch.float8_e5m2,
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
]
LATE = {torch.uint16, torch.uint32, torch.uint64, torch.float8_e4m3fn, torch.float8_e5m2}
VIEWS: list[Callable[[torch.Tensor], torch.Tensor]] = [
    lambda tensor: tensor,
    lambda tensor: tensor.transpose(0, -1) if tensor.dim() else tensor,
    lambda tensor: tensor[..., 1::2] if tensor.dim() else tensor,
    lambda tensor: tensor[1:] if tensor.dim() else tensor,
    lambda tensor: tensor.expand(3, *tensor.shape),
    lambda tensor: tensor.unsqueeze(0).transpose(0, -1),
    lambda tensor: tensor.as_strided((2, 2), (1, 0)) if tensor.numel() > 1 else tensor,
]
SHAPES = st.lists(st.integers(0, 5), max_size=4)
LIMITS = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def tensors(draw: st.DrawFn) -> torch.Tensor:
    dtype, shape = draw(st.sampled_from(DTYPES)), draw(SHAPES)
    count = torch.Size(shape).numel() * dtype.itemsize
    if dtype is torch.bool:  # a byte other than 0 and 1 is no truth value
        whole = torch.tensor(draw(st.lists(st.booleans(), min_size=count, max_size=count)), dtype=dtype)
    else:
        content = bytearray(draw(st.binary(min_size=count, max_size=count)) or b"\0" * dtype.itemsize)
        whole = torch.frombuffer(content, dtype=dtype)[: torch.Size(shape).numel()]
    return draw(st.sampled_from(VIEWS))(whole.reshape(shape))


@st.composite
def state_dicts(draw: st.DrawFn) -> dict[str, torch.Tensor]:
    found = draw(
        st.dictionaries(st.from_regex(r"[a-z]{1,3}(\.[a-zé]{1,3})?", fullmatch=True), tensors(), min_size=1)
    )
    first = next(iter(found.values()))
    return found | draw(
        st.sampled_from([{}, {"tied": first}, {"turned": first.t() if first.dim() == 2 else first}])
    )


def bits(tensor: torch.Tensor) -> tuple[object, ...]:
    # A copy, because a tensor of one element counts as contiguous whatever its stride is.
    copy = torch.empty(tensor.numel(), dtype=tensor.dtype).copy_(tensor.reshape(-1))
    flat = copy.view(torch.uint8).tolist() if copy.numel() else []
    return tensor.dtype, tensor.shape, bytes(flat)


def packaged(path: Path) -> bytes:
    spec = ModelSpec(path.name, Reference("net.py", "Net"), strip_prefix="")
    with weights(spec, str(path.parent)) as found:
        (member,) = found.members
        assert not isinstance(member.content, str | bytes)
        return whole(member.content)


def whole(content: Content) -> bytes:
    first, again = (b"".join(content.chunks()) for _ in range(2))
    assert first == again
    assert len(first) == content.size_bytes
    return first


def same(left: Mapping[str, torch.Tensor], right: Mapping[str, torch.Tensor]) -> bool:
    return {name: bits(tensor) for name, tensor in left.items()} == {
        name: bits(tensor) for name, tensor in right.items()
    }


@LIMITS
@given(state_dicts(), st.booleans())
def test_a_saved_state_dict_is_converted_bit_for_bit(saved: dict[str, torch.Tensor], as_zip: bool) -> None:  # noqa: FBT001 - drawn
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt"
        torch.save(saved, path, _use_new_zipfile_serialization=as_zip)
        content = packaged(path)
        # Torch does not read its own legacy files with the dtypes that came after them.
        is_read_by_torch = as_zip or not any(tensor.dtype in LATE for tensor in saved.values())
        expected = torch.load(path, weights_only=True) if is_read_by_torch else saved
        assert same(load(content), expected)
        (Path(folder) / "model.safetensors").write_bytes(content)
        assert same(runtime.read(Path(folder) / "model.safetensors"), expected)
        shown = {tensor.name: (tensor.dtype, tensor.shape) for tensor in examine(str(path), "auto").tensors}
        assert shown == {
            name: (str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape))
            for name, tensor in expected.items()
        }


@LIMITS
@given(state_dicts(), st.booleans(), st.data())
def test_a_damaged_file_is_refused_or_read_but_never_anything_else(
    saved: dict[str, torch.Tensor],
    as_zip: bool,  # noqa: FBT001 - drawn
    draw: st.DataObject,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt"
        torch.save(saved, path, _use_new_zipfile_serialization=as_zip)
        content = bytearray(path.read_bytes())
        for position in draw.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=3)):
            content[position] = draw.draw(st.integers(0, 255))
        path.write_bytes(content[: draw.draw(st.integers(1, len(content)) | st.just(len(content)))])
        try:
            packaged(path)
        except ArtifactError as error:
            assert str(path) in str(error)  # noqa: PT017 - either outcome is right, this one has a form
