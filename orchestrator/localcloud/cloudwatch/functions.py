"""What metric math means: numbers, series and arrays of series.

Rules of the CloudWatch user guide, using-metric-math: where only one of two series has a value, the other
counts as 0; a division by 0 leaves no value; ``IF`` and ``FILL`` as in the tables there. ``SUM``, ``AVG``,
``MIN``, ``MAX`` and ``STDDEV`` of one series are a number, of several a series.
"""

import math
import operator
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.localcloud.cloudwatch import along
from orchestrator.localcloud.cloudwatch.expressions import (
    Call,
    ExpressionError,
    Many,
    Name,
    Node,
    Number,
    Text,
    calls,
    names,
)


@dataclass(frozen=True, slots=True)
class Points:
    """A time series.

    Attributes:
        values: By the start of the period, in seconds since 1970; a period without data is missing.
        period: In seconds.
    """

    values: Mapping[float, float]
    period: float


Value = float | Points | tuple["Points", ...]
_Both = Callable[[float, float], float]


@dataclass(frozen=True, slots=True)
class Known:
    """What an expression can refer to.

    Attributes:
        metrics: The queries of metrics, by id.
        results: Those, and the expressions that are worked out already.
        moments: The starts of all periods that were asked for, oldest first.
    """

    metrics: Mapping[str, Points]
    results: Mapping[str, Value]
    moments: Sequence[float] = field(default=())


def evaluate(node: Node, known: Known) -> Value:
    """Return what an expression comes to.

    Raises:
        ExpressionError: If it names or does what is not known here.
    """
    match node:
        case Number():
            return node.value
        case Name():
            if node.value not in known.results:
                raise ExpressionError(f"'{node.value}' is not the id of a metric or expression")
            return known.results[node.value]
        case Many():
            return tuple(series for item in node.items for series in _several(evaluate(item, known)))
        case Text():
            raise ExpressionError("a text stands where a metric is needed")
        case Call():
            return _call(node, known)


def check(node: Node) -> None:
    """Check that an expression uses nothing that the local cloud does not know.

    Raises:
        ExpressionError: Naming the function.
    """
    known = {*_OPERATORS, *_EACH, *_ALONG, *_REDUCING, *_SPECIAL, "-"}
    for function in sorted(calls(node) - known):
        raise ExpressionError(f"the local cloud does not know the function {function}")


def refers_to(node: Node) -> frozenset[str]:
    """Return the ids that an expression refers to."""
    return names(node) - {"REPEAT", "LINEAR"}


def _call(node: Call, known: Known) -> Value:
    function, arguments = node.function, node.arguments
    if function in _SPECIAL:
        return _SPECIAL[function](arguments, known)
    if function == "-" and len(arguments) == 1:
        return _each(operator.neg, evaluate(arguments[0], known))
    if function in _OPERATORS:
        left, right = (evaluate(argument, known) for argument in arguments)
        return _pairwise(_OPERATORS[function], left, right)
    if len(arguments) != 1:
        raise ExpressionError(f"{function} takes one argument")
    inner = evaluate(arguments[0], known)
    if function in _EACH:
        return _each(_EACH[function], inner)
    if function in _ALONG:
        made = tuple(Points(_ALONG[function](one.values), one.period) for one in _several(inner))
        return made if isinstance(inner, tuple) else made[0]
    if function in _REDUCING:
        return _reduced(_REDUCING[function], inner)
    raise ExpressionError(f"the local cloud does not know the function {function}")


def _several(value: Value) -> tuple[Points, ...]:
    if isinstance(value, float):
        raise ExpressionError("a number stands where a time series is needed")
    return (value,) if isinstance(value, Points) else value


def _sure(work: Callable[[], object]) -> float | None:
    """Return a number, or ``None`` where there is none: a division by 0 drops the point."""
    try:
        result = work()
    except (ZeroDivisionError, ValueError, OverflowError):
        return None
    return float(result) if isinstance(result, int | float) and math.isfinite(result) else None


def _each(work: Callable[[float], float], value: Value) -> Value:
    if isinstance(value, tuple):
        return tuple(_each_point(work, one) for one in value)
    if isinstance(value, Points):
        return _each_point(work, value)
    return _sure(lambda: work(value)) or 0.0


def _each_point(work: Callable[[float], float], points: Points) -> Points:
    made = {at: _sure(lambda value=value: work(value)) for at, value in points.values.items()}  # type: ignore[misc]  # mypy cannot type a default
    return Points({at: value for at, value in made.items() if value is not None}, points.period)


def _pairwise(work: _Both, left: Value, right: Value) -> Value:
    """Return one value for each pair: an array goes with each of another, or all of it with one."""
    if isinstance(left, tuple) and isinstance(right, tuple):
        if len(left) != len(right):
            raise ExpressionError("two arrays of different length")
        return tuple(_points(work, *pair) for pair in zip(left, right, strict=True))
    if isinstance(left, tuple):
        return tuple(_points(work, one, right) for one in left)  # type: ignore[arg-type]  # not a tuple: see above
    if isinstance(right, tuple):
        return tuple(_points(work, left, one) for one in right)
    if isinstance(left, Points) or isinstance(right, Points):
        return _points(work, left, right)
    return _sure(lambda: work(left, right)) or 0.0


def _points(work: _Both, left: Points | float, right: Points | float) -> Points:
    moments = sorted({*_moments(left), *_moments(right)})
    made = {at: _sure(lambda at=at: work(_at(left, at), _at(right, at))) for at in moments}  # type: ignore[misc]  # mypy cannot type a default
    period = left.period if isinstance(left, Points) else right.period if isinstance(right, Points) else 0.0
    return Points({at: value for at, value in made.items() if value is not None}, period)


