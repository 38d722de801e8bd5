import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from entrypoints.embeddings import Embeddings
from entrypoints.entrypoint import EntryPoint
from entrypoints.errors import ModelError
from entrypoints.schema import Input, Schema
from entrypoints.text_classification import TextClassification
from entrypoints.texts import Texts
from tests.support.entrypoints_calls import CSV, TEXT, Caller, Made

WORDS = ["[PAD]", "[UNK]", "good", "bad", "[CLS]", "[SEP]"]
LABELS = ("negative", "positive")


class Counting(torch.nn.Module):
    """Logits are how often the words for bad and good occur."""

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        return torch.stack([(input_ids == word).sum(1) for word in (3, 2)], dim=1).float()


class Masked(torch.nn.Module):
    """Logits are the sums of the inputs that it takes, by a name that Hugging Face's models use."""

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"logits": torch.stack([attention_mask.sum(1), input_ids.sum(1)], dim=1).float()}


class Hidden(torch.nn.Module):
    """The vector of a token is its number and one."""

    def forward(
        self, input_ids: torch.Tensor, token_type_ids: torch.Tensor, attention_mask: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        assert token_type_ids.sum() == 0
        assert attention_mask.shape == input_ids.shape
        return {"last_hidden_state": torch.stack([input_ids, torch.ones_like(input_ids)], dim=2)}


def caller(
    root: Path,
    task: Texts,
    module: torch.nn.Module,
    words: list[str] | None = None,
    **more: Any,  # noqa: ANN401 - any field of an entry point
) -> Caller:
    (root / "code").mkdir(exist_ok=True)
    (root / "code" / "words.txt").write_text("\n".join(words or WORDS))
    return Caller(root, EntryPoint(Made(module), task, **more))


def classifier(root: Path, **options: Any) -> Caller:  # noqa: ANN401 - any option of the task
    task = TextClassification(**{"tokenizer": "words.txt", "labels": LABELS, **options})
    return caller(root, task, Counting())


@pytest.mark.parametrize(
    "body",
    [
        '"good good bad"',
        {"text": "good good bad"},
        {"inputs": "Good, GOOD; bad"},
        {"input": {"text": "good good bad"}},
        {"X": "good good bad"},
    ],
)
def test_one_text_is_answered_by_its_label(tmp_path: Path, body: object) -> None:
    answer = classifier(tmp_path).ask(body)
    assert answer["label"] == "positive"
    assert answer["score"] == answer["probabilities"]["positive"] == pytest.approx(0.7310586)


@pytest.mark.parametrize(
    "body",
    [
        ["good", "bad bad"],
        {"texts": ["good", "bad bad"]},
        {"text": ["good", "bad bad"]},
        {"inputs": ["good", "bad bad"]},
        {"instances": [{"text": "good"}, {"text": "bad bad"}]},
    ],
)
def test_a_list_of_texts_is_answered_by_a_list_of_predictions(tmp_path: Path, body: object) -> None:
    answer = classifier(tmp_path).ask(body)
    assert [one["label"] for one in answer["predictions"]] == ["positive", "negative"]


def test_a_plain_text_is_a_text_whatever_it_says(tmp_path: Path) -> None:
    assert classifier(tmp_path).ask("good ☕ {".encode(), TEXT)["label"] == "positive"
    assert classifier(tmp_path).refused(b"\xff", TEXT) == "400 the text is not UTF-8"


def test_what_an_answer_lists_can_be_chosen(tmp_path: Path) -> None:
    short = classifier(tmp_path, probabilities=False).ask({"text": "good"})
    assert short == {"label": "positive", "score": pytest.approx(0.7310586)}
    one = classifier(tmp_path, top_k=1).ask({"text": "good"})
    assert list(one["probabilities"]) == ["positive"]
    assert classifier(tmp_path).ask({"text": "good"}, accept=CSV).count(b",") == 1


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        7,
        None,
        {"text": 7},
        {"text": []},
        ["a", 1],
        [["a"]],
        {"text": "a", "x": 1},
        '"\\ud800"',
        [None],
    ],
)
def test_what_is_no_text_gets_400(tmp_path: Path, body: object) -> None:
    assert classifier(tmp_path).refused(json.dumps(body) if body is None else body).startswith("400 ")


def test_a_model_gets_the_mask_if_it_takes_one_and_padding_is_hidden(tmp_path: Path) -> None:
    task = TextClassification(tokenizer="words.txt", labels=LABELS)
    answer = caller(tmp_path, task, Masked()).ask({"texts": ["good", "good bad bad"]}, accept=CSV)
    # [CLS] good [SEP]: 3 tokens whose numbers are 4 + 2 + 5; the other has 5: 4 + 2 + 3 + 3 + 5.
    expected = torch.tensor([[3.0, 11.0], [5.0, 17.0]]).softmax(1)
    rows = [[float(cell) for cell in line.split(",")] for line in answer.decode().splitlines()]
    assert torch.allclose(torch.tensor(rows), expected)


def test_a_text_is_cut_to_the_longest_that_the_model_takes(tmp_path: Path) -> None:
    task = TextClassification(tokenizer="words.txt", max_tokens=3)
    assert caller(tmp_path, task, Counting()).ask({"text": "bad good good"})["label"] == "0"


