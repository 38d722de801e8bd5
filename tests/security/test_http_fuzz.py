"""Mutants of good requests: each is answered or its connection closed, and the server is none the worse.

20,000 of them; the variable ORCHESTRATOR_FUZZ multiplies that.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import TypeVar, cast

import httptools
import pytest
import uvloop

from tests.security.http_mutants import good, mutant
from tests.support.entrypoints_samples import ECHO, write
from tests.support.servers import PATIENCE_SECONDS, ServingProcess, eventually, serving

MUTANTS = 20_000 * int(os.environ.get("ORCHESTRATOR_FUZZ", "1"))
CLIENTS = 24
CLOSED = 0
# Ends whatever a mutant has left open: no byte of it can be of a head or of a chunk's size.
END = b"\0" * 8192
SEED = 4
WORKERS = 2
# Nothing that is held for one request, or for all that are in flight, takes as much.
GROWTH_BYTES = 64 * 1024 * 1024

Result = TypeVar("Result")


class Client(asyncio.Protocol):
    """Sends one piece of bytes over a connection of its own, and reads HTTP until that is closed."""

    def __init__(self, content: bytes) -> None:
        self.statuses: list[int] = []
        self.closed = asyncio.get_running_loop().create_future()
        self._content = content
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._content)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.closed.set_exception(AssertionError(f"{error}: {data!r} answers {self._content!r}"))
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)

    def on_headers_complete(self) -> None:
        """Count a response."""
        self.statuses.append(self._parser.get_status_code())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingProcess]:
    """Two workers with an entry point that says what it was given."""
    folder = write(tmp_path_factory.mktemp("model"), ECHO)
    with serving(folder, "--workers", str(WORKERS)) as running:
        assert running.port
        eventually(lambda: len(running.workers) == WORKERS, "both workers")
        yield running


def rss_bytes(pid: int) -> int:
    """Return how much memory a process has."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def feed(port: int, content: bytes) -> list[int]:
    """Send ``content``; return the statuses of what comes back until the connection is closed."""
    loop = asyncio.get_running_loop()
    _, fed = await loop.create_connection(lambda: Client(content + END), "127.0.0.1", port)
    async with asyncio.timeout(PATIENCE_SECONDS * 2):
        await fed.closed
    return fed.statuses


async def client(port: int, chance: random.Random, number: int) -> Counter[int]:
    """Feed the server ``number`` mutants, one after the other."""
    statuses: Counter[int] = Counter()
    for _ in range(number):
        statuses.update(await feed(port, mutant(chance)) or [CLOSED])
    return statuses


async def volley(port: int, number: int) -> Counter[int]:
    """Feed the server ``number`` mutants, many at once; return how often it said what."""
    chances = [random.Random(SEED * CLIENTS + index) for index in range(CLIENTS)]  # noqa: S311 - the same again
    counts = await asyncio.gather(*(client(port, chance, number // CLIENTS) for chance in chances))
    return sum(counts, Counter())


def run(coroutine: Coroutine[None, None, Result]) -> Result:
    """Return what ``coroutine`` returns."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(coroutine)


def test_good_requests_that_the_mutants_come_from_are_answered(server: ServingProcess) -> None:
    chance = random.Random(SEED)  # noqa: S311 - the same requests in every run

    async def answers() -> list[list[int]]:
        return [await feed(server.port, good(chance)) for _ in range(100)]

    for statuses in run(answers()):
        assert statuses in ([200, 400], [404], [405])


def test_mutants_do_the_server_no_harm(server: ServingProcess) -> None:
    run(volley(server.port, MUTANTS // 20))
    pids = [server.process.pid, *server.workers]
    before = [rss_bytes(pid) for pid in pids]
    statuses = run(volley(server.port, MUTANTS))
    assert [server.process.pid, *server.workers] == pids
    for pid, size in zip(pids, before, strict=True):
        assert rss_bytes(pid) < size + GROWTH_BYTES
    assert server.ask("/ping").status == 200
    answer = server.ask("/invocations", b"[1]", content_type="application/json")
    assert answer.json() == {"input": ["str", "b'[1]'", "application/json"], "accept": "application/json"}
    # Neither all refused nor all taken: the mutants are of use.
    assert statuses[200] > MUTANTS / 10
    assert statuses[400] > MUTANTS / 10
    assert statuses[421] > 0
    assert statuses[413] > 0
