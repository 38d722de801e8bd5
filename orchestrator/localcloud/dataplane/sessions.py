"""Stateful sessions: requests of one session reach the instance that began it.

SageMaker developer guide, stateful-sessions. The container makes the id, and says when the session expires or
that it has ended; what is known here is only which instance has it.
"""

import datetime as dt
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.dataplane.admission import PREFIX
from orchestrator.localcloud.dataplane.modelerrors import refused
from orchestrator.localcloud.dataplane.traffic import Share
from orchestrator.localcloud.fleets.exchange import Answer
from orchestrator.localcloud.world import Place

HEADER = f"{PREFIX}session-id"
"""The header by which a request names its session."""

NEW = "NEW_SESSION"
"""What it says in place of an id to begin one."""

_BEGUN, _ENDED = f"{PREFIX}new-session-id", f"{PREFIX}closed-session-id"


@dataclass(frozen=True, slots=True)
class _Session:
    """Where a session is.

    Attributes:
        fleet: What tells the fleet from all others of the endpoint, those of other deployments among them.
        instance: The id of the instance.
        expires: In seconds since 1970.
    """

    fleet: tuple[str, str, float]
    instance: str
    expires: float


class Sessions:
    """The sessions of all endpoints.

    Args:
        clock: Seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._sessions: dict[tuple[Place, str], _Session] = {}

    def find(self, place: Place, name: str, shares: Sequence[Share]) -> tuple[Share, str]:
        """Return which of ``shares`` has a session, and on which instance.

        Raises:
            ApiError: If it never began, has ended or expired, or its fleet is gone.
        """
        session = self._sessions.get((place, name))
        share = next((one for one in shares if session and _fleet(one) == session.fleet), None)
        if session is None or share is None or session.expires < self._clock():
            raise self.lost(place, name)
        return share, session.instance

    def lost(self, place: Place, name: str) -> ApiError:
        """Forget a session, and return what who asks for it is told; the words are not AWS's."""
        self._sessions.pop((place, name), None)
        return refused(f"Session {name} of endpoint {place.endpoint} was not found, or has expired.")

    def note(self, place: Place, share: Share, answer: Answer) -> None:
        """Take note of the session that the container says has begun, or has ended."""
        for name, value in answer.headers:
            if name == _ENDED:
                self._sessions.pop((place, value.strip()), None)
            elif name == _BEGUN:
                self._begin(place, value, _fleet(share), answer.instance)

    def _begin(self, place: Place, value: str, fleet: tuple[str, str, float], instance: str) -> None:
        now = self._clock()
        # The expired ones go when new ones come: nobody may ever ask for them again.
        self._sessions = {key: kept for key, kept in self._sessions.items() if kept.expires >= now}
        name, _, attributes = value.partition(";")
        self._sessions[place, name.strip()] = _Session(fleet, instance, _expiry(attributes))


def _fleet(share: Share) -> tuple[str, str, float]:
    return share.variant.name, share.deployment.config, share.deployment.since


def _expiry(attributes: str) -> float:
    """Return when a session expires: ``Expires=yyyy-mm-ddThh:mm:ssZ``; never, where it does not say.

    >>> _expiry(" Expires=1970-01-01T00:01:00Z")
    60.0
    """
    _, _, moment = attributes.strip().partition("=")
    try:
        return dt.datetime.strptime(moment, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.UTC).timestamp()
    except ValueError:
        return float("inf")
