"""Serve a model folder under the container's contract until asked to stop.

The address is taken first, so that a busy port is known before a model is loaded; then the workers start; the
first that has loaded its model opens the doors. A model that does not load is an error at once, where the
container would answer ``/ping`` with 200 for five minutes and no request ever.
"""

import asyncio
import contextlib
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field

import uvicorn
import uvloop

from orchestrator.core.errors import ArtifactError, SpecError
from orchestrator.core.golden import Case
from orchestrator.serving.catalogue.paths import Single
from orchestrator.serving.contract import Contract, is_multi_model
from orchestrator.serving.front.access import guarded, local
from orchestrator.serving.front.app import App
from orchestrator.serving.front.listening import is_loopback, listening
from orchestrator.serving.front.protocol import protocol
from orchestrator.serving.ports import Answered, Observer, Room, Workers
from orchestrator.serving.preparing.reload import Source, reloading
from orchestrator.serving.staff import House, Served, Staff
from orchestrator.serving.watching.log import Log
from orchestrator.serving.watching.metrics import Metrics
from orchestrator.serving.watching.page import Page
from orchestrator.serving.watching.recent import Recent

DRAIN_SECONDS = 25
"""How long requests in flight may take after SIGTERM; SageMaker sends SIGKILL after 30 s."""

# Longer than clients keep an idle connection, so that they close it and no request meets a closing one.
_KEEP_ALIVE_SECONDS = 75
_STDIN = 0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_READ_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Options:
    """What to serve, where, and how.

    Attributes:
        source: What makes the model folder and its environment.
        host: The interface to listen on. On a loopback interface only requests for a local name are
            answered: a page that rebinds its own name to 127.0.0.1 gets 421.
        port: 0 picks a free one.
        token: What clients have to show; another interface than a loopback one needs one.
        reload: Whether to make the folder anew when one of its sources changes.
        house: What holds for all that is served.
        cases: For the page for developers, with ``atol``: how far a number may be off.
        as_json: Whether the log is JSON, one document a line.
        exit_with_stdin: Stop when stdin closes, so that nothing outlives whoever started this process.
    """

    source: Source[Served]
    host: str = "127.0.0.1"
    port: int = 8080
    token: str | None = None
    reload: bool = False
    house: House = field(default_factory=lambda: House(os.cpu_count() or 1))
    cases: Sequence[Case] = ()
    atol: float = 0.0
    as_json: bool = False
    exit_with_stdin: bool = False


@dataclass(frozen=True, slots=True)
class Ready:
    """The server answers at this address."""

    host: str
    port: int
    pid: int
    workers: int


def run(options: Options, on_ready: Callable[[Ready], None]) -> bool:
    """Serve until SIGTERM or SIGINT, then let requests in flight finish and return.

    Needs the main thread, which is where signals arrive. stdout is left alone; stderr gets one line for each
    answer and each event of a worker, and whatever user code prints.

    Args:
        options: What to serve, and where.
        on_ready: Is called once, when requests are answered.

    Returns:
        Whether they ever were: not if a signal came before.

    Raises:
        PortInUseError: If somebody else listens on the port.
        SpecError: If the address cannot be listened on or needs a token, the token cannot be sent, or the
            environment has an impossible number; in strict fidelity for each trap in it.
        ArtifactError: If there is no such folder; a `LoadError` if the model does not load.
    """
    _check_token(options.token)
    with listening(options.host, options.port) as listener, contextlib.ExitStack() as built:
        if options.token is None and not is_loopback(listener):
            raise SpecError(
                f"whoever reaches '{options.host}' could use this model",
                details=[("rule", "another address than a loopback one needs a token")],
                hint="set ORCHESTRATOR_TOKEN, or --token; clients send it as 'Authorization: Bearer TOKEN'",
            )
        served = None if options.reload else built.enter_context(options.source.built())
        if served is not None and not served.folder.is_dir():
            raise ArtifactError(
                f"there is no model folder '{served.folder}'", hint="name the folder of an extracted archive"
            )
        for number in _SIGNALS:
            # uvloop leaves handlers behind that do nothing, also for Ctrl-C.
            built.callback(signal.signal, number, signal.getsignal(number))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_Serving(options, listener, on_ready).serve(served))


def _check_token(token: str | None) -> None:
    """Refuse a token that everybody knows, such as that of an unset variable, or that nobody can send."""
    if token is not None and not (token.isascii() and token.isprintable() and token.strip() == token != ""):
        raise SpecError(
            "the token is empty" if not token.strip() else "the token cannot be sent",
            details=[("rule", "printable ASCII, without a blank at either end")],
            hint="python -c 'import secrets; print(secrets.token_urlsafe())'          makes one",
        )


