"""A cloud that takes 50 ms for every answer: a front before another cloud, in a process of its own."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

DELAY_SECONDS = 0.05
_CHUNK_BYTES = 65536


@contextlib.contextmanager
def slow_front(url: str) -> Iterator[str]:
    """Run a front before the cloud at ``url``, and return its address."""
    command = [sys.executable, "-m", "tests.benchmarks.deploying_front", url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
    """Hand bytes on both ways; an answer leaves no sooner than the delay after its request came.

    Clients send one request at a time on a connection, so that what comes after an answer begins a request.
    """
    loop = asyncio.get_running_loop()
    due = 0.0
    upstream, to_upstream = await asyncio.open_connection(host, port)

    async def forth() -> None:
        nonlocal due
        while chunk := await reader.read(_CHUNK_BYTES):
            due = loop.time() + DELAY_SECONDS
            to_upstream.write(chunk)
            await to_upstream.drain()
        to_upstream.close()

    async def back() -> None:
        while chunk := await upstream.read(_CHUNK_BYTES):
            # "100 Continue" is none: the answer is what comes after the body.
            if not chunk.startswith(b"HTTP/1.1 100"):
                await asyncio.sleep(max(0.0, due - loop.time()))
            writer.write(chunk)
            await writer.drain()
        writer.close()

    with contextlib.suppress(ConnectionError):
        await asyncio.gather(forth(), back())


async def serve(url: str) -> None:
    """Serve on a free port until the process is ended."""
    place = urlsplit(url)
    host, port = str(place.hostname), int(place.port or 80)
    server = await asyncio.start_server(lambda r, w: relay(r, w, host, port), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)  # noqa: T201 - the parent reads
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
