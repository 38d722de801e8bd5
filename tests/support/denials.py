"""Permissions that are missing, or are lost midway."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from orchestrator.core.errors import DeniedError
from tests.support.faults import Faults


@dataclass
class Denials(Faults):
    """From call number ``since`` on, AWS permits nothing; with ``only``, one kind of call is not permitted.

    Attributes:
        since: The number of the first call that is refused; 0 for none.
        only: The port and the method that are refused, such as ``cloud.update_endpoint``.
    """

    since: int = 0
    only: str = ""
    refused: list[str] = field(default_factory=list)

    def strike(self, name: str, call: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever the port returns
        self.calls.append(name)
        if name == self.only or 0 < self.since <= len(self.calls):
            self.refused.append(name)
            raise DeniedError(f"{name} is not permitted")
        return call()
