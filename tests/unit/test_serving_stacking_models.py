"""Models that treat the rows of a batch apart, and models that do not: only the former share calls."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from orchestrator.serving.worker.stacking import Stacker
from tests.support.stacking import (
    ROWS,
    Functions,
    Predict,
    batch,
    bodies,
    eager,
    one_row,
    scaled_by_the_largest,
)


class Scores(NamedTuple):
    logits: torch.Tensor
    loss: None


@pytest.mark.parametrize(
    ("model", "decoder"),
    [
        (lambda x: {"a": x, "b": [x * 2, (x + 1, None)]}, one_row),
        (lambda x: Scores(x, None), one_row),
        (lambda x: x.argmax(1).tolist(), one_row),
        (lambda x: [{"boxes": row[row > 2], "best": float(row.max())} for row in x], one_row),
        (lambda x: x @ np.ones((3, 2)), lambda content: np.array([content])),
        (lambda x: x["a"] + x["b"], lambda content: {"a": one_row(content), "b": one_row(content)}),
        (lambda x: x[0] - x[1][0], lambda content: (one_row(content), [one_row(content) * 3])),
        (lambda x: x.half(), one_row),
        (lambda x: x / 0, one_row),
        (lambda x: x.div_(2), one_row),
    ],
)
def test_answers_that_have_a_row_for_each_request_are_shared_and_the_same(
    model: Predict, decoder: Callable[[Any], object]
) -> None:
    functions = Functions(model, decoder)
    stacker = Stacker(functions)
    for _ in range(4):
        assert bodies(stacker.answer_all(batch())) == eager(model, decoder)
    # 4 + 2 to compare, then 1 with 2 to check, twice, and 1.
    assert len(functions.calls) == 6 + 3 + 3 + 1


def in_order(x: torch.Tensor) -> torch.Tensor:
    return x[x[:, 0].argsort()]


def normalized(x: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = torch.nn.BatchNorm1d(1)(x[:, None, :])[:, 0].detach()
    return found


def recurrent(x: torch.Tensor) -> torch.Tensor:
    return x.cumsum(dim=0)


def only_single(x: torch.Tensor) -> torch.Tensor:
    if len(x) != 1:
        raise RuntimeError("expected a batch of one")
    return x * 3


@pytest.mark.parametrize(
    "model",
    [
        scaled_by_the_largest,
        in_order,
        normalized,
        recurrent,
        only_single,
        lambda x: x.softmax(dim=0),
        lambda x: x.mean(),
        lambda x: x.mean(dim=0, keepdim=True),
        lambda x: (x, x.mean()),
        lambda x: {"logits": x, "rows": len(x)},
        lambda x: {"logits": x, "loss": float(x.mean())},
        lambda x: x.unique(dim=0),
        lambda x: x.T,
        lambda x: x.flatten(),
        lambda _: None,
        lambda _: {1, 2},
        lambda _: "text",
        lambda _: [[1, 2], [3, 4]],
        lambda x: (row for row in x),
        lambda _: iter(()),
    ],
)
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (1, 0), (1, 2), (0, 0, 0), (2, 2, 0)])
def test_a_model_that_mixes_rows_answers_one_by_one(model: Predict, order: tuple[int, ...]) -> None:
    functions = Functions(model)
    functions_alone = Functions(model)
    stacker = Stacker(functions)
    contents = [ROWS[place] for place in order]
    for _ in range(2):
        for requests in (batch(contents), batch(), batch(ROWS[::-1])):
            alone = [functions_alone.answer(one) for one in requests]
            assert bodies(stacker.answer_all(requests)) == bodies(alone)


def test_a_shape_that_must_not_be_joined_is_tried_once_and_that_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    functions = Functions(scaled_by_the_largest)
    stacker = Stacker(functions)
    stacker.answer_all(batch())
    functions.calls.clear()
    stacker.answer_all(batch())
    assert functions.sizes == [1, 1, 1, 1]
    assert capsys.readouterr().err == (
        "requests of one shape share calls of the model no longer: "
        "a request got another answer in a joint call than alone\n"
    )


def test_what_equal_requests_have_proved_does_not_hold_for_different_ones() -> None:
    functions = Functions(scaled_by_the_largest)
    stacker = Stacker(functions)
    for _ in range(3):
        stacker.answer_all(batch([ROWS[0], ROWS[0]]))
    assert functions.sizes.count(2) > 2
    assert bodies(stacker.answer_all(batch())) == eager(scaled_by_the_largest)


@pytest.mark.parametrize("second", [ROWS[0], [1.0, 2.0, 3.00001]])
def test_requests_that_hardly_differ_prove_nothing_about_others(second: list[float]) -> None:
    functions = Functions(lambda x: x[x[:, 0].argsort(descending=True)] - x.std(dim=0, correction=0))
    stacker = Stacker(functions)
    for _ in range(3):
        stacker.answer_all(batch([ROWS[0], second]))
    assert bodies(stacker.answer_all(batch())) == eager(functions.model)


def test_equal_requests_with_nan_prove_nothing_about_others() -> None:
    functions = Functions(scaled_by_the_largest, lambda content: one_row(content) / one_row(content))
    stacker = Stacker(functions)
    for _ in range(3):
        stacker.answer_all(batch([[0.0, 1.0, 1.0]] * 2))
    assert functions.sizes.count(2) > 2
    functions.decoder = one_row
    assert bodies(stacker.answer_all(batch())) == eager(scaled_by_the_largest)


def test_a_difference_that_shows_later_ends_the_sharing() -> None:
    def drifting(x: torch.Tensor) -> torch.Tensor:
        return x * len(x) if x.max() > 100 else x

    functions = Functions(drifting)
    stacker = Stacker(functions)
    stacker.answer_all(batch())
    large = [[200.0, 1.0, 1.0], [300.0, 1.0, 1.0], [400.0, 1.0, 1.0]]
    assert [json.loads(body) for body in bodies(stacker.answer_all(batch(large)))] == [[row] for row in large]
    functions.calls.clear()
    stacker.answer_all(batch())
    assert functions.sizes == [1, 1, 1, 1]


def test_answers_of_another_shape_than_usual_are_made_one_by_one() -> None:
    def filled(x: torch.Tensor) -> torch.Tensor:
        return x[:, : int(x[:, 0].max())]

    functions = Functions(filled)
    stacker = Stacker(functions)
    stacker.answer_all(batch([[1.0, 2.0, 3.0], [1.0, 3.0, 4.0]]))
    answers = stacker.answer_all(batch([[2.0, 2.0, 3.0], [1.0, 3.0, 4.0]]))
    assert [json.loads(body) for body in bodies(answers)] == [[[2.0, 2.0]], [[1.0]]]
