"""How models are made in the container: from classes, programs and architectures of transformers."""

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedConfig,
    PreTrainedModel,
)

from entrypoints.errors import ModelError, NotAModuleError, WeightsError
from entrypoints.loaders import Exported, FromClass, HuggingFace, Loader, TorchScript

# TorchScript is on its way out, and says so whenever it is made; the loader is silent.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")

IDS = torch.tensor([[1, 2, 3]])


class Tied(nn.Module):
    def __init__(self, hidden: int = 3) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.second(self.first(x)))


class Wrapped(nn.Module):
    def __init__(self, program: nn.Module, scale: float = 1.0) -> None:
        super().__init__()
        self.program, self.scale = program, scale

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.program(x) * self.scale)


def test_a_class_is_made_with_its_arguments_and_gets_the_weights(tmp_path: Path) -> None:
    trained = Tied(5)
    save_file(
        {name: tensor.clone() for name, tensor in trained.state_dict().items()},
        tmp_path / "model.safetensors",
    )
    module = FromClass(Tied, {"hidden": 5}).load(str(tmp_path))
    assert isinstance(module, Tied)
    assert module.second.weight is module.first.weight
    x = torch.rand(2, 5)
    with torch.inference_mode():
        assert torch.equal(module(x), trained(x))


@pytest.mark.parametrize("make", [dict, "Tied"])
def test_what_makes_no_module_is_refused(make: Callable[..., object], tmp_path: Path) -> None:
    with pytest.raises(NotAModuleError):
        FromClass(make).load(str(tmp_path))


def test_weights_of_another_class_are_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.ones(2)}, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match=r"missing first\.weight"):
        FromClass(Tied).load(str(tmp_path))


@pytest.fixture
def script(tmp_path: Path) -> torch.jit.ScriptModule:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        program: torch.jit.ScriptModule = torch.jit.script(
            nn.Sequential(nn.Linear(3, 2), nn.Dropout()).eval()
        )
        program.save(str(tmp_path / "model.pt"))
    return program


def test_a_torchscript_program_is_loaded_and_wrapped_if_the_user_has_a_class_for_that(
    script: torch.jit.ScriptModule, tmp_path: Path
) -> None:
    x = torch.rand(2, 3)
    expected = script(x)
    assert torch.equal(TorchScript().load(str(tmp_path)).eval()(x), expected)
    wrapped = TorchScript(Wrapped, {"scale": 2.0}).load(str(tmp_path)).eval()
    assert torch.equal(wrapped(x), expected * 2)
    with pytest.raises(NotAModuleError):
        TorchScript(lambda _: None).load(str(tmp_path))


