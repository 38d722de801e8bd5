"""Read an endpoint's log, and go on reading as it is written."""

from collections.abc import Iterator

from orchestrator.core.errors import ThrottledError, UnreachableError
from orchestrator.core.live import Line, Position
from orchestrator.usecases.edge import Edge

INTERVAL_SECONDS = 2.0
"""FilterLogEvents may be called a few times a second in an account, by everybody together."""


def follow(endpoint: str, moment: float, edge: Edge, *, interval: float = INTERVAL_SECONDS) -> Iterator[Line]:
    """Yield every line written since ``moment``, once each, and those to come, without an end.

    What AWS refuses for the moment, or does not answer, is asked again: nothing is left out by that.

    Args:
        endpoint: Its name.
        moment: In seconds since 1970.
        edge: The environment.
        interval: How many seconds to wait before looking again.

    Raises:
        CloudError: If the log cannot be read for another reason.
    """
    position = Position(moment)
    while True:
        try:
            lines, position = edge.logs.read(endpoint, position)
        except (ThrottledError, UnreachableError):
            lines = ()
        yield from lines
        edge.clock.sleep(interval)
