"""Put a server, or two in turn, under load, after making sure that its answers are right."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from orchestrator.core.errors import OrchestratorError
from orchestrator.core.golden import Case, problem
from orchestrator.core.latency import Measured, Pace, Ratio, joined, ratio, summary
from orchestrator.core.ports import Load

ROUNDS = 8
"""How often two servers are measured in turn: a machine that changes its speed changes both."""

SHARE = 0.7
"""Of what a server can take at most: busy, with room for a burst."""

_WARM_UP_SECONDS = 1.0
_TOKEN = "set ORCHESTRATOR_TOKEN, or --token, to that of the server"  # noqa: S105 - says where it belongs
_LOOK = "look at the server's own output; name the right path in the URL if it is another"


@dataclass(frozen=True, slots=True)
class Wanted:
    """How to measure.

    Attributes:
        connections: How many may be open to one server.
        seconds: How long each server is under load.
        rate: Requests per second; ``None`` finds out what the slower server can take, and uses `SHARE` of it.
        is_closed: Whether to send as fast as answers come, in place of a rate.
        atol: How far a number in an answer may be from that of the golden case.
    """

    connections: int
    seconds: float
    rate: float | None = None
    is_closed: bool = False
    atol: float = 1e-4


@dataclass(frozen=True, slots=True)
class Benched:
    """What came of one server under load."""

    url: str
    pace: Pace
    measured: Measured


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of two, and the second's figures as multiples of the first's."""

    first: Benched
    second: Benched
    throughput: Ratio
    p50: Ratio
    p99: Ratio


def bench(load: Load, cases: Sequence[Case], wanted: Wanted, told: Callable[[Pace], None]) -> Benched:
    """Check the answers of one server, warm it up, and measure it.

    Args:
        load: The server.
        cases: What to send, in turn; at least one.
        wanted: How to measure.
        told: Is given the pace before the measurement begins.

    Raises:
        OrchestratorError: If nobody answers, an answer is wrong, or none is right under load.
    """
    pace = _pace([load], cases, wanted)
    told(pace)
    return Benched(load.url, pace, _measured(load, cases, pace))


def compare(
    pair: tuple[Load, Load], cases: Sequence[Case], wanted: Wanted, told: Callable[[Pace], None]
) -> Compared:
    """Do the same with two servers at the same pace, in `ROUNDS` rounds in turn.

    Raises:
        OrchestratorError: If nobody answers, an answer is wrong, or none is right in a round.
    """
    pace = _pace(pair, cases, wanted)
    told(pace)
    part = Pace(pace.connections, pace.seconds / ROUNDS, pace.rate)
    rounds = [[_measured(load, cases, part) for load in pair] for _ in range(ROUNDS)]
    first, second = ([both[number] for both in rounds] for number in (0, 1))
    before, after = ([summary(one.latencies) for one in side] for side in (first, second))
    return Compared(
        Benched(pair[0].url, pace, joined(first)),
        Benched(pair[1].url, pace, joined(second)),
        throughput=ratio([one.throughput for one in second], [one.throughput for one in first]),
        p50=ratio([one.p50 for one in after], [one.p50 for one in before]),
        p99=ratio([one.p99 for one in after], [one.p99 for one in before]),
    )


def _pace(loads: Sequence[Load], cases: Sequence[Case], wanted: Wanted) -> Pace:
    """Check and warm up every server, and return the pace that suits them all."""
    for load in loads:
        _check(load, cases, wanted.atol)
    warm_up = Pace(wanted.connections, min(_WARM_UP_SECONDS, wanted.seconds), wanted.rate)
    least = min(_measured(load, cases, warm_up).throughput for load in loads)
    rate = None if wanted.is_closed else wanted.rate or least * SHARE
    return Pace(wanted.connections, wanted.seconds, rate)


def _check(load: Load, cases: Sequence[Case], atol: float) -> None:
    for case in cases:
        answer = load.ask(case.request)
        if wrong := problem(case, answer, atol=atol):
            raise OrchestratorError(
                f"'{load.url}' gives a wrong answer to '{case.name}'",
                details=[("wrong", wrong), ("rule", "only right answers are worth the time they take")],
                hint=_TOKEN if answer.status == HTTPStatus.UNAUTHORIZED else _LOOK,
            )


def _measured(load: Load, cases: Sequence[Case], pace: Pace) -> Measured:
    measured = load.run(cases, pace)
    if not measured.latencies:
        reasons = [*measured.wrong.items(), *measured.unanswered.items()]
        counted = [f"{count} x {why}" for why, count in reasons]
        raise OrchestratorError(
            f"'{load.url}' gave no right answer under load",
            details=[("instead", ", ".join(counted))],
            hint="look at the server's own output, or ask for less with --rate and --connections",
        )
    return measured
