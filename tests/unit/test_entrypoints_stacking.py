"""Generated entry points where several requests share a call: same answers, fewer calls."""

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from transformers.modeling_outputs import SequenceClassifierOutput

from entrypoints import npy
from entrypoints.answers import Prediction, split
from entrypoints.audio import Audio
from entrypoints.custom import Custom
from entrypoints.embeddings import Embeddings
from entrypoints.entrypoint import EntryPoint, Served
from entrypoints.image_classification import ImageClassification
from entrypoints.schema import MAX_STACKED, Examples, Input, Schema
from entrypoints.tabular import Tabular
from orchestrator.serving.messages import Request, Response
from orchestrator.serving.worker.stacking import Stacker
from tests.support.entrypoints_calls import CSV, JSON, NPY, Made

ROW = Schema({"x": Input("float32", (2,))})
Asked = tuple[object, str, str]


class Counting(torch.nn.Module):
    """Twice the first input, as ``answer`` wraps it; remembers how many rows each call had."""

    def __init__(self, kind: str = "tensor") -> None:
        super().__init__()
        self.kind = kind
        self.rows: list[int] = []

    def forward(self, x: torch.Tensor, y: torch.Tensor | None = None) -> object:
        self.rows.append(len(x))
        out = x.flatten(1) * 2 + (0 if y is None else y[:, None])
        match self.kind:
            case "mapping":
                return {"out": out, "more": [out + 1, None]}
            case "hugging-face":
                return SequenceClassifierOutput(logits=out, hidden_states=(out, out + 1))
            case "scalar":
                return {"out": out, "loss": out.mean()}
            case "mixed":
                return out / out.max()
        return out


@dataclass(frozen=True)
class Stages:
    """A generated entry point, as the server's handler offers it."""

    entry: EntryPoint
    served: Served
    is_stackable: bool = True

    def answer(self, request: Request) -> Response:
        value = self.decode(request)
        return value if isinstance(value, Response) else self.encode(self.predict(value), request)

    def decode(self, request: Request) -> object:
        try:
            return self.entry.decode(request.body, dict(request.headers)["Content-Type"])
        except Exception as error:  # noqa: BLE001 - as the toolkit does
            return self.failed(error, request)

    def predict(self, value: object) -> object:
        assert isinstance(value, Examples)
        return self.entry.predict(value, self.served)

    def encode(self, prediction: object, request: Request) -> Response:
        assert isinstance(prediction, Prediction)
        body, kind = self.entry.encode(prediction, dict(request.headers)["Accept"])
        return Response(200, (("content-type", kind),), body)

    def failed(self, error: Exception, request: Request) -> Response:
        return Response(500, (), str(error).encode())


@dataclass
class Site:
    """A model behind a task, asked with and without stacking."""

    model: Counting
    task: Custom = field(default_factory=Custom)
    schema: Schema = ROW

    def stages(self) -> Stages:
        entry = EntryPoint(Made(self.model), self.task, self.schema)
        return Stages(entry, entry.load("."))

    def alone(self, asked: list[Asked]) -> list[Response]:
        return [self.stages().answer(request) for request in requests(asked)]

    def together(self, asked: list[Asked]) -> list[Response]:
        """Return the answers to requests whose kind has been compared; ``model.rows`` are of these only."""
        stacker = Stacker(self.stages())
        for _ in range(3):
            stacker.answer_all(requests(asked))
        self.model.rows.clear()
        return stacker.answer_all(requests(asked))


def requests(asked: list[Asked]) -> list[Request]:
    return [
        Request((("Content-Type", kind), ("Accept", accept)), written(content), f"r{number}")
        for number, (content, kind, accept) in enumerate(asked)
    ]


def written(content: object) -> bytes:
    if isinstance(content, np.ndarray):
        return npy.write(content)
    return content if isinstance(content, bytes) else json.dumps(content).encode()


def said(responses: list[Response]) -> list[tuple[int, object, bytes]]:
    return [(response.status, response.headers, response.body) for response in responses]


def numbers(*rows: Any) -> list[Asked]:  # noqa: ANN401 - nested lists of numbers
    return [(row, JSON, JSON) for row in rows]


SOUND = [0.0, 0.5, 0.25, -0.5, 0.75, 1.0]


@pytest.mark.parametrize("kind", ["tensor", "mapping", "hugging-face"])
def test_one_example_or_many_share_a_call_and_each_is_answered_as_it_asked(kind: str) -> None:
    asked: list[Asked] = [
        ([1, 2], JSON, JSON),
        ([[3, 4], [5, 6]], JSON, JSON),
        ([[7, 8]], JSON, JSON),
        (b"9,10\n11,12\n", CSV, JSON),
        (np.array([13, 14], dtype=np.float32), NPY, JSON),
    ]
    site = Site(Counting(kind))
    assert said(site.together(asked)) == said(site.alone(asked))
    assert site.model.rows[0] == 7


