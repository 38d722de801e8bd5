"""What there is to read of the metrics: GetMetricData, GetMetricStatistics and ListMetrics.

Periods begin at the start time, rounded down to the minute or, for shorter periods, to the period: API
reference, GetMetricData. A period is marked by its beginning.
"""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.localcloud.apierrors import ApiError, unsupported
from orchestrator.localcloud.cloudwatch.functions import Points
from orchestrator.localcloud.cloudwatch.queries import Results, check_queries
from orchestrator.localcloud.cloudwatch.series import Metric, Series, metric
from orchestrator.localcloud.cloudwatch.statistics import Sample, is_statistic, merged, statistic

Request = Mapping[str, Any]
"""A request of CloudWatch's, parsed by botocore's model: moments are datetimes."""

_MINUTE = 60
_MOST_DATAPOINTS = 100_800
_MOST_STATISTICS = 1_440
_PAGE = 500
_RECENTLY_SECONDS = 3 * 3600


def get_metric_data(series: Series, request: Request) -> dict[str, Any]:
    """Answer GetMetricData.

    Raises:
        ApiError: If a query is not right, or one that the local cloud cannot carry out.
    """
    start, end = _span(request, code="ValidationError")
    queries = request.get("MetricDataQueries", [])
    _check_queries(queries)

    def measured(query: Request) -> Points:
        return _measured(series, query, (start, end))

    results = Results(queries, measured, _moments(queries, start, end))
    answered = [
        {"Id": query["Id"], "Label": label, "Points": points}
        for query in queries
        if query.get("ReturnData", True)
        for label, points in results.series(query)
    ]
    descending = request.get("ScanBy", "TimestampDescending") == "TimestampDescending"
    return _paged(answered, request, descending=descending)


def get_metric_statistics(series: Series, request: Request) -> dict[str, Any]:
    """Answer GetMetricStatistics.

    Raises:
        ApiError: If the request is not right.
    """
    plain, extended = request.get("Statistics") or [], request.get("ExtendedStatistics") or []
    if not plain and not extended:
        raise ApiError("InvalidParameterCombination", "Must specify either Statistics or ExtendedStatistics")
    for name in extended:
        _check_statistic(name, "ExtendedStatistics")
    start, end = _span(request, code="InvalidParameterValue")
    period = int(request["Period"])
    _check_period(period)
    if (wanted := int((end - start) / period)) > _MOST_STATISTICS:
        raise ApiError(
            "InvalidParameterCombination",
            f"You have requested up to {wanted:,} datapoints, which exceeds the limit "
            f"of {_MOST_STATISTICS:,}. You may reduce the datapoints requested by increasing Period, or "
            "decreasing the time range.",
        )
    what = metric_of(request)
    unit = request.get("Unit") or (series.units(what) or ("None",))[0]
    samples = by_period(series, what, (start, end), period, request.get("Unit"))
    shown = [_datapoint(at, sample, plain, extended, unit) for at, sample in samples.items()]
    return {"Label": request["MetricName"], "Datapoints": shown}


def list_metrics(series: Series, request: Request, now: float) -> dict[str, Any]:
    """Answer ListMetrics, ``now`` seconds since 1970."""
    since = now - _RECENTLY_SECONDS if request.get("RecentlyActive") else 0.0
    found = [what for what in series.metrics(since) if _is_wanted(what, request)]
    first = position(request)
    answer: dict[str, Any] = {"Metrics": [shown(what) for what in found[first : first + _PAGE]]}
    if len(found) > first + _PAGE:
        answer["NextToken"] = str(first + _PAGE)
    return answer


def shown(what: Metric) -> dict[str, Any]:
    """Return a metric in the form of the API."""
    dimensions = [{"Name": name, "Value": value} for name, value in what.dimensions]
    return {"Namespace": what.namespace, "MetricName": what.name, "Dimensions": dimensions}


def metric_of(content: Request) -> Metric:
    """Return the metric that a part of a request names."""
    dimensions = {each["Name"]: each["Value"] for each in content.get("Dimensions") or ()}
    return metric(content["Namespace"], content["MetricName"], dimensions)


