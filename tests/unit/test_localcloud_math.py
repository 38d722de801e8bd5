"""Metric math: its grammar, and what it comes to."""

import pytest

from orchestrator.localcloud.cloudwatch import functions
from orchestrator.localcloud.cloudwatch.expressions import ExpressionError, parse
from orchestrator.localcloud.cloudwatch.functions import Known, Points, Value, evaluate

Sparse = list[float | None]


def points(values: Sparse) -> Points:
    return Points({60.0 * at: value for at, value in enumerate(values) if value is not None}, 60.0)


def worked_out(text: str, **metrics: Sparse) -> Value:
    known = {name: points(values) for name, values in metrics.items()}
    tree = parse(text)
    functions.check(tree)
    return evaluate(tree, Known(known, known, [60.0 * at for at in range(5)]))


def shown(value: Value) -> list[float | None]:
    assert isinstance(value, Points)
    return [value.values.get(60.0 * at) for at in range(5)]


M1: Sparse = [1.0, 2.0, None, 4.0, 5.0]
M2: Sparse = [10.0, 0.0, 30.0, None, 50.0]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("m1 + m2", [11.0, 2.0, 30.0, 4.0, 55.0]),
        ("100*m1/m2", [10.0, None, 0.0, None, 10.0]),
        ("-m1^2", [-1.0, -4.0, None, -16.0, -25.0]),
        ("2 ^ 3 ^ 1 * m1", [8.0, 16.0, None, 32.0, 40.0]),
        ("m1 - 1 - 1", [-1.0, 0.0, None, 2.0, 3.0]),
        ("m1 > 1 AND m2 > 1", [0.0, 0.0, 0.0, 0.0, 1.0]),
        ("m1 >= 4 || m2 == 10", [1.0, 0.0, 0.0, 1.0, 1.0]),
        ("m1 != m2", [1.0, 1.0, 1.0, 1.0, 1.0]),
        ("SUM([m1, m2])", [11.0, 2.0, 30.0, 4.0, 55.0]),
        ("SUM(METRICS())", [11.0, 2.0, 30.0, 4.0, 55.0]),
        ('SUM(METRICS("1"))', [1.0, 2.0, None, 4.0, 5.0]),
        ("AVG(METRICS())", [5.5, 1.0, 15.0, 2.0, 27.5]),
        ("MAX([m1,m2])", [10.0, 2.0, 30.0, 4.0, 50.0]),
        ("MIN(METRICS())", [1.0, 0.0, 30.0, 4.0, 5.0]),
        ("m1 - AVG(m1)", [-2.0, -1.0, None, 1.0, 2.0]),
        ("m1/PERIOD(m1)*60", [1.0, 2.0, None, 4.0, 5.0]),
        ("FILL(m1, 0)", [1.0, 2.0, 0.0, 4.0, 5.0]),
        ("FILL(m1, REPEAT)", [1.0, 2.0, 2.0, 4.0, 5.0]),
        ("FILL(m1, LINEAR)", [1.0, 2.0, 3.0, 4.0, 5.0]),
        ("FILL(m1, m2)", [1.0, 2.0, 30.0, 4.0, 5.0]),
        ("IF(m1 > 1, m1)", [None, 2.0, None, 4.0, 5.0]),
        ("IF(m1 > 1, 1, 0)", [0.0, 1.0, None, 1.0, 1.0]),
        ("IF(m1, m2, 7)", [10.0, 0.0, None, 0.0, 50.0]),
        ("DIFF(m1)", [None, 1.0, None, 2.0, 1.0]),
        ("RATE(m1) * 60", [None, 1.0, None, 1.0, 1.0]),
        ("RUNNING_SUM(m1)", [1.0, 3.0, None, 7.0, 12.0]),
        ("CEIL(m1 / 3)", [1.0, 1.0, None, 2.0, 2.0]),
        ("ABS(FLOOR(m1 - 3.5))", [3.0, 2.0, None, 0.0, 1.0]),
        ("STDDEV([m1, m1])", [0.0, 0.0, None, 0.0, 0.0]),
        ("LOG10(m2)", [1.0, None, pytest.approx(1.477, abs=0.001), None, pytest.approx(1.699, abs=0.001)]),
        ("TIME_SERIES(SUM(m1))", [12.0] * 5),
    ],
)
def test_an_expression_comes_to_what_the_user_guide_says(text: str, values: Sparse) -> None:
    assert shown(worked_out(text, m1=M1, m2=M2)) == values


@pytest.mark.parametrize(
    ("branches", "values"),
    [
        ("m1, m2, m3", [30.0, 0.0, 20.0, None, None]),
        ("m1, 5, m3", [5.0, 5.0, 20.0, None, None]),
        ("m1, m2, 5", [30.0, 0.0, 5.0, 5.0, None]),
    ],
)
def test_the_tables_of_if_hold(branches: str, values: Sparse) -> None:
    metrics: dict[str, Sparse] = {
        "m1": [1.0, 1.0, 0.0, 0.0, None],
        "m2": [30.0, None, 0.0, 0.0, 30.0],
        "m3": [0.0, 0.0, 20.0, None, 20.0],
    }
    assert shown(worked_out(f"IF({branches})", **metrics)) == values


def test_an_array_goes_with_each_of_its_series() -> None:
    found = worked_out("METRICS() * 2", m1=M1, m2=M2)
    assert isinstance(found, tuple)
    assert [shown(one)[0] for one in found] == [2.0, 20.0]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("m1 +", "ends too early"),
        ("m1 m2", "unexpected 'm2'"),
        ("(m1", r"'\)' is missing"),
        ("m1 $ m2", r"unexpected '\$'"),
        ("SEARCH('x', 'Sum')", "function SEARCH"),
        ("ANOMALY_DETECTION_BAND(m1)", "function ANOMALY_DETECTION_BAND"),
        ("nobody * 2", "'nobody' is not the id"),
        ("SUM(m1, m2)", "SUM takes one argument"),
        ("PERIOD(m1 + 1)", "PERIOD takes"),
        ("ABS('x')", "a text stands"),
        ("-" * 500 + "m1", "nested too deeply"),
        ("", "ends too early"),
    ],
)
def test_what_is_no_metric_math_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ExpressionError, match=why):
        worked_out(text, m1=M1, m2=M2)