@pytest.mark.parametrize("loader", [TorchScript(), Exported(), HuggingFace(), FromClass(Tied)])
def test_an_empty_folder_and_a_damaged_model_are_errors_of_the_model(loader: Loader, tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        loader.load(str(tmp_path))
    for name in ("model.pt", "exported.json", "config.json", "model.safetensors"):
        (tmp_path / name).write_bytes(b"PK\x03\x04 but no more than that")
    with pytest.raises(ModelError):
        loader.load(str(tmp_path))


def test_an_exported_program_is_loaded_and_wrapped_if_the_user_has_a_class_for_that(tmp_path: Path) -> None:
    program = {
        "version": 1,
        "state": {"p_weight": "weight"},
        "parameters": [["x", "*"]],
        "inputs": [{"name": "x", "dtype": "float32", "shape": [2]}],
        "ranges": {},
        "nodes": [
            {
                "name": "mul",
                "target": "aten.mul.Tensor",
                "args": [{"node": "x"}, {"node": "p_weight"}],
                "kwargs": {},
            }
        ],
        "mutations": [],
        "outputs": [{"node": "mul"}],
        "structure": "*",
    }
    (tmp_path / "exported.json").write_text(json.dumps(program))
    save_file({"weight": torch.tensor([2.0, 3.0])}, tmp_path / "model.safetensors")
    assert Exported().load(str(tmp_path))(torch.ones(2)).tolist() == [2.0, 3.0]
    assert Exported(Wrapped, {"scale": 2.0}).load(str(tmp_path))(torch.ones(2)).tolist() == [4.0, 6.0]


BERT = BertConfig(
    vocab_size=30,
    hidden_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=16,
)
GPT2 = GPT2Config(vocab_size=30, n_embd=16, n_layer=1, n_head=2, n_positions=16)


def bert(tmp_path: Path, dtype: torch.dtype = torch.float32) -> Path:
    model = BertForSequenceClassification(BERT)
    nn.Module.to(model, dtype)
    model.save_pretrained(tmp_path)
    return tmp_path


def changed(folder: Path, rename: Callable[[str], str | None]) -> None:
    tensors = load_file(folder / "model.safetensors")
    kept = {new: tensor for name, tensor in tensors.items() if (new := rename(name))}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize(
    ("kind", "config"),
    [(BertForSequenceClassification, BERT), (BertForMaskedLM, BERT), (GPT2LMHeadModel, GPT2)],
)
@pytest.mark.parametrize("prefixed", [True, False])
def test_a_hugging_face_folder_makes_the_model_that_transformers_makes_of_it(
    kind: type[PreTrainedModel],
    config: PreTrainedConfig,
    tmp_path: Path,
    *,
    prefixed: bool,
) -> None:
    kind(config).save_pretrained(tmp_path)
    if not prefixed:
        # As the hub's own "gpt2" lies there: without the name that the head's class gives to its body.
        changed(tmp_path, lambda name: name.removeprefix(f"{kind.base_model_prefix}."))
    module = HuggingFace().load(str(tmp_path)).eval()
    library = kind.from_pretrained(tmp_path, local_files_only=True).train(mode=False)
    assert type(module) is kind
    with torch.inference_mode():
        assert torch.equal(module(IDS).logits, library(IDS).logits)


def test_a_hugging_face_model_in_half_precision_stays_in_it(tmp_path: Path) -> None:
    module = HuggingFace().load(str(bert(tmp_path, torch.float16)))
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float16}


def test_a_weight_that_is_missing_is_not_made_up(tmp_path: Path) -> None:
    changed(bert(tmp_path), lambda name: None if name == "classifier.bias" else name)
    with pytest.raises(WeightsError, match=r"missing classifier\.bias"):
        HuggingFace().load(str(tmp_path))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"architectures": ["NoSuchModel"]}, "has no architecture 'NoSuchModel'"),
        ({"architectures": ["logging"]}, "has no architecture 'logging'"),
        ({"architectures": ["__file__"]}, "has no architecture '__file__'"),
        ({"architectures": [7]}, "which is no name"),
        ({"architectures": []}, "does not say which architecture"),
        ({"quantization_config": {"quant_method": "gptq"}}, "quantization"),
        ({"text_config": {"_attn_implementation": "someone/kernels"}}, "'someone/kernels'"),
    ],
)
def test_a_config_that_asks_for_more_than_the_library_itself_is_refused(
    change: dict[str, object], text: str, tmp_path: Path
) -> None:
    config = {"architectures": ["BertModel"], **BERT.to_diff_dict(), **change}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=text):
        HuggingFace().load(str(tmp_path))


def test_code_in_a_hugging_face_folder_is_not_run(tmp_path: Path) -> None:
    bert(tmp_path)
    marker = tmp_path / "marker"
    (tmp_path / "modeling_own.py").write_text(f"open({str(marker)!r}, 'w')")
    config = json.loads((tmp_path / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "modeling_own.Config", "AutoModel": "modeling_own.Model"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    shutil.copy(tmp_path / "modeling_own.py", tmp_path / "configuration_own.py")
    assert isinstance(HuggingFace().load(str(tmp_path)), BertForSequenceClassification)
    assert not marker.exists()
