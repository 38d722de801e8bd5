"""Exported programs, kept as data and run by the runtime's interpreter, against the programs themselves."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram, export

from entrypoints.errors import InferenceError, ModelError
from entrypoints.exported import Program, read
from orchestrator.adapters.checkpoints.programs import ProgramError, described

# PyTorch's export warns of what PyTorch itself does.
pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning",
    "ignore::DeprecationWarning",
    "ignore:The tensor attributes self.lstm:UserWarning",
)

BATCH = Dim("batch", min=1, max=64)
TWO = (torch.arange(6.0).reshape(2, 3),)


class Mlp(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 5), nn.GELU(), nn.Dropout(), nn.Linear(5, 2))

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(self.layers(x), dim=-1)


class Convolution(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2))
        self.layers[1].running_mean = torch.arange(4.0)

    def forward(self, x: Tensor) -> Tensor:
        hidden: Tensor = self.layers(x)
        return hidden.flatten(1).reshape(x.shape[0] * 2, -1)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 4, batch_first=True)

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        output, (hidden, cell) = self.lstm(x)
        return output, (hidden, cell)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10, 8, padding_idx=0)
        self.layer = nn.TransformerEncoderLayer(8, 2, 8, batch_first=True, dropout=0.0)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> dict[str, Tensor]:
        positions = torch.arange(input_ids.shape[1], device=input_ids.device)
        hidden = self.embedding(input_ids) + torch.sin(positions)[None, :, None]
        if attention_mask is not None:
            hidden = hidden.masked_fill(attention_mask[..., None] == 0, float("-inf"))
            hidden = torch.nan_to_num(hidden, neginf=-1.0)
        return {"hidden": self.layer(hidden), "mask": input_ids.to(torch.bool)}


class Counter(nn.Module):
    total: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("total", torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        self.total += x.sum(0)
        return self.total * x


class Constants(nn.Module):
    unsaved: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("unsaved", torch.arange(3.0), persistent=False)
        self.plain = torch.ones(3)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            scale = self.plain * 2
        return x.to(torch.float64) * self.unsaved * scale + torch.tensor([1.0, 2.0, 3.0])


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.second(self.first(x)))


class Nested(nn.Module):
    def forward(self, pair: tuple[Tensor, list[Tensor]], more: dict[str, Tensor]) -> list[Any]:
        return [pair[0] + more["a"], (pair[1][0] * more["b"], None, 7)]


class Bare(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.cumsum(0).clamp(min=1.5)


def kept(program: ExportedProgram, folder: Path) -> Program:
    description, tensors = described(program)
    if tensors:
        save_file({name: tensor.clone() for name, tensor in tensors.items()}, folder / "model.safetensors")
    (folder / "exported.json").write_text(json.dumps(description))
    return read(str(folder))


def own(program: ExportedProgram) -> nn.Module:
    """Return the program's own module; PyTorch picks other kernels for weights that could be trained."""
    return program.module().requires_grad_(requires_grad=False)


def answer(module: nn.Module, *args: object, **kwargs: object) -> Any:  # noqa: ANN401 - what any model answers
    with torch.inference_mode():
        return module(*args, **kwargs)


