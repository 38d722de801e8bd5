"""Two clients that write at once, with the condition in the header ``sys.argv[1]``, to a store like moto's.

It looks whether the key is there and then writes. A program: moto reads its settings when it is imported. A
third client, whose body never comes, is there before the two: they must not wait for it.
"""

import asyncio
import contextlib
import json
import sys
import threading
from collections.abc import Iterable
from typing import Any

from a2wsgi.wsgi_typing import StartResponse
from starlette.types import Message

from orchestrator.localcloud.behind.fallback import Moto
from orchestrator.localcloud.wire import Caller

_LOOK_SECONDS = 0.5


class LooksFirst:
    """A store that, between its look and its write, waits for somebody else to look."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self._looked = threading.Barrier(2)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        is_there = bool(self.kept)
        with contextlib.suppress(threading.BrokenBarrierError):  # nobody else could
            self._looked.wait(_LOOK_SECONDS)
        body = environ["wsgi.input"].read().decode()
        if not is_there:
            self.kept.append(body)
        start_response("412 No" if is_there else "200 OK", [("Content-Type", "application/xml")])
        return [b""]


class Client:
    """One request, whose body comes once it may."""

    def __init__(self, header: str, may_come: asyncio.Event) -> None:
        self._header = header
        self._may_come = may_come
        self.arrived = asyncio.Event()
        self.status = 0

    async def ask(self, moto: Moto) -> int:
        connection: dict[str, Any] = {
            "type": "http",
            "method": "PUT",
            "path": "/bucket/key",
            "raw_path": b"/bucket/key",
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "http_version": "1.1",
            "server": ("127.0.0.1", 1),
            "client": ("127.0.0.1", 2),
            "headers": [(self._header.encode(), b"*"), (b"content-length", b"4")],
        }
        await moto.answer(Caller(), connection, self.receive, self.send)
        return self.status

    async def receive(self) -> Message:
        self.arrived.set()
        await self._may_come.wait()
        return {"type": "http.request", "body": b"mine", "more_body": False}

    async def send(self, message: Message) -> None:
        self.status = message.get("status", self.status)


async def main() -> None:
    store = LooksFirst()
    moto = Moto(store)
    now, later = asyncio.Event(), asyncio.Event()
    now.set()
    slow = Client("if-none-match", later)
    waiting = asyncio.create_task(slow.ask(moto))
    await slow.arrived.wait()
    answers = await asyncio.gather(*(Client(sys.argv[1], now).ask(moto) for _ in range(2)))
    found = {"statuses": sorted(answers), "kept": list(store.kept)}
    later.set()
    await waiting
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main())
