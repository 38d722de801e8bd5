"""Stands in for `ts.metrics.dimension`."""


class Dimension:
    """One dimension of a metric."""

    def __init__(self, name: str, value: str) -> None:
        self.name = name
        self.value = value

    def __str__(self) -> str:
        return f"{self.name}:{self.value}"

    def to_dict(self) -> dict[str, str]:
        """Return the dimension as TorchServe's JSON has it."""
        return {"Name": self.name, "Value": self.value}