RELU: dict[str, object] = {
    "version": 1,
    "state": {},
    "parameters": [["x", "*"]],
    "inputs": [{"name": "x", "dtype": "float32", "shape": ["length"]}],
    "ranges": {},
    "nodes": [
        {"name": "relu", "target": "aten.relu.default", "args": [{"node": "x"}], "kwargs": {}},
    ],
    "mutations": [],
    "outputs": [{"node": "relu"}],
    "structure": "*",
}
IDS = torch.tensor([[1, 2, 0], [3, 4, 5]])
CASES: Mapping[str, tuple[Callable[[], nn.Module], tuple[Any, ...], dict[str, Any]]] = {
    "a perceptron": (Mlp, TWO, {}),
    "convolution and batch norm": (Convolution, (torch.rand(2, 1, 8, 8),), {}),
    "an LSTM": (Recurrent, (torch.rand(2, 4, 3),), {}),
    "attention, a dict and a mask": (Attention, (IDS,), {"attention_mask": (IDS > 0).long()}),
    "attention without its mask": (Attention, (IDS,), {}),
    "constants and a part without gradients": (Constants, TWO, {}),
    "tied weights": (Tied, TWO, {}),
    "nested inputs and outputs": (
        Nested,
        ((torch.ones(2), [torch.rand(2)]), {"a": torch.rand(2), "b": torch.rand(2)}),
        {},
    ),
    "no weights at all": (Bare, TWO, {}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_program_kept_as_data_answers_exactly_as_the_program_itself(name: str, tmp_path: Path) -> None:
    make, args, kwargs = CASES[name]
    program = export(make().eval(), args, kwargs)
    expected, given = (
        answer(own(program), *args, **kwargs),
        answer(kept(program, tmp_path), *args, **kwargs),
    )
    torch.testing.assert_close(given, expected, rtol=0, atol=0)
    assert type(given) is type(expected)


@pytest.mark.parametrize("name", ["a perceptron", "convolution and batch norm", "tied weights"])
def test_a_program_of_core_operators_only_answers_exactly_the_same(name: str, tmp_path: Path) -> None:
    make, args, kwargs = CASES[name]
    program = export(make().eval(), args, kwargs).run_decompositions()
    expected, given = answer(own(program), *args), answer(kept(program, tmp_path), *args)
    torch.testing.assert_close(given, expected, rtol=0, atol=0)


@pytest.mark.parametrize("decomposed", [False, True])
def test_what_a_program_writes_to_its_buffers_is_there_at_the_next_call(
    tmp_path: Path, *, decomposed: bool
) -> None:
    program = export(Counter().eval(), TWO)
    program = program.run_decompositions() if decomposed else program
    module, original = kept(program, tmp_path), own(program)
    for _ in range(3):
        assert torch.equal(answer(module, *TWO), answer(original, *TWO))
    assert not torch.equal(answer(module, *TWO), answer(read(str(tmp_path)), *TWO))


def test_tied_weights_are_kept_once(tmp_path: Path) -> None:
    _, tensors = described(export(Tied().eval(), TWO))
    assert sorted(tensors) == ["first.bias", "first.weight", "second.bias"]


@pytest.mark.parametrize("count", [1, 5, 64])
def test_a_batch_of_any_length_that_the_program_allows_is_answered(count: int, tmp_path: Path) -> None:
    program = export(Mlp().eval(), TWO, dynamic_shapes={"x": {0: BATCH}})
    batch = torch.rand(count, 3)
    assert torch.equal(answer(kept(program, tmp_path), batch), answer(own(program), batch))


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ((torch.rand(65, 3),), "input 'x' has shape [65, 3]: 65 is not from 1 to 64"),
        ((torch.rand(2, 4),), "input 'x' has shape [2, 4]: 4 is 3 in this program"),
        ((torch.rand(3),), "input 'x' has 1 dimensions, not 2"),
        ((torch.ones(2, 3, dtype=torch.int64),), "input 'x' is torch.int64, not torch.float32"),
        (([1.0],), "input 'x' is list, not torch.float32"),
        ((), "input 'x' is NoneType, not torch.float32"),
        ((torch.rand(2, 3), torch.rand(1)), "the program takes x"),
    ],
)
def test_an_input_that_the_program_was_not_exported_for_is_refused(
    given: tuple[object, ...], problem: str, tmp_path: Path
) -> None:
    module = kept(export(Mlp().eval(), TWO, dynamic_shapes={"x": {0: BATCH}}), tmp_path)
    with pytest.raises(InferenceError) as refused:
        answer(module, *given)
    assert (refused.value.status_code, refused.value.message) == (400, problem)


def test_inputs_are_taken_by_name_and_those_of_one_length_have_to_agree(tmp_path: Path) -> None:
    shapes = {"input_ids": {0: BATCH}, "attention_mask": {0: BATCH}}
    args = {"input_ids": IDS, "attention_mask": torch.ones_like(IDS)}
    program = export(Attention().eval(), (), args, dynamic_shapes=shapes)
    module = kept(program, tmp_path)
    assert module.input_names == ("input_ids", "attention_mask")
    expected = answer(own(program), **args)
    assert torch.equal(
        answer(module, IDS, attention_mask=args["attention_mask"])["hidden"], expected["hidden"]
    )
    with pytest.raises(InferenceError, match=r"1 is 2 elsewhere"):
        answer(module, IDS, torch.ones(1, 3, dtype=torch.int64))
    with pytest.raises(InferenceError, match="the program takes input_ids, attention_mask"):
        answer(module, IDS, mask=IDS)


