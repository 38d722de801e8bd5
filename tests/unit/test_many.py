"""Many jobs at once: what is begun, what is not, what becomes of it, and what Ctrl-C does."""

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from orchestrator.core.errors import RefusedError, SpecError
from orchestrator.usecases.many import SEVERITY, Ended, Job, Stop, run_all, worst


def returning(name: str) -> Job[str]:
    return Job(name, lambda _: name.upper())


def raising(name: str, error: BaseException) -> Job[str]:
    def run(_: Stop) -> str:
        raise error

    return Job(name, run)


@dataclass
class VirtualClock:
    """Time that passes when somebody sleeps."""

    seconds: float = 0.0
    slept: Callable[[float], object] = lambda _: None

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self.slept(self.seconds)


@dataclass
class Crew:
    """Counts how many are at work at the same time; each waits until so many have come."""

    barrier: threading.Barrier
    lock: threading.Lock = field(default_factory=threading.Lock)
    now: int = 0
    most: int = 0

    def work(self, _: Stop) -> None:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.barrier.wait(10)
        with self.lock:
            self.now -= 1


@pytest.mark.parametrize("workers", [1, 2, 7, 50])
def test_results_come_in_the_order_of_the_jobs(workers: int) -> None:
    jobs = [returning(f"job-{number}") for number in range(20)]
    ended = run_all(jobs, workers=workers)
    assert [one.name for one in ended] == [job.name for job in jobs]
    assert [one.value for one in ended] == [job.name.upper() for job in jobs]


def test_no_jobs_have_no_results() -> None:
    assert run_all([], workers=4) == ()


def test_one_that_fails_stops_no_other() -> None:
    error = RefusedError("no")
    ended = run_all([raising("a", error), returning("b"), returning("c")], workers=1)
    assert ended == (Ended("a", error=error), Ended("b", "B"), Ended("c", "C"))


@pytest.mark.parametrize("error", [ZeroDivisionError("bug"), KeyboardInterrupt(), SystemExit(3)])
def test_whatever_ends_a_job_is_kept_for_whoever_waits(error: BaseException) -> None:
    ended = run_all([raising("a", error), returning("b")], workers=1)
    assert [one.error for one in ended] == [error, None]


def test_with_fail_fast_none_is_begun_after_one_has_failed() -> None:
    jobs = [returning("a"), raising("b", RefusedError("no")), returning("c"), returning("d")]
    ended = run_all(jobs, workers=1, fail_fast=True)
    assert [one.begun for one in ended] == [True, True, False, False]
    assert ended[2] == Ended("c", begun=False)


def test_with_fail_fast_those_under_way_still_end() -> None:
    begun, failed = threading.Event(), threading.Event()

    def slow(_: Stop) -> str:
        begun.set()
        assert failed.wait(10)
        return "ended"

    def fail(_: Stop) -> str:
        assert begun.wait(10)
        raise RefusedError("no")

    def saw(ended: Ended[str]) -> None:
        if ended.error is not None:
            failed.set()

    ended = run_all(
        [Job("slow", slow), Job("fails", fail), returning("c")], workers=2, fail_fast=True, ended=saw
    )
    assert [(one.value, one.begun) for one in ended] == [("ended", True), (None, True), (None, False)]


@pytest.mark.parametrize("workers", [1, 3, 4])
def test_there_are_as_many_at_work_as_was_asked_for_and_no_more(workers: int) -> None:
    crew = Crew(threading.Barrier(workers))
    run_all([Job(str(number), crew.work) for number in range(workers * 4)], workers=workers)
    assert crew.most == workers


def test_each_is_told_of_once_and_one_at_a_time() -> None:
    told: list[str] = []
    inside = threading.Lock()

    def saw(ended: Ended[str]) -> None:
        assert inside.acquire(blocking=False)
        told.append(ended.name)
        inside.release()

    jobs = [returning(str(number)) for number in range(100)]
    run_all(jobs, workers=8, ended=saw)
    assert sorted(told) == sorted(job.name for job in jobs)


def test_what_a_display_fails_with_comes_out_and_ends_the_rest() -> None:
    def saw(_: Ended[str]) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        run_all([returning("a"), returning("b")], workers=1, ended=saw)


def test_once_the_end_was_asked_for_nothing_is_begun() -> None:
    stop = Stop()
    stop.ask()
    assert run_all([returning("a")], workers=1, stop=stop) == (Ended("a", begun=False),)


def test_ctrl_c_begins_no_more_and_interrupts_those_under_way_at_their_next_pause() -> None:
    recorded: list[str] = []

    def deploy(stop: Stop) -> str:
        ready = threading.Event()
        clock = stop.clock(VirtualClock(slept=lambda _: ready.wait(0.01)))
        try:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            while True:
                clock.sleep(15.0)
        except KeyboardInterrupt:
            clock.sleep(5.0)  # what is done about it may pause again
            recorded.append("interrupted")
            raise

    ended = run_all([Job("a", deploy), returning("b")], workers=1)
    assert recorded == ["interrupted"]
    assert isinstance(ended[0].error, KeyboardInterrupt)
    assert ended[1] == Ended("b", begun=False)


def test_a_second_ctrl_c_leaves_at_once() -> None:
    release = threading.Event()

    def hang(stop: Stop) -> None:
        main = threading.main_thread().ident or 0
        signal.pthread_kill(main, signal.SIGINT)
        while not stop.asked:
            release.wait(0.001)
        signal.pthread_kill(main, signal.SIGINT)
        release.wait(30)

    with pytest.raises(KeyboardInterrupt):
        run_all([Job("hangs", hang)], workers=1)
    release.set()


def test_a_stopping_clock_is_the_clock_until_then() -> None:
    inner = VirtualClock()
    clock = Stop().clock(inner)
    clock.sleep(2.0)
    assert clock.now() == pytest.approx(2.0)


def test_a_long_pause_ends_soon_after_the_end_was_asked_for() -> None:
    stop = Stop()
    inner = VirtualClock(slept=lambda now: stop.ask() if now >= 3 else None)
    with pytest.raises(KeyboardInterrupt):
        stop.clock(inner).sleep(60.0)
    assert inner.now() < 4


def test_a_pause_after_the_interruption_is_as_long_as_it_should_be() -> None:
    stop = Stop()
    inner = VirtualClock()
    clock = stop.clock(inner)
    stop.ask()
    with pytest.raises(KeyboardInterrupt):
        clock.sleep(1.0)
    clock.sleep(7.0)
    assert inner.now() == pytest.approx(7.0)


@pytest.mark.parametrize("place", range(len(SEVERITY)))
def test_the_worst_exit_code_wins(place: int) -> None:
    assert worst(SEVERITY[place:]) == SEVERITY[place]
    assert worst(reversed(SEVERITY[place:])) == SEVERITY[place]


def test_an_unknown_exit_code_is_worse_than_all() -> None:
    assert worst([0, 70, 99]) == 99


@pytest.mark.parametrize("workers", [0, -3])
def test_nobody_to_do_the_work_is_refused_and_not_waited_for(workers: int) -> None:
    with pytest.raises(SpecError, match="carry out nothing"):
        run_all([returning("a")], workers=workers)