def test_each_has_its_own_accept() -> None:
    asked: list[Asked] = [([1, 2], JSON, NPY), ([3, 4], JSON, CSV), ([[5, 6]], JSON, "text/csv;q=0.1, */*")]
    site = Site(Counting())
    answers = site.together(asked)
    assert said(answers) == said(site.alone(asked))
    assert [dict(answer.headers)["content-type"] for answer in answers] == [NPY, CSV, JSON]
    assert site.model.rows[0] == 3


@pytest.mark.parametrize(
    ("task", "schema", "bodies"),
    [
        (ImageClassification(("a", "b")), ROW, [[1, 2], [[2, 1], [0, 3]]]),
        (Tabular(features=("p", "q")), Schema(), [{"q": 1, "p": 2}, [{"p": 3, "q": 4}, {"p": 5, "q": 6}]]),
        (Embeddings(), ROW, [[1, 2], [[3, 4]]]),
        (Audio(), Schema(), [SOUND, [SOUND[::-1], SOUND]]),
        (Audio(sample_rate=10, frame_length=4, hop_length=1), Schema(), [SOUND, SOUND[::-1], SOUND * 2]),
        (Custom(), Schema(), [[[1, 2]], [[3, 4]]]),
        (Custom(), Schema({"x": Input("float32", (-1,))}), [[1, 2], [[3, 4], [4, 5]]]),
        (
            Custom(),
            Schema({"x": Input("float32", (1,)), "y": Input("int64", ())}),
            [{"x": [1], "y": 2}, {"x": [[3], [4]], "y": [5, 6]}],
        ),
    ],
)
def test_every_task_about_numbers_answers_the_same_in_a_shared_call(
    task: Custom, schema: Schema, bodies: list[object]
) -> None:
    site = Site(Counting(), task, schema)
    alone = said(site.alone(numbers(*bodies)))
    assert [status for status, _, _ in alone] == [200] * len(bodies)
    site.model.rows.clear()
    assert said(site.together(numbers(*bodies))) == alone
    assert len(site.model.rows) == 1


@pytest.mark.parametrize("kind", ["scalar", "mixed"])
def test_a_model_whose_output_cannot_be_split_is_called_for_each(kind: str) -> None:
    site = Site(Counting(kind))
    asked = numbers([1, 2], [[3, 4], [5, 6]])
    assert said(site.together(asked)) == said(site.alone(asked))
    assert site.model.rows[:2] == [1, 2]


def test_a_request_that_does_not_fit_the_schema_fails_alone() -> None:
    site = Site(Counting())
    answers = site.together([*numbers([1, 2], [1, 2, 3]), (b"{", JSON, JSON), *numbers([3, 4])])
    assert [answer.status for answer in answers] == [200, 500, 500, 200]
    assert b"input 'x' has shape [3]" in answers[1].body
    assert site.model.rows == [2]


def test_without_a_schema_many_rows_may_be_one_sequence_and_are_not_joined() -> None:
    several = [Schema().examples([[1, 2], [3, 4]]), Schema().examples([[5, 6], [7, 8]])]
    assert Examples.stack_requests(several) is None
    assert Examples.stack_requests([Schema().examples([[1, 2]]), Schema().examples([[3, 4]])]) is not None


def test_examples_of_other_names_dtypes_or_shapes_are_not_joined() -> None:
    row = ROW.examples([1, 2])
    for other in (
        Schema({"y": Input("float32", (2,))}).examples([1, 2]),
        Schema({"x": Input("float64", (2,))}).examples([1, 2]),
        Schema({"x": Input("float32", (3,))}).examples([1, 2, 3]),
        Examples({}, single=True, texts=("a",), stacks=True),
    ):
        assert Examples.stack_requests([row, other]) is None
        assert Examples.stack_requests([other, row]) is None


def test_texts_are_not_joined_because_padding_would_follow_the_neighbours() -> None:
    assert Examples.stack_requests([Examples({}, single=True, texts=("a b",), stacks=True)] * 2) is None


def test_no_more_examples_are_joined_than_memory_is_planned_for() -> None:
    half = ROW.examples([[0.0, 0.0]] * (MAX_STACKED // 2))
    joined = Examples.stack_requests([half, half])
    assert joined is not None
    assert joined.count == MAX_STACKED
    assert Examples.stack_requests([half, half, ROW.examples([1, 2])]) is None


def test_a_part_of_an_output_is_a_copy() -> None:
    output = torch.zeros(2, 3)
    first, _ = split(output, [1, 1])
    assert first.untyped_storage().nbytes() == 3 * 4


@pytest.mark.parametrize("output", [torch.zeros(3), torch.tensor(1.0), 1.5, "text", [], {"a": [1, 2]}])
def test_an_output_without_an_entry_for_each_example_is_not_split(output: object) -> None:
    with pytest.raises(ValueError, match="not one entry for each example"):
        split(output, [1, 1])
