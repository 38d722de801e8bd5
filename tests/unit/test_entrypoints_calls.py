import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers.modeling_outputs import SequenceClassifierOutput

from entrypoints import npy, table
from entrypoints.answers import on_cpu
from entrypoints.custom import Custom
from entrypoints.entrypoint import EntryPoint
from entrypoints.errors import InferenceError, NotAModuleError, WeightsError
from entrypoints.image_classification import ImageClassification
from entrypoints.loaders import FromClass
from entrypoints.schema import Input, Schema

LABELS = ("cat", "dog", "owl")
PIXELS = [[[0.0, 5.0], [0.0, 0.0]]]
JSON, CSV, NPY = "application/json", "text/csv", "application/x-npy"


class Answered(NamedTuple):
    scores: torch.Tensor
    name: str


class Net(torch.nn.Module):
    """Logits are the first pixels."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(classes))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image.flatten(1)[:, : len(self.scale)] * self.scale


class Named(torch.nn.Module):
    """Two inputs, two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.offset = torch.nn.Parameter(torch.zeros(1))

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"sum": a + b + self.offset, "difference": a - b}


class Headers:
    """The part of TorchServe's context that an entry point uses."""

    def __init__(self, sent: dict[str, Any] | None = None) -> None:
        self.sent = sent or {}
        self.answered: dict[str, str] = {}

    def get_all_request_header(self, index: int) -> dict[str, Any]:
        return self.sent if index == 0 else {}

    def set_response_header(self, index: int, name: str, value: str) -> None:
        assert index == 0
        self.answered[name] = value


def classifier(**changes: Any) -> EntryPoint:  # noqa: ANN401 - any field of an entry point
    schema = Schema({"image": Input("float32", (1, 2, 2))})
    return EntryPoint(
        **{"loader": FromClass(Net), "task": ImageClassification(LABELS), "schema": schema, **changes}
    )


def model_dir(root: Path, module: torch.nn.Module, manifest: str | None = None) -> str:
    save_file(module.state_dict(), root / "model.safetensors")
    if manifest is not None:
        (root / "code").mkdir()
        (root / "code" / "manifest.json").write_text(manifest)
    return str(root)


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., Any]:
    def call(entry: EntryPoint, body: str | bytes, kind: str | None = JSON, accept: str | None = None) -> Any:  # noqa: ANN401 - decoded JSON, or bytes
        if not (tmp_path / "model.safetensors").exists():
            assert isinstance(entry.loader, FromClass)
            module = entry.loader.make(**entry.loader.init_args)
            assert isinstance(module, torch.nn.Module)
            model_dir(tmp_path, module)
        served = entry.load(str(tmp_path))
        answer, answered_kind = entry.encode(entry.predict(entry.decode(body, kind), served), accept)
        return json.loads(answer) if answered_kind == JSON else answer

    return call


Ask = Callable[..., Any]


def status(ask: Ask, *arguments: object) -> int:
    with pytest.raises(InferenceError) as caught:
        ask(*arguments)
    code: int = caught.value.status_code
    return code


def test_one_image_is_answered_by_its_label_and_the_probabilities_likeliest_first(ask: Ask) -> None:
    answer = ask(classifier(), json.dumps({"image": PIXELS}))
    assert answer["label"] == "dog"
    assert answer["score"] == answer["probabilities"]["dog"] == pytest.approx(0.98670, abs=1e-4)
    assert list(answer["probabilities"]) == ["dog", "cat", "owl"]
    assert sum(answer["probabilities"].values()) == pytest.approx(1)


def test_a_batch_of_images_is_answered_by_a_list_of_predictions(ask: Ask) -> None:
    answer = ask(classifier(), json.dumps({"instances": [PIXELS, PIXELS]}))
    assert [one["label"] for one in answer["predictions"]] == ["dog", "dog"]


def test_a_class_without_label_is_called_by_its_number(ask: Ask) -> None:
    assert ask(classifier(task=ImageClassification()), json.dumps(PIXELS))["label"] == "1"


def test_an_answer_lists_at_most_ten_classes(ask: Ask) -> None:
    entry = EntryPoint(loader=FromClass(Net, {"classes": 12}), task=ImageClassification())
    answer = ask(entry, json.dumps([[float(number) for number in range(12)]]))
    assert list(answer["predictions"][0]["probabilities"]) == [str(number) for number in range(11, 1, -1)]


def test_a_model_whose_classes_are_not_those_of_the_labels_is_a_500(ask: Ask) -> None:
    assert status(ask, classifier(task=ImageClassification(("a", "b"))), json.dumps(PIXELS)) == 500


def test_a_custom_model_answers_with_nested_lists(ask: Ask) -> None:
    entry = classifier(task=Custom())
    assert ask(entry, json.dumps(PIXELS)) == [0.0, 5.0, 0.0]
    assert ask(entry, json.dumps([PIXELS])) == [[0.0, 5.0, 0.0]]