@pytest.mark.parametrize(
    ("positions", "options", "tokens"),
    [(4, {}, 4), (-1, {}, 512), (None, {}, 512), (2048, {}, 512), (4, {"max_tokens": 6}, 6)],
)
def test_a_text_is_cut_to_the_positions_that_a_hugging_face_model_has(
    tmp_path: Path, positions: int | None, options: dict[str, Any], tokens: int
) -> None:
    module = Masked()
    module.config = SimpleNamespace(max_position_embeddings=positions)  # type: ignore[assignment]  # as their models have
    task = TextClassification(tokenizer="words.txt", **options)
    entry = caller(tmp_path, task, module).entry
    served = entry.load(str(tmp_path))
    prediction = entry.predict(entry.decode("good " * 600, TEXT), served)
    assert prediction.inputs["input_ids"].shape == (1, tokens)


def test_a_script_says_in_its_schema_which_inputs_it_takes(tmp_path: Path) -> None:
    with pytest.warns(DeprecationWarning, match="torch.jit.script"):
        script = torch.jit.script(Masked())
    task = TextClassification(tokenizer="words.txt")
    assert caller(tmp_path, task, script).ask({"text": "good"})["label"] == "1"


def test_a_text_without_tokens_is_answered_all_the_same(tmp_path: Path) -> None:
    task = TextClassification(tokenizer="words.txt")
    assert caller(tmp_path, task, Counting(), ["a", "b"]).ask({"text": ""})["score"] == 0.5


@pytest.mark.parametrize(("pooling", "vector"), [("mean", [13 / 4, 1]), ("cls", [4, 1])])
def test_a_text_has_one_vector_which_padding_does_not_change(
    tmp_path: Path, pooling: str, vector: list[float]
) -> None:
    entry = caller(tmp_path, Embeddings(tokenizer="words.txt", pooling=pooling), Hidden())
    single = entry.ask({"text": "good good"})
    batch = entry.ask({"texts": ["good good", "bad bad bad bad"]})
    assert single == {"embedding": pytest.approx(vector)}
    assert batch["embeddings"][0] == single["embedding"]


def test_vectors_have_length_one_if_asked(tmp_path: Path) -> None:
    entry = caller(tmp_path, Embeddings(tokenizer="words.txt", normalize=True), Hidden())
    assert torch.tensor(entry.ask({"text": "bad"})["embedding"]).norm() == pytest.approx(1)


def test_without_pooling_every_token_has_its_vector_and_padding_none(tmp_path: Path) -> None:
    entry = caller(tmp_path, Embeddings(tokenizer="words.txt", pooling="none"), Hidden())
    assert entry.ask({"text": "good"}) == {"embedding": [[4, 1], [2, 1], [5, 1]]}
    assert [len(one) for one in entry.ask(["good", "bad bad"])["embeddings"]] == [3, 4]


def test_embeddings_of_tensors_need_no_tokenizer(tmp_path: Path) -> None:
    schema = Schema({"x": Input("float32", (2,))})
    entry = Caller(tmp_path, EntryPoint(Made(torch.nn.Identity()), Embeddings(normalize=True), schema))
    assert entry.ask([3, 4]) == {"embedding": pytest.approx([0.6, 0.8])}
    assert entry.ask([[3, 4]]) == {"embeddings": [pytest.approx([0.6, 0.8])]}
    assert entry.refused({"text": "good"}) == "400 this model takes numbers: its archive has no tokenizer"


def test_an_unknown_pooling_is_refused_when_the_entry_point_is_built() -> None:
    with pytest.raises(ModelError, match="'max'"):
        Embeddings(pooling="max")


def test_a_tokenizer_that_is_named_and_absent_or_needed_and_absent_is_found_while_loading(
    tmp_path: Path,
) -> None:
    with pytest.raises(ModelError, match=r"code/absent\.txt is not in the archive"):
        classifier(tmp_path, tokenizer="absent.txt").ask("x")
    with pytest.raises(ModelError, match="the archive has no tokenizer"):
        classifier(tmp_path, tokenizer=None).ask("x")


def test_a_vocabulary_beside_the_weights_is_found(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS))
    assert classifier(tmp_path, tokenizer=None).ask({"text": "good"})["label"] == "positive"


def library_file(path: Path) -> None:
    tokenizers = importlib.import_module("tokenizers")
    model = tokenizers.models.WordLevel({word: number for number, word in enumerate(WORDS)}, WORDS[1])
    made = tokenizers.Tokenizer(model)
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.enable_padding(pad_id=0, length=40)
    made.save(str(path))


def test_a_tokenizer_json_is_read_by_the_library(tmp_path: Path) -> None:
    library_file(tmp_path / "tokenizer.json")
    answer = classifier(tmp_path, tokenizer=None).ask(["good", "bad bad good"])
    assert [one["label"] for one in answer["predictions"]] == ["positive", "negative"]


def test_a_tokenizer_json_without_its_library_is_refused_while_loading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library_file(tmp_path / "tokenizer.json")
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ModelError, match="needs the package 'tokenizers'"):
        classifier(tmp_path, tokenizer=None).ask("x")


def test_a_tokenizer_json_that_is_none_is_refused_while_loading(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match=r"tokenizer\.json is no tokenizer"):
        classifier(tmp_path, tokenizer=None).ask("x")


def test_preprocess_gets_the_value_and_may_return_a_text_or_tokens(tmp_path: Path) -> None:
    task = TextClassification(tokenizer="words.txt", labels=LABELS)
    texts = caller(tmp_path, task, Counting(), preprocess=lambda value: value["review"]["body"])
    assert texts.ask({"review": {"body": "good"}})["label"] == "positive"
    schema = Schema({"input_ids": Input("int64", (-1,))})
    ids = caller(tmp_path, task, Counting(), schema=schema, preprocess=lambda value: [len(value["q"])])
    assert ids.ask({"q": "xyz"})["label"] == "negative"
