"""What the local cloud sends by itself: events to EventBridge in moto, and what others put into its outbox.

They go out one after the other in a thread of their own: whoever caused them does not wait, and an HTTP
endpoint that is subscribed to a topic may be slow. Names of moto are pinned by
``tests/contract/test_moto_symbols.py``; its services are imported only once somebody has used them.
"""

import json
import logging
import queue
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.localcloud.cloudwatch import targets
from orchestrator.localcloud.world import Scope

_EVENTS = "moto.events.models"


@dataclass(frozen=True, slots=True)
class Event:
    """An event of an AWS service.

    Attributes:
        source: Such as ``aws.sagemaker``.
        type: The ``detail-type``.
        resource: The ARN of what it is about.
        at: In seconds since 1970.
    """

    source: str
    type: str
    resource: str
    at: float
    detail: Mapping[str, Any]


class Outbox:
    """Sends, in the order that things were put into it, without letting anybody wait."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def is_heard(self, scope: Scope) -> bool:
        """Tell whether the default bus of an account and region has any rule; it is not made to look."""
        if _EVENTS not in sys.modules:
            return False
        # `get` of a dictionary: what moto's own looks up, it makes.
        regions = dict.get(sys.modules[_EVENTS].events_backends, scope.account, {})
        backend = dict.get(regions, scope.region)
        return backend is not None and bool(backend.event_buses["default"].rules)

    def put(self, deliver: Callable[[], None]) -> None:
        """Let something be done soon, in another thread."""
        self._waiting.put(deliver)
        with self._lock:
            if self._thread is None:
                # A daemon: what is sent to an endpoint that never answers must not keep the process.
                self._thread = threading.Thread(target=self._work, name="local-cloud-outbox", daemon=True)
                self._thread.start()

    def send(self, scope: Scope, event: Event) -> None:
        """Send an event to the rules of EventBridge's default bus, if anybody has made any."""
        if self.is_heard(scope):
            self.put(lambda: emit(scope, event))

    async def close(self) -> None:
        """Send no more than is being sent now."""
        self._waiting.put(None)

    def _work(self) -> None:
        while (deliver := self._waiting.get()) is not None:
            try:
                deliver()
            except Exception:
                # moto lets any Python error escape, and what follows is to be sent nevertheless.
                logging.getLogger(__name__).exception("a message of the local cloud is lost")


def emit(scope: Scope, event: Event) -> None:
    """Put an event on the default bus of an account and region."""
    targets.install()
    backend = sys.modules[_EVENTS].events_backends[scope.account][scope.region]
    entry = {
        "Source": event.source,
        "DetailType": event.type,
        "Detail": json.dumps(event.detail),
        "Resources": [event.resource],
        "Time": event.at,
    }
    backend.put_events([entry])