def test_an_input_that_was_left_out_at_export_cannot_be_given(tmp_path: Path) -> None:
    module = kept(export(Attention().eval(), (IDS, None)), tmp_path)
    with pytest.raises(InferenceError, match="is None in this program"):
        answer(module, IDS, torch.ones_like(IDS))
    assert torch.equal(answer(module, IDS)["hidden"], answer(module, IDS, None)["hidden"])


@pytest.mark.parametrize(
    "target",
    [
        "aten.from_file.default",
        "aten._print.default",
        "aten.save.default",
        "aten.manual_seed.default",
        "aten.set_grad_enabled.default",
        "aten.percentFormat.default",
        "aten._sparse_coo_tensor_unsafe.default",
        "aten._nested_view_from_buffer.default",
        "torchvision.nms.default",
        "builtins.eval",
        "operator.methodcaller",
        "operator.attrgetter",
        "torch.load",
        "math.__loader__.load_module",
        "aten.__class__.__init__",
        "aten.relu",
        "prims.__dict__.clear",
    ],
)
def test_a_program_that_calls_anything_but_a_known_operator_is_refused_when_it_is_read(
    target: str, tmp_path: Path
) -> None:
    node = {"name": "relu", "target": target, "args": [{"node": "x"}], "kwargs": {}}
    (tmp_path / "exported.json").write_text(json.dumps(RELU | {"nodes": [node]}))
    with pytest.raises(ModelError, match=target.partition(".")[0]):
        read(str(tmp_path))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("version", 2),
        ("nodes", [{}]),
        ("nodes", []),
        ("outputs", [{"node": "nowhere"}]),
        ("outputs", [{"import": "os"}]),
        ("outputs", [{"dtype": "load"}]),
        ("outputs", [{"dtype": "_inductor"}]),
        ("outputs", [{"complex": [10**400, 0]}]),
        ("outputs", [{"node": "relu"}, {"node": "relu"}]),
        ("outputs", []),
        ("parameters", []),
        ("state", {"p": []}),
        ("state", []),
        ("state", {"p": "absent.weight"}),
        ("structure", {"set": ["*"]}),
        ("inputs", [{"name": "x", "dtype": "float32", "shape": [[1]]}]),
        ("mutations", [["nowhere", "x"]]),
    ],
)
def test_a_damaged_program_is_refused_when_it_is_read(key: str, value: object, tmp_path: Path) -> None:
    (tmp_path / "exported.json").write_text(json.dumps(RELU | {key: value}))
    with pytest.raises(ModelError):
        read(str(tmp_path))


@pytest.mark.parametrize("depth", [900, 2000, 100_000])
def test_a_program_that_is_nested_too_deeply_is_refused_when_it_is_read(depth: int, tmp_path: Path) -> None:
    nested = '{"a": ' * depth + "1" + "}" * depth
    text = json.dumps(RELU | {"outputs": ["here"]}).replace('"here"', "[" * depth + "]" * depth)
    for program in (text, json.dumps(RELU | {"structure": "here"}).replace('"here"', nested)):
        (tmp_path / "exported.json").write_text(program)
        with pytest.raises(ModelError):
            read(str(tmp_path))


def test_the_smallest_program_is_read_and_run(tmp_path: Path) -> None:
    (tmp_path / "exported.json").write_text(json.dumps(RELU))
    assert answer(read(str(tmp_path)), torch.tensor([-1.0, 2.0])).tolist() == [0.0, 2.0]


def test_a_program_that_is_absent_or_no_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        read(str(tmp_path))
    (tmp_path / "exported.json").write_text("[" * 100_000)
    with pytest.raises(ModelError, match="cannot be read"):
        read(str(tmp_path))


class Branch(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        chosen: Tensor = torch.cond(x.sum() > 0, lambda one: one + 1, lambda one: one - 1, (x,))
        return chosen


def test_a_program_that_branches_is_refused_by_the_name_of_the_operator() -> None:
    with pytest.raises(ProgramError, match=r"it calls higher_order\.cond, which cannot be kept as data"):
        described(export(Branch().eval(), TWO))
