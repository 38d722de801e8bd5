"""Stands in for `ts.metrics.metric_type_enum`."""

from enum import Enum


class MetricTypes(str, Enum):  # noqa: UP042 - as TorchServe has it: `str()` of a member differs
    """Kinds of metrics."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
