"""Requests that share a call of the model: who may, and what each of them gets."""

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from orchestrator.serving.messages import Request, Response
from orchestrator.serving.worker.stacking import Stacker
from tests.support.stacking import (
    CSV,
    JSON,
    NPY,
    ROWS,
    Functions,
    Predict,
    batch,
    bodies,
    double,
    eager,
    request,
    settled,
)


def test_the_first_batch_is_answered_one_by_one_and_compared_and_the_next_shares_a_call() -> None:
    functions = Functions(double)
    stacker = Stacker(functions)
    assert bodies(stacker.answer_all(batch())) == eager(double)
    assert sorted(functions.sizes) == [1, 1, 1, 1, 4, 4]
    functions.calls.clear()
    stacker.answer_all(batch())
    assert sorted(functions.sizes) == [1, 1, 4]
    assert bodies(settled(functions, batch())) == eager(double)
    assert functions.sizes == [4]


def test_each_request_keeps_its_own_content_type_and_accept() -> None:
    requests = [
        request(ROWS[0], 0),
        request(b"4.0,6.0,5.0", 1, CSV, "application/json; charset=utf-8"),
        request(ROWS[2], 2, JSON, NPY),
    ]
    functions = Functions(double)
    first, second, third = settled(functions, requests)
    assert functions.sizes == [3]
    assert json.loads(first.body) == [[2.0, 4.0, 6.0]]
    assert (second.headers, json.loads(second.body)) == (
        (("content-type", "application/json; charset=utf-8"),),
        [[8.0, 12.0, 10.0]],
    )
    assert torch.equal(torch.load(io.BytesIO(third.body), weights_only=True), torch.tensor([ROWS[2]]) * 2)


@pytest.mark.parametrize("model", [double, lambda x: x, lambda x: list(x * 2), lambda x: {"a": x[:, 1:]}])
def test_an_answer_that_is_saved_as_it_is_holds_nothing_of_its_neighbours(model: Predict) -> None:
    secret = 123456.0
    requests = [request([1.0, 2.0, 3.0], 0, JSON, NPY), request([secret, secret, secret], 1)]
    functions = Functions(model)
    first, _ = settled(functions, requests)
    assert functions.sizes == [2]
    assert np.float32(3.0).tobytes() in first.body or np.float32(6.0).tobytes() in first.body
    for written in (secret, secret * 2):
        assert np.float32(written).tobytes() not in first.body


def test_a_request_that_cannot_be_decoded_is_the_only_one_that_fails() -> None:
    stacker = Stacker(Functions(double))
    for _ in range(3):
        answers = stacker.answer_all([*batch(ROWS[:2]), request(b"{", 2), request(ROWS[3], 3)])
        assert [answer.status for answer in answers] == [200, 200, 500, 200]
        assert answers[2].body.startswith(b"r2 JSONDecodeError")


@pytest.mark.parametrize("times_good", [0, 1, 3])
def test_a_request_that_the_model_refuses_is_the_only_one_that_fails_and_sharing_goes_on(
    times_good: int,
) -> None:
    def careful(x: torch.Tensor) -> torch.Tensor:
        if x.min() < 0:
            raise ValueError("below zero")
        return x * 2

    functions = Functions(careful)
    stacker = Stacker(functions)
    for _ in range(times_good):
        stacker.answer_all(batch())
    answers = stacker.answer_all(batch([ROWS[0], [-1.0, 0.0, 0.0], ROWS[2]]))
    assert [answer.status for answer in answers] == [200, 500, 200]
    assert answers[1].body == b"r1 ValueError below zero"
    assert json.loads(answers[2].body) == [[18.0, 14.0, 16.0]]
    for _ in range(4):
        stacker.answer_all(batch())
    functions.calls.clear()
    stacker.answer_all(batch())
    assert 4 in functions.sizes


def test_a_joint_call_that_has_no_memory_is_made_one_by_one() -> None:
    def small(x: torch.Tensor) -> torch.Tensor:
        if len(x) > 2:
            raise MemoryError
        return x

    stacker = Stacker(Functions(small))
    stacker.answer_all(batch(ROWS[:2]))
    assert [answer.status for answer in stacker.answer_all(batch())] == [200, 200, 200, 200]


def test_only_requests_of_one_shape_and_dtype_share_a_call() -> None:
    contents: list[list[float]] = [[1.0, 2.0], [3, 4], [1.5, 2.0, 3.0], [3.0, 4.0], [5, 6], [7.0]]
    functions = Functions(double)
    answers = settled(functions, batch(contents))
    assert functions.sizes == [2, 2, 1, 1]
    assert [json.loads(answer.body)[0] for answer in answers] == [[2 * x for x in row] for row in contents]


@pytest.mark.parametrize(
    "decoder",
    [
        torch.tensor,
        lambda content: torch.tensor([content, content]),
        lambda content: [content],
        lambda content: {"x": torch.tensor([content]), "note": "one"},
        lambda content: {"x": torch.tensor([content]), "n": torch.tensor(3)},
        lambda _: [],
        lambda content: np.array([[str(content)]], dtype=object),
        lambda content: torch.tensor([content]).to_sparse(),
        lambda _: None,
    ],
)
def test_values_without_one_row_are_never_joined(decoder: Callable[[Any], object]) -> None:
    functions = Functions(lambda _: 1, decoder)
    Stacker(functions).answer_all(batch())
    assert len(functions.calls) == 4


