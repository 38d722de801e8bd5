"""What an alarm may be: the rules of PutMetricAlarm and PutCompositeAlarm.

Their source is the CloudWatch API reference; codes are AWS's, texts are AWS's where they are known.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from orchestrator.localcloud.apierrors import ApiError, unsupported
from orchestrator.localcloud.cloudwatch import functions, rules
from orchestrator.localcloud.cloudwatch.evaluation import COMPARISONS
from orchestrator.localcloud.cloudwatch.expressions import ExpressionError, parse
from orchestrator.localcloud.cloudwatch.queries import check_queries
from orchestrator.localcloud.cloudwatch.statistics import PLAIN, is_statistic

_MINUTE = 60
_SHORT_PERIODS = {10, 20, 30}
_DAY, _WEEK, _HOUR = 86_400, 7 * 86_400, 3_600
_TREATMENTS = ("breaching", "ignore", "missing", "notBreaching")
_LOW_COUNTS = ("evaluate", "ignore")
_MOST_METRICS = 10
_UNSUPPORTED = ("EvaluationCriteria", "EvaluationWindow", "WarmUpConfiguration", "ThresholdMetricId")

Request = Mapping[str, Any]


def check_metric_alarm(request: Request) -> None:
    """Check what an alarm on metrics says.

    Raises:
        ApiError: Naming the first thing that is wrong.
    """
    for name in _UNSUPPORTED:
        if name in request:
            raise unsupported(f"{name} of alarms")
    for name in ("EvaluationPeriods", "ComparisonOperator", "Threshold"):
        if request.get(name) is None:
            raise _wrong(f"The parameter {name} is required", "MissingParameter")
    if request["ComparisonOperator"] not in COMPARISONS:
        raise unsupported(f"the ComparisonOperator {request['ComparisonOperator']}")
    _check_words(request, "TreatMissingData", _TREATMENTS)
    _check_words(request, "EvaluateLowSampleCountPercentile", _LOW_COUNTS)
    periods, needed = int(request["EvaluationPeriods"]), request.get("DatapointsToAlarm")
    if periods < 1 or (needed is not None and not 1 <= needed <= periods):
        raise _wrong("DatapointsToAlarm must be at least 1 and at most EvaluationPeriods")
    if request.get("Metrics"):
        _check_metrics(request)
    else:
        _check_metric(request)


def check_composite_alarm(request: Request, known: Sequence[str]) -> None:
    """Check what a composite alarm says, given the alarms that there are.

    Raises:
        ApiError: If its rule is none, or it depends on what is not there.
    """
    if "AT_LEAST(" in request["AlarmRule"].replace(" ", ""):
        raise unsupported("AT_LEAST in rules of composite alarms")
    try:
        rule = rules.parse(request["AlarmRule"])
    except rules.RuleError as error:
        raise _wrong(f"AlarmRule is not valid: {error}") from error
    missing = [name for name in rules.children(rule) if name not in known]
    if missing:
        named = ", ".join(missing)
        raise _wrong(f"Could not save the composite alarm as alarms [{named}] in the alarm rule do not exist")
    suppressor = request.get("ActionsSuppressor")
    waits = ("ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod")
    if suppressor and any(request.get(wait) is None for wait in waits):
        raise _wrong(f"ActionsSuppressor needs {waits[0]} and {waits[1]}")
    if suppressor and rules.name_of(suppressor) not in known:
        raise _wrong(f"The suppressor alarm {suppressor} does not exist")


def _check_metric(request: Request) -> None:
    for name in ("MetricName", "Namespace", "Period"):
        if not request.get(name):
            raise _wrong(f"The parameter {name} is required", "MissingParameter")
    statistic, extended = request.get("Statistic"), request.get("ExtendedStatistic")
    if bool(statistic) is bool(extended):
        raise _wrong(
            "Exactly one of Statistic and ExtendedStatistic is required", "InvalidParameterCombination"
        )
    if statistic and statistic not in PLAIN:
        raise _wrong(
            f"The value {statistic} for parameter Statistic is not supported.", "InvalidParameterValue"
        )
    if extended and (extended in PLAIN or not is_statistic(extended)):
        message = f"The value {extended} for parameter ExtendedStatistic is not supported."
        raise _wrong(message, "InvalidParameterValue")
    _check_period(int(request["Period"]), int(request["EvaluationPeriods"]))


def _check_metrics(request: Request) -> None:
    """Check an alarm on metric math."""
    queries = request["Metrics"]
    if request.get("MetricName") or request.get("Period") or request.get("Statistic"):
        raise _wrong("Metrics goes with no MetricName, Period or Statistic", "InvalidParameterCombination")
    periods = {int(query["MetricStat"]["Period"]) for query in queries if "MetricStat" in query}
    if not periods:
        raise unsupported("an alarm without a metric")
    if len(periods) > 1 or sum("MetricStat" in query for query in queries) > _MOST_METRICS:
        raise _wrong(f"Metrics must be at most {_MOST_METRICS}, all of the same period")
    if sum(query.get("ReturnData", True) for query in queries) != 1:
        raise _wrong("Exactly one element of the metrics list should return data.")
    check_queries(queries, "Metrics")
    known = {query["Id"] for query in queries}
    for query in queries:
        _check_query(query, known)
    _check_period(periods.pop(), int(request["EvaluationPeriods"]))


def _check_query(query: Request, known: Collection[str]) -> None:
    if stat := query.get("MetricStat"):
        if not is_statistic(stat["Stat"]):
            raise _wrong(f"The value {stat['Stat']} for parameter Stat is not supported.")
        return
    try:
        tree = parse(query.get("Expression", ""))
        functions.check(tree)
    except ExpressionError as error:
        raise _wrong(f"Error in expression '{query['Id']}': {error}") from error
    if unknown := sorted(functions.refers_to(tree).difference(known)):
        why = f"'{unknown[0]}' is not the id of another metric or expression"
        raise _wrong(f"Error in expression '{query['Id']}': {why}")


def _check_period(period: int, periods: int) -> None:
    if period not in _SHORT_PERIODS and (period < _MINUTE or period % _MINUTE):
        raise _wrong("Period must be 10, 20, 30 or a multiple of 60")
    if period * periods > (_WEEK if period >= _HOUR else _DAY):
        raise _wrong(
            "Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= 86400)"
        )


def _check_words(request: Request, name: str, words: Sequence[str]) -> None:
    if request.get(name) is not None and request[name] not in words:
        raise _wrong(
            f"Option {request[name]} is not supported. Supported options for parameter {name} are "
            f"{' and '.join(words)}."
        )


def _wrong(message: str, code: str = "ValidationError") -> ApiError:
    return ApiError(code, message)