def test_several_inputs_reach_the_model_by_name_and_several_outputs_the_caller(ask: Ask) -> None:
    schema = Schema({"a": Input("float32", (2,)), "b": Input("float32", (2,))})
    entry = EntryPoint(loader=FromClass(Named), schema=schema)
    answer = ask(entry, '{"b": [1, 1], "a": [3, 4]}')
    assert answer == {"sum": [4.0, 5.0], "difference": [2.0, 3.0]}
    assert status(ask, entry, '{"b": [1, 1], "a": [3, 4]}', JSON, CSV) == 406


def test_outputs_without_names_are_answered_in_their_order(ask: Ask) -> None:
    class Pair(Net):
        def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, None]:  # type: ignore[override]  # as models do
            return super().forward(image), None

    entry = classifier(loader=FromClass(Pair), task=Custom())
    assert ask(entry, json.dumps(PIXELS)) == [[0.0, 5.0, 0.0], None]
    assert ask(entry, json.dumps([PIXELS])) == [[[0.0, 5.0, 0.0]], None]


def test_what_postprocess_returns_for_a_custom_model_is_the_answer(ask: Ask) -> None:
    entry = classifier(task=Custom(), postprocess=lambda output: output.argmax(1))
    assert ask(entry, json.dumps(PIXELS)) == 1
    assert ask(entry, json.dumps([PIXELS, PIXELS])) == [1, 1]
    assert ask(entry, json.dumps([PIXELS]), JSON, CSV) == b"1\n"
    assert npy.parse(ask(entry, json.dumps(PIXELS), JSON, NPY)).tolist() == 1
    whole = classifier(postprocess=lambda output: {"mean": output.mean()})
    assert ask(whole, json.dumps([PIXELS])) == {"mean": pytest.approx(5 / 3)}


def test_image_classification_needs_logits_of_examples_and_classes(ask: Ask) -> None:
    class Flat(Net):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return super().forward(image).sum(1)

    assert status(ask, classifier(loader=FromClass(Flat)), json.dumps(PIXELS)) == 500


def test_a_csv_row_holds_a_flattened_example_and_stays_a_batch(ask: Ask) -> None:
    assert ask(classifier(task=Custom()), "0,5,1,0\n", "text/csv; charset=utf-8") == [[0.0, 5.0, 1.0]]


def test_csv_and_npy_answers_are_the_probabilities_of_all_classes(ask: Ask) -> None:
    rows = table.parse(ask(classifier(), json.dumps([PIXELS]), JSON, CSV))
    array = npy.parse(ask(classifier(), json.dumps([PIXELS]), JSON, NPY))
    assert array.dtype == np.float32
    assert array.shape == (1, 3)
    assert np.array_equal(rows.astype(np.float32), array)


def test_an_npy_body_is_answered_in_npy(ask: Ask) -> None:
    file = io.BytesIO()
    np.save(file, np.asarray(PIXELS, dtype=">f8"))
    answer = npy.parse(ask(classifier(task=Custom()), file.getvalue(), NPY, NPY))
    assert answer.tolist() == [0.0, 5.0, 0.0]


def test_a_body_without_content_type_is_taken_for_json(ask: Ask) -> None:
    assert ask(classifier(), json.dumps(PIXELS).encode(), None)["label"] == "dog"


@pytest.mark.parametrize("body", [None, "", b"", bytearray()])
def test_an_empty_body_gets_400(body: str | bytes | None) -> None:
    with pytest.raises(InferenceError) as caught:
        classifier().decode(body, JSON)
    assert caught.value.status_code == 400


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_a_form_of_which_the_front_end_hands_nothing_over_gets_415(kind: str) -> None:
    with pytest.raises(InferenceError, match="is not taken; send application/json") as caught:
        classifier().decode(None, kind)
    assert caught.value.status_code == 415


def test_an_unknown_content_type_gets_415_and_an_unknown_accept_406(ask: Ask) -> None:
    assert status(ask, classifier(), "x", "text/plain") == 415
    assert status(ask, classifier(), json.dumps(PIXELS), JSON, "image/png") == 406
    assert status(ask, classifier(task=Custom()), b"\x89PNG", "image/png") == 415


def test_preprocess_gets_the_decoded_body_and_may_return_one_example(ask: Ask) -> None:
    seen = []

    def preprocess(value: Any) -> Any:  # noqa: ANN401 - as a user's function
        seen.append(value)
        return {"image": torch.tensor(value["pixels"]).reshape(1, 2, 2)}

    answer = ask(classifier(preprocess=preprocess), '{"pixels": [0, 0, 7, 0]}')
    assert answer["label"] == "owl"
    assert seen == [{"pixels": [0, 0, 7, 0]}]


