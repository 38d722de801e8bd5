"""Which worker a stateful session belongs to.

SageMaker hands ``X-Amzn-SageMaker-Session-Id`` to the container, ``NEW_SESSION`` or an id that the container
has made, and takes from its answers ``X-Amzn-SageMaker-New-Session-Id: ID; Expires=YYYY-MM-DDThh:mm:ssZ`` and
``X-Amzn-SageMaker-Closed-Session-Id: ID``: the developer guide's page on stateful sessions. A session lives
in the memory of one worker, so its requests have to meet that worker again.
"""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Generic, TypeVar

from orchestrator.serving.messages import Headers

NEW_SESSION = "NEW_SESSION"
"""What a client sends in place of an id."""

LIMIT = 10_000
"""How many sessions are remembered; of more, those that were used longest ago are forgotten."""

_SESSION = "x-amzn-sagemaker-session-id"
# The service model's pattern and length of a session's id.
_ID = re.compile(r"(?=.{1,256}\Z)[a-zA-Z0-9](?:-*[a-zA-Z0-9])*")
_EXPIRES = re.compile(r"\s*expires\s*=\s*(\S+)\s*", re.IGNORECASE)

WorkerT = TypeVar("WorkerT")


def asked_for(headers: Headers) -> str | None:
    """Return the session that a request with ``headers`` names, or ``None``."""
    for name, value in headers:
        # Nearly every request has none: the length is told sooner than the name.
        if len(name) == len(_SESSION) and name.lower() == _SESSION:
            return value.strip()
    return None


class Sessions(Generic[WorkerT]):
    """The sessions of one pool.

    Times are seconds since 1970, and arguments: this class knows no clock.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        # In the order of use, the latest last.
        self._bound: dict[str, tuple[WorkerT, float]] = {}

    def __len__(self) -> int:
        return len(self._bound)

    def worker(self, session: str, now: float) -> WorkerT | None:
        """Return the worker that ``session`` is bound to, or ``None`` if it never was or is no more."""
        bound = self._bound.pop(session, None)
        if bound is None or bound[1] <= now:
            return None
        self._bound[session] = bound
        return bound[0]

    def lightest(self, workers: Iterable[WorkerT], now: float) -> WorkerT | None:
        """Return which of ``workers`` has the fewest sessions, the first of several."""
        self._bound = {session: bound for session, bound in self._bound.items() if bound[1] > now}
        loads = Counter(worker for worker, _ in self._bound.values())
        return min(workers, key=lambda worker: loads[worker], default=None)

    def note(self, headers: Headers, worker: WorkerT) -> None:
        """Take note of what the headers of ``worker``'s answer say of sessions."""
        for name, value in headers:
            match name.lower():
                case "x-amzn-sagemaker-new-session-id":
                    self._bind(value, worker)
                case "x-amzn-sagemaker-closed-session-id":
                    self._bound.pop(value.strip(), None)

    def forget(self, worker: WorkerT) -> None:
        """Forget the sessions of a worker that has ended: whoever gets their requests has to decide."""
        self._bound = {session: bound for session, bound in self._bound.items() if bound[0] is not worker}

    def _bind(self, text: str, worker: WorkerT) -> None:
        session, _, attributes = text.partition(";")
        session = session.strip()
        if not _ID.fullmatch(session):
            return
        self._bound.pop(session, None)
        self._bound[session] = (worker, _expiry(attributes))
        if len(self._bound) > self._limit:
            del self._bound[next(iter(self._bound))]


def _expiry(attributes: str) -> float:
    for attribute in attributes.split(";"):
        expires = _EXPIRES.fullmatch(attribute)
        if expires is not None:
            return _seconds(expires[1])
    return float("inf")


def _seconds(text: str) -> float:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return float("inf")
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
