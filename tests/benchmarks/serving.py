"""How fast `local-serve` is, beside the real container's stack and a bare application: run by `make bench`.

`--part NAME` measures one part; `--seconds` and `--rounds` change how long a server is under load at once and
how often its turn comes. Without the toolkit what needs the real stack is left out.
"""

import argparse
import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from orchestrator.core.golden import Case, problem
from orchestrator.core.latency import FEWEST_ROUNDS, Measured, Pace, ratio, summary
from tests.benchmarks import serving_models, serving_servers
from tests.benchmarks.serving_models import Model
from tests.benchmarks.serving_servers import Serving

_FORWARDS = 200
_MOST_ABOVE_FORWARD_MS = 0.4
_BATCHES = {"ORCHESTRATOR_BATCH_SIZE": "32", "ORCHESTRATOR_BATCH_DELAY_MS": "2"}

Figure = Callable[[Measured], float]


def rate(measured: Measured) -> float:
    """Return right answers per second."""
    return measured.throughput


def p50(measured: Measured) -> float:
    """Return the median latency in seconds."""
    return summary(measured.latencies).p50


def p99(measured: Measured) -> float:
    """Return the latency in seconds that 1 % exceed."""
    return summary(measured.latencies).p99


@dataclass
class Turns:
    """Servers that are measured in turn, so that a machine that changes its speed changes all of them."""

    rounds: int
    seconds: float
    connections: int
    found: dict[str, list[Measured]] = field(default_factory=dict)

    def take(self, servers: Mapping[str, Serving], case: Case) -> None:
        """Check every server's answer, warm it up, measure all, and print a line for each."""
        for serving in servers.values():
            _check(serving, case)
            serving.load().run([case], Pace(self.connections, self.seconds))
        for _ in range(self.rounds):
            for name, serving in servers.items():
                measured = serving.load().run([case], Pace(self.connections, self.seconds))
                if measured.errors:
                    raise SystemExit(f"{name}: {measured.wrong} {measured.unanswered}")
                self.found.setdefault(name, []).append(measured)
        size = f"{len(case.request.body)} bytes"
        print(  # noqa: T201 - a report is what this program is for
            f"\n{case.name}, {size}, {self.connections} connections: medians of {self.rounds} rounds "
            f"of {self.seconds:g} s, in turn"
        )
        for name in servers:
            self._print(name)

    def _print(self, name: str) -> None:
        rates, medians, tails = (self._each(name, figure) for figure in (rate, p50, p99))
        print(  # noqa: T201 - a report
            f"  {name:<40} {statistics.median(rates):7.0f} a second   "
            f"p50 {statistics.median(medians) * 1000:6.2f} ms   p99 {statistics.median(tails) * 1000:6.2f} ms"
        )

    def _each(self, name: str, figure: Figure) -> list[float]:
        return [figure(measured) for measured in self.found[name]]

    def compare(self, ours: str, theirs: str, figure: Figure, aim: float) -> None:
        """Print one's figure as a multiple of another's: at least ``aim``, or for latencies at most."""
        if theirs not in self.found:
            return
        found = ratio(self._each(ours, figure), self._each(theirs, figure))
        is_least = figure is rate
        is_met = found.estimate >= aim if is_least else found.estimate <= aim
        verdict(
            f"{figure.__name__} of '{ours}' to '{theirs}'",
            f"x {found.estimate:.2f} ({found.low:.2f} to {found.high:.2f})",
            f"at {'least' if is_least else 'most'} {aim:g}",
            is_met=is_met,
        )


def verdict(what: str, found: str, aim: str, *, is_met: bool) -> None:
    """Print one figure of the issue beside its aim."""
    print(f"  {'met   ' if is_met else 'MISSED'}  {what}: {found}, {aim}")  # noqa: T201 - a report


def _check(serving: Serving, case: Case) -> None:
    if wrong := problem(case, serving.load().ask(case.request), atol=0):
        raise SystemExit(wrong)


GENERATED, WRITTEN = "ours, generated entry point", "ours, written entry point"
REAL_GENERATED, REAL_WRITTEN = "real stack, generated entry point", "real stack, written entry point"
BARE = "bare ASGI application, generated"


