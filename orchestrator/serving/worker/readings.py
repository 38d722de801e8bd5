"""Metrics that an entry point may report through `context.metrics`, and that go nowhere.

TorchServe 0.12 writes them into its log. The names are those of `ts.metrics.metrics_store.MetricsStore` and
`ts.metrics.metric_cache_yaml_impl.MetricsCacheYamlImpl`.
"""

from typing import Any


class Reading:
    """One metric, which takes values."""

    def __init__(self, metric_name: str) -> None:
        self.metric_name = metric_name

    def add_or_update(self, value: float, dimension_values: Any = None, request_id: str = "") -> None:  # noqa: ANN401 - TorchServe's signature
        """Take a value."""

    def update(self, value: float, request_id: str = "", dimensions: Any = None) -> None:  # noqa: ANN401 - likewise
        """Take a value."""


class Readings:
    """Every metric that user code cares to name."""

    def __init__(self, model_name: str) -> None:
        self.model_name = model_name
        self.request_ids: Any = None
        self.cache: dict[Any, Any] = {}
        self.store: list[Any] = []

    def set_request_ids(self, request_ids: str) -> None:
        """Say which requests the next values belong to."""
        self.request_ids = request_ids

    def add_metric(self, *arguments: Any, **named: Any) -> Reading:  # noqa: ANN401 - two classes, two signatures
        """Take a value of any unit, or, as TorchServe's newer class has it, make a metric."""
        return Reading(str(arguments[0] if arguments else named.get("name", named.get("metric_name"))))

    add_metric_to_cache = add_metric
    get_metric = add_metric

    def add_counter(self, name: str, value: float, idx: int | None = None, dimensions: Any = None) -> None:  # noqa: ANN401 - TorchServe's signature
        """Add to a counter."""

    def add_time(
        self,
        name: str,
        value: float,
        idx: int | None = None,
        unit: str = "ms",
        dimensions: Any = None,  # noqa: ANN401 - likewise
    ) -> None:
        """Take a duration."""

    def add_size(
        self,
        name: str,
        value: float,
        idx: int | None = None,
        unit: str = "MB",
        dimensions: Any = None,  # noqa: ANN401 - likewise
    ) -> None:
        """Take a size."""

    def add_percent(self, name: str, value: float, idx: int | None = None, dimensions: Any = None) -> None:  # noqa: ANN401 - likewise
        """Take a share."""

    def add_error(self, name: str, value: Any, dimensions: Any = None) -> None:  # noqa: ANN401 - likewise
        """Take an error."""