def seconds(moment: dt.datetime) -> float:
    """Return a moment of a request in seconds since 1970; without a zone it is UTC."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


def position(request: Request) -> int:
    """Return where the next page begins.

    Raises:
        ApiError: If the token is none of ours.
    """
    token = request.get("NextToken") or "0"
    if not token.isdecimal():
        raise ApiError("InvalidNextToken", "The next token specified is invalid.")
    return int(token)


def by_period(
    series: Series, what: Metric, span: tuple[float, float], period: int, unit: str | None
) -> dict[float, Sample]:
    """Return what was measured in each period that begins within ``span``, by its beginning."""
    step = min(period, _MINUTE)
    start = span[0] - span[0] % step
    end = start + -(-(span[1] - start) // period) * period
    gathered: dict[float, list[Sample]] = {}
    for moment, sample in series.between(what, start, end, unit):
        gathered.setdefault(moment - (moment - start) % period, []).append(sample)
    return {at: whole for at, parts in gathered.items() if (whole := merged(parts))}


def _measured(series: Series, query: Request, span: tuple[float, float]) -> Points:
    stat = query["MetricStat"]
    period = int(stat["Period"])
    samples = by_period(series, metric_of(stat["Metric"]), span, period, stat.get("Unit"))
    values = {at: statistic(stat["Stat"], sample) for at, sample in samples.items()}
    return Points({at: value for at, value in values.items() if value is not None}, float(period))


def _moments(queries: Sequence[Request], start: float, end: float) -> Sequence[float]:
    """Return the beginnings of all periods, for what fills gaps."""
    periods = [int(query["MetricStat"]["Period"]) for query in queries if "MetricStat" in query]
    period = min(periods, default=_MINUTE)
    return [float(at) for at in range(int(start - start % min(period, _MINUTE)), math.ceil(end), period)]


def _paged(answered: Sequence[Request], request: Request, *, descending: bool) -> dict[str, Any]:
    """Return the part of the datapoints that a page holds, across the queries."""
    first, most = position(request), int(request.get("MaxDatapoints") or _MOST_DATAPOINTS)
    before, results = 0, []
    for one in answered:
        points: Points = one["Points"]
        moments = sorted(points.values, reverse=descending)
        skipped = min(max(first - before, 0), len(moments))
        kept = moments[skipped : max(first + most - before, 0)]
        is_whole = before + len(moments) <= first + most
        before += len(moments)
        results.append(
            {
                "Id": one["Id"],
                "Label": one["Label"],
                "Timestamps": [dt.datetime.fromtimestamp(at, dt.UTC) for at in kept],
                "Values": [points.values[at] for at in kept],
                "StatusCode": "Complete" if is_whole else "PartialData",
            }
        )
    answer: dict[str, Any] = {"MetricDataResults": results, "Messages": []}
    if before > first + most:
        answer["NextToken"] = str(first + most)
    return answer


def _datapoint(
    at: float, sample: Sample, plain: Sequence[str], extended: Sequence[str], unit: str
) -> dict[str, Any]:
    made: dict[str, Any] = {"Timestamp": dt.datetime.fromtimestamp(at, dt.UTC), "Unit": unit}
    made |= {name: statistic(name, sample) for name in plain}
    further = {name: statistic(name, sample) for name in extended}
    if known := {name: value for name, value in further.items() if value is not None}:
        made["ExtendedStatistics"] = known
    return made


def _span(request: Request, *, code: str) -> tuple[float, float]:
    start, end = seconds(request["StartTime"]), seconds(request["EndTime"])
    if start >= end:
        message = "The parameter StartTime must be less than the parameter EndTime."
        if code == "ValidationError":
            message = "The parameter StartTime must not equal parameter EndTime."
            if start > end:
                message = "The parameter EndTime must be greater than StartTime."
        raise ApiError(code, message)
    return start, end


def _check_queries(queries: Sequence[Request]) -> None:
    for number, query in enumerate(queries, 1):
        name = f"MetricDataQueries.member.{number}"
        if "Expression" in query:
            if query["Expression"].lstrip().upper().startswith("SELECT "):
                raise unsupported("Metrics Insights (SELECT)")
            continue
        if "MetricStat" not in query:
            raise ApiError("ValidationError", f"The parameter {name}.MetricStat is required.\n")
        _check_statistic(query["MetricStat"]["Stat"], f"{name}.MetricStat.Stat", code="ValidationError")
        _check_period(int(query["MetricStat"]["Period"]), code="ValidationError")
    check_queries(queries, "MetricDataQueries")


def _check_statistic(name: str, parameter: str, code: str = "InvalidParameterValue") -> None:
    if not is_statistic(name):
        raise ApiError(code, f"The value {name} for parameter {parameter} is not supported.")


def _check_period(period: int, code: str = "InvalidParameterValue") -> None:
    if period not in {1, 5, 10, 20, 30} and (period < _MINUTE or period % _MINUTE):
        raise ApiError(code, "Period must be 1, 5, 10, 20, 30 or a multiple of 60.")


def _is_wanted(what: Metric, request: Request) -> bool:
    if request.get("Namespace", what.namespace) != what.namespace:
        return False
    if request.get("MetricName", what.name) != what.name:
        return False
    has = dict(what.dimensions)
    return all(
        each["Name"] in has and each.get("Value", has[each["Name"]]) == has[each["Name"]]
        for each in request.get("Dimensions") or ()
    )