class _Everybody:
    """All observers as one."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = [*observers]

    def add(self, observer: Observer) -> None:
        self._observers.append(observer)

    def answered(self, answer: Answered) -> None:
        for observer in self._observers:
            observer.answered(answer)

    def happened(self, event: str, **facts: object) -> None:
        for observer in self._observers:
            observer.happened(event, **facts)


class _Server(uvicorn.Server):
    """uvicorn's server, with the two differences that `run` promises."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `run`: uvicorn would raise them again after the shutdown, and end the process."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell whoever waits for it."""
        await super().startup(sockets)
        self._on_started()


class _Serving:
    """One run of a server: who answers, who watches, and the doors."""

    def __init__(self, options: Options, listener: socket.socket, on_ready: Callable[[Ready], None]) -> None:
        self._options = options
        self._listener = listener
        self._on_ready = on_ready
        self._stop = asyncio.Event()
        self._server: _Server | None = None

    async def serve(self, served: Served | None) -> bool:
        """Serve ``served``, or what the source makes if that is ``None``; tell whether it came to that."""
        _on_signals(self._stop.set)
        if self._options.exit_with_stdin:
            _stop_with_stdin(self._stop)
        recent = Recent()
        log = Log(as_json=self._options.as_json)
        watching = _Everybody(log, recent)
        work = asyncio.create_task(self._work(served, recent, watching))
        work.add_done_callback(lambda _: self._stop.set())
        await self._stop.wait()
        if self._server is None:
            work.cancel()
        else:
            self._server.should_exit = True
            _on_signals(lambda: setattr(self._server, "force_exit", True))
        with contextlib.suppress(asyncio.CancelledError):
            await work
        return self._server is not None and self._server.started

    async def _work(self, served: Served | None, recent: Recent, watching: "_Everybody") -> None:
        async with (
            Staff(self._options.house, watching) as staff,
            self._workers(staff, served, watching) as (workers, models),
        ):
            metrics = Metrics(staff.look)
            watching.add(metrics)
            rooms = [metrics, *self._page(staff, recent), models]
            await self._answer(workers, staff, rooms, watching)

    @contextlib.asynccontextmanager
    async def _workers(
        self, staff: Staff, served: Served | None, observer: Observer
    ) -> AsyncIterator[tuple[Workers, Room]]:
        """Yield who answers, as soon as somebody does, and the room that tells of models."""
        if served is None:
            async with reloading(self._options.source, staff.pool, observer) as changing:
                await changing.first()
                yield changing, Single(changing, staff.contract, staff.look)
        elif is_multi_model(served.environment):
            async with staff.models(served) as models:
                yield models, models
        else:
            async with staff.pool(served) as pool:
                await pool.first()
                yield pool, Single(pool, staff.contract, staff.look)

    def _page(self, staff: Staff, recent: Recent) -> Iterator[Room]:
        """Yield the page for developers where only they can see it: it shows tracebacks."""
        if is_loopback(self._listener):
            options, facts = self._options, _facts(self._options.house, staff.contract)
            yield Page(recent, staff.look, cases=options.cases, atol=options.atol, facts=facts)

    async def _answer(
        self, workers: Workers, staff: Staff, rooms: Sequence[Room], observer: Observer
    ) -> None:
        """Open the doors until asked to stop, then until no request is in flight, or until asked again."""
        address, port = self._listener.getsockname()[:2]
        host, token = self._options.host, self._options.token
        is_local = is_loopback(self._listener)
        access = local(host, address, token) if is_local else guarded(token or "")
        app = App(workers, staff.contract, access=access, rooms=rooms, observers=[observer])
        ready = Ready(host, port, os.getpid(), staff.contract.workers)
        self._server = _Server(config(app, protocol(observers=[observer])), lambda: self._on_ready(ready))
        await self._server.serve(sockets=[self._listener])


def _facts(house: House, contract: Contract) -> dict[str, object]:
    return {
        "program": contract.program,
        "fidelity": house.fidelity.value,
        "workers": contract.workers,
        "batch size": contract.batch_size,
        "request at most": f"{contract.max_request_bytes} bytes",
        "answer at most": f"{contract.max_response_bytes} bytes",
        "answer within": f"{contract.response_timeout_seconds:g} s",
        "queue": contract.queue_size,
    }


def config(app: App, http: type[asyncio.Protocol], *, drain_seconds: int = DRAIN_SECONDS) -> uvicorn.Config:
    """Return how uvicorn serves ``app``: it starts, drains and stops; ``http`` does all that HTTP is."""
    return uvicorn.Config(
        app,
        http=http,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=drain_seconds,
    )


def _on_signals(react: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, react)


def _stop_with_stdin(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def watch() -> None:
        # Not sys.stdin: its lock would be held when the interpreter shuts down. An error is an end, too.
        with contextlib.suppress(OSError):
            while os.read(_STDIN, _READ_BYTES):
                pass
        # The loop may have been closed before stdin.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=watch, daemon=True).start()
