"""The queries of one request, or of one alarm, and what they come to together.

Queries name each other: an expression is worked out from metrics and from other expressions.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.cloudwatch import functions
from orchestrator.localcloud.cloudwatch.expressions import ExpressionError, parse
from orchestrator.localcloud.cloudwatch.functions import Known, Points, Value

_ID = re.compile(r"[a-z][A-Za-z0-9_]*")
Query = Mapping[str, Any]
"""A ``MetricDataQuery`` of the API."""


class Results:
    """What queries come to; each is worked out once, when it is first needed.

    Args:
        queries: All of them; some may only be there for others.
        measured: Returns the datapoints of a query that names a metric.
        moments: The beginnings of all periods, oldest first, in seconds since 1970.
    """

    def __init__(
        self, queries: Sequence[Query], measured: Callable[[Query], Points], moments: Sequence[float]
    ) -> None:
        self._queries = {query["Id"]: query for query in queries}
        self._measured = measured
        self._moments = moments
        self._known: dict[str, Value] = {}
        self._under_way: set[str] = set()

    def series(self, query: Query) -> Iterator[tuple[str, Points]]:
        """Yield label and datapoints of each series that a query comes to.

        Raises:
            ApiError: If it is no metric math, or comes to a number.
        """
        try:
            value = self._value(query["Id"])
        except ExpressionError as error:
            raise _wrong(query, str(error)) from error
        if isinstance(value, Points):
            name = query["MetricStat"]["Metric"]["MetricName"] if "MetricStat" in query else query["Id"]
            yield query.get("Label") or name, value
        elif isinstance(value, tuple):
            for number, points in enumerate(value, 1):
                yield f"{query.get('Label') or query['Id']} {number}", points
        else:
            raise _wrong(query, "it comes to a number and not to a time series")

    def _value(self, name: str) -> Value:
        if name not in self._known:
            if name in self._under_way or name not in self._queries:
                raise ExpressionError(f"'{name}' is not the id of another metric or expression")
            self._under_way.add(name)
            query = self._queries[name]
            self._known[name] = self._measured(query) if "MetricStat" in query else self._worked_out(query)
        return self._known[name]

    def _worked_out(self, query: Query) -> Value:
        tree = parse(query["Expression"])
        functions.check(tree)
        results = {name: self._value(name) for name in functions.refers_to(tree)}
        metrics = {
            name: points
            for name, other in self._queries.items()
            if "MetricStat" in other and isinstance(points := self._value(name), Points)
        }
        return functions.evaluate(tree, Known(metrics, results, self._moments))


def check_queries(queries: Sequence[Query], name: str) -> None:
    """Check what holds for the queries of requests and of alarms alike.

    Args:
        queries: All of them.
        name: The parameter that they are in.

    Raises:
        ApiError: If an id is none, or not the only one, or a metric has no name.
    """
    for number, query in enumerate(queries, 1):
        if not _ID.fullmatch(query["Id"]):
            wrong = f"The value {query['Id']} for parameter {name}.member.{number}.Id is not valid"
            rule = "letters, numbers and underscores, a lowercase letter first"
            raise ApiError("ValidationError", f"{wrong}: {rule}.")
        for member in ("Namespace", "MetricName") if "MetricStat" in query else ():
            if not query["MetricStat"]["Metric"].get(member):
                whole = f"{name}.member.{number}.MetricStat.Metric.{member}"
                raise ApiError("ValidationError", f"The parameter {whole} is required.")
    names = [query["Id"] for query in queries]
    if len(names) != len(set(names)):
        raise ApiError("ValidationError", f"The values for parameter id in {name} are not unique.")


def _wrong(query: Query, why: str) -> ApiError:
    return ApiError("ValidationError", f"Error in expression '{query['Id']}': {why}")