def _moments(side: Points | float) -> Sequence[float]:
    return tuple(side.values) if isinstance(side, Points) else ()


def _at(side: Points | float, at: float) -> float:
    return side.values.get(at, 0.0) if isinstance(side, Points) else side


def _reduced(work: Callable[[Sequence[float]], float], value: Value) -> Value:
    if isinstance(value, float):
        raise ExpressionError("a number stands where a time series is needed")
    if isinstance(value, Points):
        return _sure(lambda: work(tuple(value.values.values()))) or 0.0 if value.values else 0.0
    moments = sorted({at for one in value for at in one.values})
    if work is statistics.fmean:  # the one for which the guide says that missing values count as 0
        made = {at: work([one.values.get(at, 0.0) for one in value]) for at in moments}
    else:
        made = {at: float(work([one.values[at] for one in value if at in one.values])) for at in moments}
    return Points(made, value[0].period if value else 0.0)


def _metrics(arguments: Sequence[Node], known: Known) -> Value:
    part = arguments[0].value if arguments and isinstance(arguments[0], Text) else ""
    return tuple(points for name, points in known.metrics.items() if part in name)


def _period(arguments: Sequence[Node], known: Known) -> Value:
    if len(arguments) != 1 or not isinstance(arguments[0], Name) or arguments[0].value not in known.metrics:
        raise ExpressionError("PERIOD takes the id of a metric")
    return float(known.metrics[arguments[0].value].period)


def _time_series(arguments: Sequence[Node], known: Known) -> Value:
    value = evaluate(arguments[0], known) if len(arguments) == 1 else ()
    if not isinstance(value, float):
        raise ExpressionError("TIME_SERIES takes a number")
    periods = [points.period for points in known.metrics.values()]
    return Points(dict.fromkeys(known.moments, value), periods[0] if periods else 60.0)


def _fill(arguments: Sequence[Node], known: Known) -> Value:
    if len(arguments) != 2:  # noqa: PLR2004 - what is filled, and with what
        raise ExpressionError("FILL takes two arguments")
    value, filler = evaluate(arguments[0], known), arguments[1]
    if isinstance(filler, Name) and filler.value in {"REPEAT", "LINEAR"}:
        work = along.repeated if filler.value == "REPEAT" else along.linear
        made = tuple(Points(work(one.values, known.moments), one.period) for one in _several(value))
    else:
        other = evaluate(filler, known)
        if isinstance(other, tuple):
            raise ExpressionError("FILL takes one series or a number to fill with")
        made = tuple(_filled(one, other, known.moments) for one in _several(value))
    return made if isinstance(value, tuple) else made[0]


def _filled(points: Points, filler: Points | float, moments: Sequence[float]) -> Points:
    others = filler.values if isinstance(filler, Points) else dict.fromkeys(moments, filler)
    return Points({**others, **points.values}, points.period)


def _if(arguments: Sequence[Node], known: Known) -> Value:
    if len(arguments) not in {2, 3}:
        raise ExpressionError("IF takes two or three arguments")
    condition, *branches = (evaluate(argument, known) for argument in arguments)
    then, otherwise = branches[0], branches[1] if len(branches) > 1 else Points({}, 0.0)
    if isinstance(condition, float):
        return then if condition else otherwise
    if any(isinstance(each, tuple) for each in (condition, then, otherwise)):
        raise ExpressionError("IF takes single series and numbers")
    made: dict[float, float] = {}
    for at, value in condition.values.items():  # type: ignore[union-attr]  # neither a number nor an array
        if value:
            made[at] = _at(then, at)  # type: ignore[arg-type]  # not an array
        elif isinstance(otherwise, float) or at in otherwise.values:  # type: ignore[union-attr]  # not an array
            made[at] = _at(otherwise, at)  # type: ignore[arg-type]  # not an array
    return Points(made, condition.period)  # type: ignore[union-attr]  # neither a number nor an array


_OPERATORS: Mapping[str, _Both] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "^": operator.pow,
    "==": lambda left, right: float(left == right),
    "!=": lambda left, right: float(left != right),
    "<": lambda left, right: float(left < right),
    "<=": lambda left, right: float(left <= right),
    ">": lambda left, right: float(left > right),
    ">=": lambda left, right: float(left >= right),
    "&&": lambda left, right: float(bool(left) and bool(right)),
    "||": lambda left, right: float(bool(left) or bool(right)),
}
_EACH: Mapping[str, Callable[[float], float]] = {
    "ABS": abs,
    "CEIL": math.ceil,
    "FLOOR": math.floor,
    "LOG": math.log,
    "LOG10": math.log10,
}
_ALONG: Mapping[str, Callable[[Mapping[float, float]], dict[float, float]]] = {
    "DIFF": along.differences,
    "DIFF_TIME": along.time_differences,
    "RATE": along.rates,
    "RUNNING_SUM": along.running_sums,
}
_REDUCING: Mapping[str, Callable[[Sequence[float]], float]] = {
    "SUM": math.fsum,
    "AVG": statistics.fmean,
    "MIN": min,
    "MAX": max,
    "STDDEV": statistics.pstdev,
    "DATAPOINT_COUNT": len,
}
_SPECIAL: Mapping[str, Callable[[Sequence[Node], Known], Value]] = {
    "METRICS": _metrics,
    "PERIOD": _period,
    "TIME_SERIES": _time_series,
    "FILL": _fill,
    "IF": _if,
}
