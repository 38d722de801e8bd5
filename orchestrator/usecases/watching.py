"""Look at an endpoint again and again, at a pace that AWS bears, until somebody's patience ends."""

import zlib
from types import TracebackType

from orchestrator.core.errors import CloudError, ThrottledError, UnreachableError
from orchestrator.core.outcome import Sighting
from orchestrator.core.ports import Watch
from orchestrator.core.resources import Endpoint, EndpointStatus
from orchestrator.usecases.edge import Edge


class Tolerance:
    """Lets a question pass that AWS does not answer, as often as it is used; it can be asked again.

    Attributes:
        misses: How often that was.
    """

    def __init__(self) -> None:
        self.misses = 0

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        missed = isinstance(error, (ThrottledError, UnreachableError))
        self.misses += missed
        return missed


class Lookout:
    """Somebody who looks at one endpoint, remembers what was seen, and counts the time.

    Attributes:
        started: When the first look was taken, in seconds since 1970.
        moved: Whether the endpoint was ever seen to move.
        tolerance: For all that is asked meanwhile.
    """

    def __init__(self, endpoint: str, edge: Edge, *, extra_seconds: float = 0.0) -> None:
        """Begin now.

        Args:
            endpoint: Its name.
            edge: The environment, whose patience this is.
            extra_seconds: What the change takes by its own design, on top of that patience.
        """
        self.started = edge.clock.now()
        self.moved = False
        self.tolerance = Tolerance()
        self._endpoint = endpoint
        self._edge = edge
        self._deadline_seconds = edge.patience.deadline_seconds + extra_seconds
        self._looks = 0
        self._last: Endpoint | None = None
        self._last_at = self.started
        self._exempt_seconds = 0.0

    @property
    def elapsed_seconds(self) -> float:
        """Since the beginning."""
        return self._edge.clock.now() - self.started

    @property
    def left_seconds(self) -> float:
        """Until our patience ends. What AWS does of its own accord (``SystemUpdating``) is not counted."""
        return self._deadline_seconds - (self.elapsed_seconds - self._exempt_seconds)

    @property
    def status(self) -> str:
        """The status that was seen last, in words."""
        return "not visible yet" if self._last is None else str(self._last.status)

    def look(self) -> Sighting | None:
        """Return what DescribeEndpoint shows; ``None`` if AWS did not answer this time.

        Raises:
            CloudError: If AWS refuses to answer at all.
        """
        with self.tolerance:
            found = self._edge.cloud.endpoint(self._endpoint, tags=False)
            self._remember(found)
            return Sighting(found, self.elapsed_seconds, self.moved)
        return None

    def watch(self, stage: str = "", share: float | None = None, instances: str = "") -> Watch:
        """Return what there is to be seen now."""
        return Watch(
            endpoint=self._endpoint,
            status=self.status,
            elapsed_seconds=self.elapsed_seconds,
            left_seconds=max(self.left_seconds, 0.0),
            stage=stage,
            share=share,
            instances=instances,
        )

    def pause(self) -> None:
        """Sleep for one to two intervals.

        How long is a function of the endpoint and of how often it was looked at: many endpoints that are
        watched at once do not stay in step, and a run can be repeated exactly.
        """
        self._looks += 1
        spread = zlib.crc32(f"{self._endpoint} {self._looks}".encode()) / 2**32
        self._edge.clock.sleep(self._edge.patience.interval_seconds * (1 + spread))

    def _remember(self, found: Endpoint | None) -> None:
        now = self._edge.clock.now()
        if self._last is not None and self._last.status is EndpointStatus.SYSTEM_UPDATING:
            self._exempt_seconds += now - self._last_at
        self._last, self._last_at = found, now
        self.moved = self.moved or (found is not None and not found.settled)


def goes_on(error: CloudError, config: str) -> CloudError:
    """Return ``error``, saying that the change it kept us from watching goes on."""
    error.add_detail("state", f"the change goes on towards '{config}' without us")
    return error