class Bench:
    """The parts, on one model in one folder."""

    def __init__(self, folder: Path, rounds: int, seconds: float) -> None:
        self._folder = folder
        self._rounds = rounds
        self._seconds = seconds
        self._digits: Model | None = None

    @property
    def digits(self) -> Model:
        """The digits classifier, built when it is needed."""
        if self._digits is None:
            self._digits = serving_models.digits(self._folder / "digits")
        return self._digits

    def turns(self, connections: int) -> Turns:
        """Return what measures in turn."""
        return Turns(self._rounds, self._seconds, connections)

    def real(self) -> None:
        """Measure JSON and npy against the real stack."""
        toolkit = serving_servers.toolkit()
        with contextlib.ExitStack() as stack:
            servers = {
                WRITTEN: stack.enter_context(serving_servers.ours(self.digits.written)),
                GENERATED: stack.enter_context(serving_servers.ours(self.digits.generated)),
            }
            if toolkit is not None:
                written = serving_servers.real(toolkit, self.digits.written, "inference.py")
                generated = serving_servers.real(toolkit, self.digits.generated, "predict.py")
                servers[REAL_WRITTEN] = stack.enter_context(written)
                servers[REAL_GENERATED] = stack.enter_context(generated)
            turns = self.turns(16)
            turns.take(servers, self.digits.json_case())
            turns.compare(WRITTEN, REAL_WRITTEN, rate, 2.2)
            turns.compare(GENERATED, REAL_WRITTEN, rate, 4)
            turns.compare(WRITTEN, REAL_WRITTEN, p99, 0.5)
            turns.compare(GENERATED, REAL_WRITTEN, p99, 0.5)
            turns = self.turns(16)
            turns.take(servers, self.digits.npy_case())
            turns.compare(WRITTEN, REAL_WRITTEN, rate, 1.7)
            turns.compare(GENERATED, REAL_GENERATED, rate, 1.7)

    def alone(self) -> None:
        """Measure one connection beside the bare forward call."""
        torch.set_num_threads(1)
        example = torch.from_numpy(self.digits.example()).unsqueeze(0)
        above: list[float] = []
        case = self.digits.npy_case()
        with serving_servers.ours(self.digits.generated) as serving:
            _check(serving, case)
            serving.load().run([case], Pace(1, self._seconds))
            for _ in range(self._rounds):
                measured = serving.load().run([case], Pace(1, self._seconds))
                above.append((p50(measured) - _forward_seconds(self.digits.net, example)) * 1000)
        forward = _forward_seconds(self.digits.net, example) * 1000
        print(f"\nnpy, 1 connection: the bare forward call takes {forward:.2f} ms")  # noqa: T201 - a report
        verdict(
            "p50 above the bare forward call",
            f"{statistics.median(above):.2f} ms ({min(above):.2f} to {max(above):.2f})",
            f"at most {_MOST_ABOVE_FORWARD_MS} ms",
            is_met=statistics.median(above) <= _MOST_ABOVE_FORWARD_MS,
        )

    def asgi(self) -> None:
        """Measure beside an ASGI application that only decodes, predicts and encodes."""
        with (
            serving_servers.ours(self.digits.generated) as served,
            serving_servers.bare(self.digits.generated) as least,
        ):
            for case in (self.digits.json_case(), self.digits.npy_case()):
                turns = self.turns(16)
                turns.take({GENERATED: served, BARE: least}, case)
                turns.compare(GENERATED, BARE, rate, 0.9)

    def batching(self) -> None:
        """Measure batching on a model that gains from it."""
        wide = serving_models.wide(self._folder / "wide")
        plain, stacked = "ours, without batching", "ours, batches of up to 32"
        with (
            serving_servers.ours(wide.generated) as one,
            serving_servers.ours(wide.generated, _BATCHES) as many,
        ):
            turns = self.turns(64)
            turns.take({plain: one, stacked: many}, wide.npy_case())
            turns.compare(stacked, plain, rate, 1.3)


def _forward_seconds(net: torch.nn.Module, example: torch.Tensor) -> float:
    """Return the median of some bare calls, on one thread as in a worker."""
    taken = []
    with torch.inference_mode():
        for _ in range(_FORWARDS):
            started = time.perf_counter()
            net(example)
            taken.append(time.perf_counter() - started)
    return statistics.median(taken)


PARTS = {"real": Bench.real, "alone": Bench.alone, "asgi": Bench.asgi, "batching": Bench.batching}


def main() -> None:
    """Measure the parts that were asked for, or all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--part", choices=[*PARTS], action="append")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=3.0)
    given = parser.parse_args()
    if given.rounds < FEWEST_ROUNDS:
        parser.error(f"--rounds has to be at least {FEWEST_ROUNDS}")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), given.rounds, given.seconds)
        for part in given.part or PARTS:
            PARTS[part](bench)


if __name__ == "__main__":
    main()
