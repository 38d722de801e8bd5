"""A real browser, and a server for it to look at: the real application in front of a made-up model."""

import asyncio
import contextlib
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator, Sequence

import uvicorn
from playwright.sync_api import Browser, sync_playwright

from orchestrator.core.golden import Case
from orchestrator.serving import contract
from orchestrator.serving.front.access import local
from orchestrator.serving.front.app import App
from orchestrator.serving.front.protocol import protocol
from orchestrator.serving.messages import Request, Response
from orchestrator.serving.ports import OnPart, Situation
from orchestrator.serving.watching.page import Page
from orchestrator.serving.watching.recent import Recent

BROWSER = os.environ.get("ORCHESTRATOR_BROWSER") or shutil.which("chromium")
"""Where the browser is; ``None`` if there is none."""

Model = Callable[[Request], Response]
_HOST = "127.0.0.1"


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Start a browser, and end it on the way out."""
    with sync_playwright() as playwright:
        # As root, in a container, Chromium's sandbox does not start; the pages are our own.
        started = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        with contextlib.closing(started):
            yield started


class Stage:
    """The server's own application with the page, in front of a model that a test makes up.

    Attributes:
        situation: What the page is told of the workers; replace it to change it.
        recent: What the page is told of answers.
        received: The requests that the model was sent.
    """

    is_ready = True

    def __init__(self, model: Model, situation: Situation, cases: Sequence[Case] = ()) -> None:
        self.situation = situation
        self.recent = Recent()
        self.received: list[Request] = []
        self._model = model
        page = Page(
            self.recent, lambda: self.situation, cases=cases, atol=1e-4, facts={"program": "predict.py"}
        )
        self.application = App(
            self,
            contract.read({}, code=["predict.py"], cores=1),
            access=local(_HOST, _HOST),
            rooms=[page],
            observers=[self.recent],
        )

    async def ask(self, request: Request, on_part: OnPart) -> Response:
        """Have the model answer."""
        self.received.append(request)
        return self._model(request)


@contextlib.contextmanager
def served(stage: Stage) -> Iterator[str]:
    """Serve ``stage`` in a thread, and give its address."""
    listener = socket.create_server((_HOST, 0))
    ready = threading.Event()
    config = uvicorn.Config(
        stage.application, http=protocol(), ws="none", lifespan="off", log_config=None, access_log=False
    )
    server = _Server(config, ready.set)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    try:
        assert ready.wait(20), "the server does not start"
        yield f"http://{_HOST}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started()
