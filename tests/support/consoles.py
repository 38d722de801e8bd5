"""The console page with a made-up local cloud behind it: real pages, real state, worlds that a test puts."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import uvicorn
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from orchestrator.core.resources import EndpointStatus
from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.cloudwatch.metrics import Invocation
from orchestrator.localcloud.console.reading import Reads
from orchestrator.localcloud.console.recent import Recent
from orchestrator.localcloud.console.state import Sight, State
from orchestrator.localcloud.dataplane.traffic import Share, Traffic
from orchestrator.localcloud.faulting.faults import Faults
from orchestrator.localcloud.own import OwnPages
from orchestrator.localcloud.quotas import Quotas
from orchestrator.localcloud.wire import error_answer
from orchestrator.localcloud.world import Deployment, Endpoint, Place, Variant
from orchestrator.localcloud.world import Scope as Owner
from orchestrator.localcloud.worlds import Worlds

if TYPE_CHECKING:
    from orchestrator.localcloud.fleets.fleet import Fleet

OWNER = Owner("123456789012", "eu-west-1")
_HOST = "127.0.0.1"


@dataclass(frozen=True)
class Process:
    """An instance that is only looked at."""

    name: str
    pid: int | None
    restarts: int = 0
    answering: int = 0


@dataclass(eq=False)
class Group:
    """A fleet that is only looked at."""

    variant: Variant
    instances: tuple[Process, ...] = ()
    answering: int = 0


def deployment(config: str, **members: Any) -> Deployment:  # noqa: ANN401 - whatever a deployment has
    variant = Variant("primary", {}, "ml.m7i.large", 2, 1.0, 60.0)
    return Deployment(config, (variant,), members.pop("policy", None), 0.0, **members)


class MadeUp:
    """A local cloud that a test makes up.

    Attributes:
        alarms: As the console reads them.
        lines: The lines of every endpoint's log.
        resets: How often it was reset.
    """

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.worlds = Worlds()
        self.faults = Faults()
        self.alarms: list[dict[str, Any]] = []
        self.lines: list[dict[str, Any]] = []
        self.resets = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._traffic: dict[Place, Traffic] = {}
        self.recent = Recent(self._traffic.get, lambda: self.now)
        self.worlds.subscribe(self.recent.see)
        self.restart()

    @contextlib.contextmanager
    def served(self, port: int = 0) -> Iterator[str]:
        """Serve the page in a thread, and give its address."""
        listener = socket.create_server((_HOST, port))
        config = uvicorn.Config(self, ws="none", lifespan="off", log_config=None, access_log=False)
        server = uvicorn.Server(config)

        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            await server.serve(sockets=[listener])

        thread = threading.Thread(target=lambda: asyncio.run(serve()))
        thread.start()
        try:
            yield f"http://{_HOST}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
            self._loop = None
            listener.close()

    def do(self, work: Callable[[], None]) -> None:
        """Do something where the page's requests are answered, if they are, and return once it is done."""
        if self._loop is None:
            work()
            return

        async def do() -> None:
            work()

        asyncio.run_coroutine_threadsafe(do(), self._loop).result(20)

    def restart(self) -> None:
        """Let the page see another one that began at another time."""
        reads = Reads(lambda _: self.alarms, lambda _: [], lambda _: self.lines)
        state = State(Sight(self.worlds, self._traffic.get, self.recent, self.faults, reads))
        quotas = Quotas(self.worlds, time.time)
        self.pages = OwnPages(self.faults, quotas, lambda: {"status": "ok"}, self._reset, state)

    def put(self, name: str, portions: dict[str, float], status: str = "InService", **members: Any) -> None:  # noqa: ANN401 - whatever an endpoint has
        """Put an endpoint whose fleets, by endpoint config, get these portions of the requests."""
        shares = []
        for number, (config, portion) in enumerate(portions.items()):
            made = deployment(config)
            fleet = Group(made.variants[0], (Process(f"i-{number}", 4700 + number, number),))
            shares.append(Share(cast("Fleet", fleet), made.variants[0], made, portion))
        self._traffic[Place(OWNER, name)] = Traffic(tuple(shares))
        serving = shares[0].deployment
        endpoint = Endpoint(
            name, EndpointStatus(status), serving.config, 0.0, self.now, serving=serving, **members
        )
        self.worlds.put(self.worlds.at(OWNER).with_endpoint(endpoint))

    def answered(self, name: str, config: str, count: int, status: int = 200, latency_us: int = 2000) -> None:
        """Let a fleet have answered so many requests in the second that goes on."""
        for _ in range(count):
            place = Place(OWNER, name)
            self.recent.record(Invocation(place, "primary", config, status, latency_us, self.now))

    async def __call__(self, connection: Scope, receive: Receive, send: Send) -> None:
        request = Request(connection, receive)
        try:
            response = await self.pages.answer(request)
        except ApiError as error:
            response = error_answer(error, request, "")
        await response(connection, receive, send)

    async def _reset(self) -> None:
        self.resets += 1
