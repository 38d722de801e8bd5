"""Whether `local-serve` bears slow clients, and 200,000 requests without growing: run by `make bench`.

The soak sends what a day brings: JSON and npy, and requests that are refused. 500 seconds on two cores;
`--requests` makes it shorter.
"""

import argparse
import contextlib
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from orchestrator.adapters.volley import Connection, Shot, Volley
from orchestrator.core.golden import Case, Request
from orchestrator.core.latency import Measured, Pace, summary
from tests.benchmarks import serving_models, serving_servers
from tests.benchmarks.serving import verdict
from tests.benchmarks.serving_models import Model
from tests.benchmarks.serving_servers import Serving, family, memory

_SLOW_CLIENTS, _BYTE_EVERY_SECONDS = 200, 5.0
_MOST_PING_SECONDS = 0.2
_MOST_GROWTH = 0.02
_WARM_UP_SHARE = 0.1
_PART_SECONDS = 5.0
_PING = Shot(b"GET /ping HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 200)
_HEAD = (
    b"POST /invocations HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Content-Type: application/json\r\nContent-Length: 62000\r\n\r\n"
)


@contextlib.contextmanager
def slow_clients(port: int) -> Iterator[list[int]]:
    """Keep clients that send their requests one byte at a time; yield how many bytes were sent, so far."""
    stop, sent = threading.Event(), [0]
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(_SLOW_CLIENTS)
        ]
        # Half of them are slow from the first byte of the head, and half in the body.
        for client in clients[::2]:
            client.sendall(_HEAD)
        thread = threading.Thread(target=_drip, args=(clients, stop, sent))
        thread.start()
        try:
            yield sent
        finally:
            stop.set()
            thread.join()


def _drip(clients: list[socket.socket], stop: threading.Event, sent: list[int]) -> None:
    place = 0
    while True:
        for number, client in enumerate(clients):
            content = b"[" if number % 2 == 0 else _HEAD[place % len(_HEAD) :][:1]
            with contextlib.suppress(OSError):  # the server may have lost its patience: that is its right
                sent[0] += client.send(content)
            if stop.wait(_BYTE_EVERY_SECONDS / len(clients)):
                return
        place += 1


def slow(model: Model, seconds: float) -> None:
    """Measure `/ping` while slow clients hold connections."""
    with serving_servers.ours(model.generated) as serving, slow_clients(serving.port) as sent:
        found = Volley(
            lambda: Connection("127.0.0.1", serving.port), [_PING], Pace(4, seconds, 100.0)
        ).measured()
        is_answering = serving.load().ask(model.npy_case().request).status == 200
    p99 = summary(found.latencies).p99
    print(f"\n{_SLOW_CLIENTS} clients that sent {sent[0]} bytes in {seconds:g} s")  # noqa: T201 - a report
    verdict(
        "p99 of /ping",
        f"{p99 * 1000:.1f} ms, {found.errors} errors",
        f"at most {_MOST_PING_SECONDS * 1000:g} ms",
        is_met=p99 <= _MOST_PING_SECONDS and not found.errors and is_answering,
    )


def soak(model: Model, requests: int) -> None:
    """Measure memory after a tenth of the requests and at the end."""
    cases = [
        model.json_case(),
        model.npy_case(),
        Case("not JSON", Request(b'{"x": [1'), status=400),
        Case("wrong shape", Request(b'{"x": [[1, 2]]}'), status=400),
    ]
    done, sizes = 0, list[tuple[int, float]]()
    with serving_servers.ours(model.generated) as serving:
        print(f"\n{requests} requests")  # noqa: T201 - a report
        while done < requests:
            measured = serving.load().run(cases, Pace(16, _PART_SECONDS))
            done += len(measured.latencies)
            _check(measured)
            sizes.append((done, _held(serving)))
            print(f"  {done:>8} {sizes[-1][1]:8.1f} MB {measured.throughput:7.0f} a second")  # noqa: T201 - likewise
    warm = next(size for count, size in sizes if count >= requests * _WARM_UP_SHARE)
    growth = sizes[-1][1] / warm - 1
    verdict(
        "growth of all processes' memory after the first tenth",
        f"{growth:+.2%}",
        f"at most {_MOST_GROWTH:.0%}",
        is_met=growth < _MOST_GROWTH,
    )


def _check(measured: Measured) -> None:
    if measured.errors:
        raise SystemExit(f"errors: {measured.wrong} {measured.unanswered}")


def _held(serving: Serving) -> float:
    """Return what all processes of the server hold in MB; what they share is counted once."""
    return sum(memory(pid)["Pss"] for pid in family(serving.pid or 0))


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--slow-seconds", type=float, default=30.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = serving_models.digits(Path(folder) / "digits")
        slow(model, given.slow_seconds)
        soak(model, given.requests)


if __name__ == "__main__":
    main()
