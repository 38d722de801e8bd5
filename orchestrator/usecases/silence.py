"""Watchers that do not look: for callers who want the outcome only."""

from collections.abc import Sequence

from orchestrator.core.ports import Watch
from orchestrator.core.steps import Step


class SilentTransfer:
    """The `Transfer` port of somebody who does not look."""

    def started(self, doing: str, total_bytes: int | None) -> None:
        """Look away."""

    def moved(self, count_bytes: int) -> None:
        """Look away."""

    def finished(self) -> None:
        """Look away."""


class SilentProgress:
    """The `Progress` port of somebody who does not look."""

    def started(self, step: Step, number: int, total: int) -> None:
        """Look away."""

    def waiting(self, watch: Watch) -> None:
        """Look away."""

    def finished(self, step: Step) -> None:
        """Look away."""

    def asking(self, cases: Sequence[str]) -> None:
        """Look away."""
