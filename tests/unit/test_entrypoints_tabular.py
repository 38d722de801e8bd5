from pathlib import Path
from typing import Any

import pytest
import torch

from entrypoints import npy
from entrypoints.entrypoint import EntryPoint
from entrypoints.schema import Input, Schema
from entrypoints.tabular import Tabular
from tests.support.entrypoints_calls import CSV, NPY, Caller, Made

FEATURES = ("age", "income", "größe")


class Weighted(torch.nn.Module):
    """The answer is the row, weighted by the place of each cell."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows * torch.tensor([1.0, 10.0, 100.0])


def caller(root: Path, *, schema: Schema | None = None, **options: Any) -> Caller:  # noqa: ANN401 - any option of the task
    task = Tabular(**{"features": FEATURES, **options})
    return Caller(root, EntryPoint(Made(Weighted()), task, schema or Schema()))


@pytest.mark.parametrize(
    "body",
    [
        {"X": [[1, 2, 3]]},
        {"instances": [{"income": 2, "age": 1, "größe": 3}]},
        [{"income": 2, "age": 1, "größe": 3}],
        [[1, 2, 3]],
        {"inputs": [[1, 2.0, 3]]},
    ],
)
def test_a_batch_of_rows_is_answered_by_the_models_numbers(tmp_path: Path, body: object) -> None:
    assert caller(tmp_path).ask(body) == {"predictions": [[1, 20, 300]]}


@pytest.mark.parametrize("body", [[1, 2, 3], {"X": [1, 2, 3]}, {"age": 1, "größe": 3, "income": 2}])
def test_one_row_is_answered_by_its_own_numbers(tmp_path: Path, body: object) -> None:
    assert caller(tmp_path).ask(body) == [1, 20, 300]


@pytest.mark.parametrize(
    "body",
    [
        "1,2,3\n",
        "age,income,größe\n1,2,3",
        'income,"größe",age\r\n2,3,1\r\n',
        "\ufeffgröße, income, age\n3,2,1",
    ],
)
def test_a_csv_may_name_its_features_in_any_order(tmp_path: Path, body: str) -> None:
    assert caller(tmp_path).ask(body, CSV) == {"predictions": [[1, 20, 300]]}


@pytest.mark.parametrize(
    "body",
    [
        "",
        "age,income\n1,2",
        "age,age,income\n1,2,3",
        "a,b,c\n1,2,3",
        "age,income,größe",
        "1,2",
        "1,2,3,4",
        "x",
        '"',
    ],
)
def test_a_csv_of_other_columns_gets_400(tmp_path: Path, body: str) -> None:
    assert caller(tmp_path).refused(body, CSV).startswith("400 ")


@pytest.mark.parametrize(
    "body",
    [
        {"age": 1, "income": 2},
        [{"age": 1, "income": 2, "größe": 3, "x": 1}],
        [{"age": 1, "income": 2, "größe": "3"}],
        [{"age": None, "income": 2, "größe": 3}],
        [1, 2],
        [],
        {"X": []},
        "text",
        [[1, 2, "3"]],
    ],
)
def test_rows_of_another_form_get_400(tmp_path: Path, body: object) -> None:
    assert caller(tmp_path).refused(body if body != "text" else '"text"').startswith("400 ")


def test_the_missing_feature_is_named(tmp_path: Path) -> None:
    assert caller(tmp_path).refused({"age": 1, "income": 2}) == "400 a row lacks 'gr??e'"


def test_without_features_a_csv_takes_no_header(tmp_path: Path) -> None:
    plain = caller(tmp_path, features=())
    assert plain.ask("1,2,3", CSV) == {"predictions": [[1, 20, 300]]}
    assert plain.refused("a,b,c\n1,2,3", CSV).startswith("400 ")


def test_a_cell_that_is_no_number_is_not_told_that_there_may_be_no_header(tmp_path: Path) -> None:
    told = caller(tmp_path).refused("age,income,größe\n1,2,x", CSV)
    assert told == "400 the CSV holds something other than numbers; only its first row may name the features"


def test_labels_make_a_classification_of_the_numbers(tmp_path: Path) -> None:
    answer = caller(tmp_path, labels=("low", "middle", "high")).ask({"X": [[1, 0.2, 0]]})
    assert answer["predictions"][0]["label"] == "middle"
    assert list(answer["predictions"][0]["probabilities"]) == ["middle", "low", "high"]


def test_numbers_are_answered_as_csv_and_npy(tmp_path: Path) -> None:
    assert caller(tmp_path).ask([[1, 2, 3]], accept=CSV) == b"1,20,300\n"
    assert npy.parse(caller(tmp_path).ask([[1, 2, 3]], accept=NPY)).tolist() == [[1, 20, 300]]


def test_a_schema_with_another_dtype_wins(tmp_path: Path) -> None:
    schema = Schema({"rows": Input("int64", (3,))})
    assert caller(tmp_path, schema=schema).refused([[1.5, 2, 3]]) == (
        "400 input 'rows' has a number that is not a whole int64"
    )
