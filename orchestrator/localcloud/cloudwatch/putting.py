"""PutMetricData: what clients measure themselves. Rules: CloudWatch API reference, MetricDatum."""

import math
import time
from collections.abc import Mapping
from typing import Any

from orchestrator.localcloud.apierrors import ApiError, unsupported
from orchestrator.localcloud.cloudwatch.reading import metric_of, seconds
from orchestrator.localcloud.cloudwatch.shelf import Shelf
from orchestrator.localcloud.cloudwatch.statistics import Sample, sample_of, statistic_set

_SET = ("SampleCount", "Sum", "Minimum", "Maximum")
_MOST_VALUES = 150
_MOST_METRICS = 1_000
_MOST_DIMENSIONS = 30
_MOST = 2.0**360
_PAST_SECONDS, _FUTURE_SECONDS = 14 * 86_400, 2 * 3_600
_SIZES = [f"{size}{unit}" for unit in ("bytes", "bits") for size in ("", "kilo", "mega", "giga", "tera")]
_COUNTED = [size.capitalize() for size in _SIZES]
_PLAIN = ["Seconds", "Microseconds", "Milliseconds", *_COUNTED, "Percent", "Count"]
_UNITS = [*_PLAIN, *(f"{unit}/Second" for unit in (*_COUNTED, "Count")), "None"]


def put_metric_data(shelf: Shelf, request: Mapping[str, Any]) -> dict[str, Any]:
    """Count in what was measured; nothing if a part of it is not right.

    Raises:
        ApiError: Naming the member that is wrong.
    """
    if request.get("EntityMetricData"):
        raise unsupported("EntityMetricData")
    members = request.get("MetricData") or []
    if len(members) > _MOST_METRICS:
        message = f"The collection MetricData must not have a size greater than {_MOST_METRICS}."
        raise ApiError("InvalidParameterValue", message)
    now = time.time()
    for number, member in enumerate(members, 1):
        _check(member, f"MetricData.member.{number}", now)
    samples = [_sample(member, f"MetricData.member.{number}") for number, member in enumerate(members, 1)]
    for member, sample in zip(members, samples, strict=True):
        at = seconds(member["Timestamp"]) if member.get("Timestamp") else now
        what = metric_of({**member, "Namespace": request["Namespace"]})
        shelf.series.put(what, at, sample, member.get("Unit") or "None")
    return {}


def _check(member: Mapping[str, Any], name: str, now: float) -> None:
    """Check unit and moment; the texts are AWS's (cloud-custodian#2559, collectd-cloudwatch#46)."""
    if (member.get("Unit") or "None") not in _UNITS:
        message = f"The parameter {name}.Unit must be a value in the set [ {', '.join(_UNITS)} ]."
        raise ApiError("InvalidParameterValue", message)
    at = seconds(member["Timestamp"]) if member.get("Timestamp") else now
    if not now - _PAST_SECONDS <= at <= now + _FUTURE_SECONDS:
        bound = "within the past two weeks" if at < now else "no more than two hours in the future"
        message = f"The parameter {name}.Timestamp must specify a time {bound}."
        raise ApiError("InvalidParameterValue", message)


def _sample(member: Mapping[str, Any], name: str) -> Sample:
    given = [key for key in ("Value", "Values", "StatisticValues") if member.get(key) not in (None, [])]
    if len(given) > 1:
        message = (
            f"The parameters {name}.{given[0]} and {name}.{given[1]} are mutually exclusive and you have "
            "specified both."
        )
        raise ApiError("InvalidParameterCombination", message)
    if len(member.get("Dimensions") or ()) > _MOST_DIMENSIONS:
        message = f"The collection {name}.Dimensions must not have a size greater than {_MOST_DIMENSIONS}."
        raise ApiError("InvalidParameterValue", message)
    match given:
        case ["Values"]:
            return _several(member, name)
        case ["StatisticValues"]:
            return _set(member["StatisticValues"], name)
        case ["Value"]:
            return sample_of({_number(member["Value"], f"{name}.Value"): 1.0})
    raise ApiError("MissingParameter", f"The parameter {name}.Value is required.")


def _several(member: Mapping[str, Any], name: str) -> Sample:
    values = [_number(value, f"{name}.Values") for value in member["Values"]]
    counts = [float(count) for count in member.get("Counts") or [1.0] * len(values)]
    if len(counts) != len(values):
        message = f"The parameters {name}.Values and {name}.Counts must be of the same size."
        raise ApiError("InvalidParameterValue", message)
    if len(values) > _MOST_VALUES:
        message = f"The collection {name}.Values must not have a size greater than {_MOST_VALUES}."
        raise ApiError("InvalidParameterValue", message)
    if any(not count > 0 for count in counts):
        raise ApiError("InvalidParameterValue", f"The parameter {name}.Counts must be greater than 0.")
    gathered: dict[float, float] = {}
    for value, count in zip(values, counts, strict=True):
        gathered[value] = gathered.get(value, 0.0) + count
    return sample_of(gathered)


def _set(values: Mapping[str, Any], name: str) -> Sample:
    for key in _SET:
        if key not in values:
            raise ApiError("MissingParameter", f"The parameter {name}.StatisticValues.{key} is required.")
    count, total, least, most = (_number(values[key], f"{name}.StatisticValues.{key}") for key in _SET)
    if count <= 0 or least > most:
        message = f"The parameter {name}.StatisticValues is not a set of statistics."
        raise ApiError("InvalidParameterValue", message)
    return statistic_set(count, total, least, most)


def _number(value: object, name: str) -> float:
    number = float(str(value))
    if not math.isfinite(number) or abs(number) > _MOST:
        raise ApiError("InvalidParameterValue", f"The value {value} for parameter {name} is invalid.")
    return number