def test_postprocess_gets_the_raw_batch_and_its_only_answer_is_the_answer(ask: Ask) -> None:
    def postprocess(output: torch.Tensor) -> list[dict[str, object]]:
        assert output.shape == (1, 3)
        return [{"top": row.argmax(), "raw": row.numpy()} for row in output]

    entry = classifier(postprocess=postprocess)
    assert ask(entry, json.dumps(PIXELS)) == {"top": 1, "raw": [0.0, 5.0, 0.0]}
    assert ask(entry, json.dumps([PIXELS])) == {"predictions": [{"top": 1, "raw": [0.0, 5.0, 0.0]}]}


@pytest.mark.parametrize("place", ["preprocess", "postprocess"])
def test_a_function_of_the_user_that_raises_is_a_500_which_names_it(
    ask: Ask, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(value: object) -> object:
        raise RuntimeError(f"☕ {value}")

    with pytest.raises(InferenceError, match=f"{place} failed") as caught:
        ask(classifier(**{place: fail}), json.dumps(PIXELS))
    assert caught.value.status_code == 500
    assert "RuntimeError" in capsys.readouterr().err


def test_an_answer_that_json_cannot_say_is_an_error_and_never_nan(ask: Ask) -> None:
    for output, expected in [([float("nan")], 422), ([float("inf")], 422), ([object()], 500), ([b""], 500)]:
        entry = classifier(postprocess=lambda _, output=output: output)
        assert status(ask, entry, json.dumps(PIXELS)) == expected


def test_logits_that_are_nan_get_422(ask: Ask) -> None:
    class Broken(Net):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return super().forward(image) * torch.nan

    assert status(ask, classifier(loader=FromClass(Broken)), json.dumps(PIXELS)) == 422


def test_a_model_that_raises_is_a_500(ask: Ask) -> None:
    entry = EntryPoint(loader=FromClass(Net), schema=Schema({"x": Input("float32", ())}))
    assert status(ask, entry, "1.0") == 500


def test_an_answer_larger_than_torchserve_allows_gets_422(ask: Ask) -> None:
    entry = classifier(postprocess=lambda _: ["x" * 6_553_500])
    assert status(ask, entry, json.dumps(PIXELS)) == 422


def test_a_class_that_makes_no_module_is_refused_while_loading(tmp_path: Path) -> None:
    with pytest.raises(NotAModuleError, match=r"makes dict, which is no torch.nn.Module"):
        EntryPoint(loader=FromClass(dict)).load(model_dir(tmp_path, Net()))


def test_weights_of_another_class_are_refused_while_loading(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="missing offset; unexpected scale"):
        EntryPoint(loader=FromClass(Named)).load(model_dir(tmp_path, Net()))


def test_a_model_is_loaded_for_inference(tmp_path: Path) -> None:
    assert not EntryPoint(loader=FromClass(Net)).load(model_dir(tmp_path, Net())).module.training


def marked(tmp_path: Path, manifest: str | None, sent: dict[str, Any]) -> dict[str, str]:
    entry = classifier()
    served = entry.load(model_dir(tmp_path, Net(), manifest))
    headers = Headers(sent)
    entry.encode(entry.predict(entry.decode(json.dumps(PIXELS), JSON), served), None, headers)
    return headers.answered


def test_an_answer_carries_the_fingerprint_and_what_the_caller_sent(tmp_path: Path) -> None:
    sent = {"x-amzn-sagemaker-custom-attributes": "trace=7", "body": {"content-type": JSON}}
    assert marked(tmp_path, '{"files": []}', sent) == {
        "X-Amzn-SageMaker-Custom-Attributes": "orchestrator-model=4f53cda18c2baa0c;trace=7"
    }


@pytest.mark.parametrize("theirs", ["", "x" * 1024, "naïve", "two\nlines"])
def test_custom_attributes_that_do_not_fit_are_left_out(tmp_path: Path, theirs: str) -> None:
    answered = marked(tmp_path, '{"files": []}', {"X-Amzn-SageMaker-Custom-Attributes": theirs})
    assert list(answered.values()) == ["orchestrator-model=4f53cda18c2baa0c"]


@pytest.mark.parametrize("manifest", [None, "", "[]", "{}", "\x00"])
def test_without_a_manifest_an_answer_carries_no_fingerprint(tmp_path: Path, manifest: str | None) -> None:
    assert marked(tmp_path, manifest, {}) == {}


def test_what_a_model_of_transformers_answers_with_keeps_its_attributes_for_postprocess() -> None:
    logits = torch.ones(1, 2, requires_grad=True)
    moved = on_cpu(SequenceClassifierOutput(logits=logits, hidden_states=(logits, logits)))
    assert isinstance(moved, SequenceClassifierOutput)
    assert moved["logits"] is moved.logits
    assert not moved.logits.requires_grad
    assert not any(state.requires_grad for state in moved["hidden_states"])


def test_a_named_tuple_keeps_its_names_for_postprocess() -> None:
    moved = on_cpu(Answered(torch.ones(2, requires_grad=True), "x"))
    assert not moved.scores.requires_grad
    assert moved.name == "x"