def test_deeply_nested_documents_are_never_joined() -> None:
    def nested(content: object) -> object:
        for _ in range(2000):
            content = [content]
        return content

    functions = Functions(lambda _: 1, nested)
    assert [answer.status for answer in Stacker(functions).answer_all(batch())] == [200] * 4


def test_an_entry_point_whose_functions_are_not_apart_is_called_for_each() -> None:
    functions = Functions(double, is_stackable=False)
    assert bodies(Stacker(functions).answer_all(batch())) == eager(double)
    assert functions.sizes == [1, 1, 1, 1]


def test_a_request_alone_is_not_compared_with_anything() -> None:
    functions = Functions(double)
    Stacker(functions).answer_all(batch(ROWS[:1]))
    assert functions.sizes == [1]


def test_every_answer_says_how_long_its_functions_took() -> None:
    stacker = Stacker(Functions(double))
    for _ in range(2):
        assert all(answer.model_seconds > 0 for answer in stacker.answer_all(batch()))


def test_the_functions_are_about_each_request_in_turn() -> None:
    functions = Functions(double)
    stacker = Stacker(functions)
    for _ in range(3):
        functions.about.clear()
        stacker.answer_all(batch())
        assert functions.about == ["r0", "r1", "r2", "r3"]


@dataclass
class Unwritable(Functions):
    """Functions of which some answers cannot be written, which ends the container's worker."""

    def encode(self, prediction: object, request: Request) -> Response:
        if request.id == "r1":
            raise TypeError("the content type is None")
        return super().encode(prediction, request)


@pytest.mark.parametrize("is_stackable", [True, False])
def test_an_answer_that_would_end_the_worker_costs_no_neighbour_theirs(*, is_stackable: bool) -> None:
    stacker = Stacker(Unwritable(double, is_stackable=is_stackable))
    for _ in range(2):
        answers = stacker.answer_all(batch())
        assert [answer.status for answer in answers] == [200, 500, 200, 200]
        assert b"Worker died." in answers[1].body


def test_what_ends_the_worker_is_not_held_up() -> None:
    def ending(x: torch.Tensor) -> torch.Tensor:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        Stacker(Functions(ending)).answer_all(batch())


class Words:
    """A value that knows how to be joined, as user code may write it."""

    def __init__(self, words: list[str]) -> None:
        self.words = words

    @classmethod
    def stack_requests(cls, several: Sequence["Words"]) -> "Words | None":
        if any("alone" in one.words for one in several):
            return None
        return cls([word for one in several for word in one.words])


class Lengths:
    """What a model of words answers."""

    def __init__(self, lengths: list[int]) -> None:
        self.lengths = lengths

    def split_answers(self, several: Sequence[Words]) -> "list[Lengths]":
        lengths = iter(self.lengths)
        return [Lengths([next(lengths) for _ in one.words]) for one in several]


class ShortLengths(Lengths):
    """An answer that forgets the last request."""

    def split_answers(self, several: Sequence[Words]) -> "list[Lengths]":
        return super().split_answers(several)[:-1]


def wordy(answer: type[Lengths]) -> Functions:
    return Functions(lambda value: answer([len(word) for word in value.words]), Words)


@pytest.mark.parametrize(("answer", "calls"), [(Lengths, 1), (ShortLengths, 3)])
def test_objects_that_know_how_are_joined_and_split_by_themselves(answer: type[Lengths], calls: int) -> None:
    functions = wordy(answer)
    encoded: list[list[int]] = []
    stacker = Stacker(Recording(functions, encoded))
    contents = [["a", "bb"], ["ccc"], ["dddd", "e"]]
    for _ in range(4):
        functions.calls.clear()
        encoded.clear()
        stacker.answer_all(batch(contents))
        assert encoded == [[1, 2], [3], [4, 1]]
    assert len(functions.calls) == calls


def test_objects_that_do_not_fit_together_are_answered_one_by_one() -> None:
    functions = wordy(Lengths)
    encoded: list[list[int]] = []
    Stacker(Recording(functions, encoded)).answer_all(batch([["a"], ["alone"]]))
    assert (encoded, len(functions.calls)) == ([[1], [5]], 2)


@dataclass
class Recording:
    """Functions that keep the lengths they would encode."""

    functions: Functions
    encoded: list[list[int]]
    is_stackable: bool = True

    def answer(self, request: Request) -> Response:
        return self.functions.answer(request)

    def decode(self, request: Request) -> object:
        return self.functions.decode(request)

    def predict(self, value: object) -> object:
        return self.functions.predict(value)

    def encode(self, prediction: object, request: Request) -> Response:
        assert isinstance(prediction, Lengths)
        self.encoded.append(prediction.lengths)
        return Response(200, (), b"")

    def failed(self, error: Exception, request: Request) -> Response:
        return self.functions.failed(error, request)
