"""What `bench` asks of a server, in which order, and what it makes of the answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from orchestrator.cli import benched
from orchestrator.cli.benched import Plot
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.golden import Case, Request, Response
from orchestrator.core.latency import Measured, Pace
from orchestrator.usecases.bench import ROUNDS, SHARE, Benched, Wanted, bench, compare

OWL = Response(200, b'{"label": "owl"}')
RIGHT = Case("right.json", Request(b"[1]"), expected={"label": "owl"})


@dataclass
class FakeLoad:
    """A server that answers so many requests a second, each after a fixed time."""

    url: str = "http://fake/invocations"
    capacity: float = 100.0
    latency: float = 0.01
    answer: Response = OWL
    measure: Callable[[Pace], Measured] | None = None
    log: list[object] = field(default_factory=list)

    def ask(self, request: Request) -> Response:
        self.log.append(request)
        return self.answer

    def run(self, cases: Sequence[Case], pace: Pace) -> Measured:
        self.log.append(pace)
        if self.measure is not None:
            return self.measure(pace)
        rate = min(self.capacity, pace.rate or self.capacity)
        return Measured(pace.seconds, [self.latency] * round(rate * pace.seconds))


def ignore(_: Pace) -> None:
    pass


def test_a_server_that_wants_a_token_is_not_said_to_be_at_another_path() -> None:
    load = FakeLoad(answer=Response(401, b"{}"))
    with pytest.raises(OrchestratorError) as caught:
        bench(load, [RIGHT], Wanted(2, 10), ignore)
    assert "--token" in str(caught.value.hint)


def test_the_answer_is_checked_before_there_is_any_load() -> None:
    load = FakeLoad(answer=Response(200, b'{"label": "cat"}'))
    with pytest.raises(OrchestratorError, match=r"gives a wrong answer to 'right\.json'") as caught:
        bench(load, [RIGHT], Wanted(2, 10), ignore)
    assert load.log == [RIGHT.request]
    assert ("wrong", "body.label is 'cat', not 'owl'") in caught.value.details


def test_a_wrong_path_is_an_answer_that_is_wrong() -> None:
    load = FakeLoad(answer=Response(404, b"Not Found"))
    with pytest.raises(OrchestratorError) as caught:
        bench(load, [RIGHT], Wanted(2, 10), ignore)
    assert ("wrong", "answered 404, not 200: Not Found") in caught.value.details
    assert "path" in str(caught.value.hint)


def test_the_rate_is_a_share_of_what_a_closed_loop_has_found() -> None:
    load, told = FakeLoad(capacity=400), list[Pace]()
    done = bench(load, [RIGHT], Wanted(4, 10), told.append)
    assert load.log[1:] == [Pace(4, 1.0, None), Pace(4, 10, 400 * SHARE)]
    assert told == [done.pace]
    assert done.measured.throughput == pytest.approx(400 * SHARE)


def test_a_rate_that_is_given_is_used_to_warm_up_too() -> None:
    load = FakeLoad()
    bench(load, [RIGHT], Wanted(4, 10, rate=7), ignore)
    assert load.log[1:] == [Pace(4, 1.0, 7), Pace(4, 10, 7)]


def test_a_closed_loop_has_no_rate() -> None:
    load = FakeLoad()
    done = bench(load, [RIGHT], Wanted(4, 0.5, is_closed=True), ignore)
    assert load.log[1:] == [Pace(4, 0.5, None), Pace(4, 0.5, None)]
    assert done.measured.throughput == pytest.approx(100)


def test_two_servers_are_measured_in_turn_at_what_the_slower_can_take() -> None:
    log: list[object] = []
    slow = FakeLoad("http://slow", capacity=100, latency=0.02, log=log)
    fast = FakeLoad("http://fast", capacity=300, latency=0.01, log=log)
    both = compare((slow, fast), [RIGHT], Wanted(4, 16), ignore)
    assert log[4:] == [Pace(4, 16 / ROUNDS, 100 * SHARE)] * (2 * ROUNDS)
    assert (both.first.url, both.second.url) == ("http://slow", "http://fast")
    assert both.p50.estimate == pytest.approx(0.5)
    assert both.throughput.estimate == pytest.approx(1.0)
    assert both.first.measured.seconds == pytest.approx(16)


def test_a_closed_loop_compares_throughput() -> None:
    slow, fast = FakeLoad("http://slow", capacity=100), FakeLoad("http://fast", capacity=300)
    both = compare((slow, fast), [RIGHT], Wanted(4, 16, is_closed=True), ignore)
    assert both.throughput.estimate == pytest.approx(3)


def test_a_load_without_a_single_right_answer_is_an_error_that_says_what_came() -> None:
    load = FakeLoad(measure=lambda pace: Measured(pace.seconds, [], {503: 9}, {"connection refused": 1}))
    with pytest.raises(OrchestratorError, match="no right answer under load") as caught:
        bench(load, [RIGHT], Wanted(2, 10), ignore)
    assert ("instead", "9 x 503, 1 x connection refused") in caught.value.details


DONE = Benched(
    "http://127.0.0.1:8080/invocations",
    Pace(16, 2.0, 100.0),
    Measured(2.0, [0.001] * 150 + [0.004] * 50, {503: 3}, {"connection reset by peer": 1}),
)


def test_the_report_has_throughput_percentiles_and_errors_by_status() -> None:
    shown = benched.text(DONE, Plot(has_blocks=True))
    assert "100.0 right answers a second" in shown
    assert "p50 1.00 ms   p95 4.00 ms   p99 4.00 ms   max 4.00 ms" in shown
    assert "4 of 204: 3 answered 503; 1 without an answer: connection reset by peer" in shown


def test_the_plot_has_a_bar_for_each_bin_and_the_longest_is_the_fullest() -> None:
    lines = benched.text(DONE, Plot(has_blocks=True)).partition("\n\n")[2].splitlines()
    bars = [line.count("█") for line in lines]
    assert bars[0] == max(bars) == 40
    assert bars[-1] == 13


def test_a_terminal_without_blocks_gets_ascii() -> None:
    assert benched.text(DONE, Plot.of("US-ASCII")).isascii()
    assert not Plot.of(None).has_blocks
    assert not Plot.of("no-such-encoding").has_blocks
    assert Plot.of("UTF-8").has_blocks


def test_a_document_holds_the_same_figures_in_milliseconds() -> None:
    document = benched.document(DONE)
    assert document["latency_ms"] == pytest.approx({"p50": 1.0, "p95": 4.0, "p99": 4.0, "max": 4.0})
    assert (document["throughput"], document["requests"], document["errors"]) == (100.0, 204, 4)
    assert document["wrong"] == {"503": 3}
