"""Who may change an endpoint: taking, keeping, losing and letting go of it, with S3's clock and accidents."""

from dataclasses import dataclass, field, replace

import pytest

from orchestrator.core import lock
from orchestrator.core.errors import CloudError, ConflictError, UnreachableError
from orchestrator.core.lock import Claim, Process
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.holding import hold, holder
from tests.support.fakes import FakeClock, FakeEdge, fake_edge
from tests.support.locks import HERE, LOST_ANSWER, LOST_REQUEST, RACED, RETRIED, FakeProcesses, FakeSlot

TTL = lock.TTL_SECONDS
ELSEWHERE = Process("elsewhere", "machine-2", 815, "200")
CLAIM = Claim(
    "arn:aws:iam::123456789012:user/eve", ELSEWHERE, "deploy x", "2026-11-22T11:00:00+00:00", TTL, "e"
)


@dataclass
class World:
    """One lock, and as many edges to it as are asked for."""

    inner: FakeEdge = field(default_factory=fake_edge)
    processes: FakeProcesses = field(default_factory=FakeProcesses)

    def __post_init__(self) -> None:
        self.slot = FakeSlot(self.clock)

    @property
    def clock(self) -> FakeClock:
        return self.inner.clock

    def edge(self, process: Process = HERE) -> Edge:
        processes = replace(self.processes, process=process)
        return replace(self.inner.edge(), lock=self.slot, processes=processes)

    def claim(self) -> Claim:
        found = self.slot.read()
        assert found is not None
        return lock.decode(found.content)


def test_who_holds_an_endpoint_is_written_into_its_lock_and_gone_afterwards() -> None:
    world = World()
    with hold("digits", "deploy digits-1", world.edge()) as held:
        claim = world.claim()
        assert (claim.owner, claim.process, claim.doing) == (held.owner, HERE, "deploy digits-1")
    assert world.slot.read() is None


def test_a_lock_that_nobody_holds_takes_one_call_and_one_more_to_let_go() -> None:
    world = World()
    with hold("digits", "deploy", world.edge()):
        pass
    assert world.slot.calls == ["write", "clear"]


def test_who_comes_second_is_told_who_holds_it_since_when_for_what_and_how_long() -> None:
    world = World()
    with hold("digits", "deploy digits-1", world.edge(ELSEWHERE)):
        world.clock.sleep(30)
        before = world.claim()
        with pytest.raises(ConflictError) as caught, hold("digits", "destroy", world.edge()):
            pass
        assert world.claim() == before
    details = dict(caught.value.details)
    assert caught.value.exit_code == 7
    assert before.owner in str(caught.value)
    assert details["doing"] == "deploy digits-1"
    assert details["since"] == before.acquired_at
    assert details["where"] == "process 815 on host 'elsewhere'"
    assert details["expires"].startswith("in 61 s")
    assert caught.value.hint is not None


def test_a_claim_that_ran_out_by_the_stores_clock_is_taken_over() -> None:
    world = World()
    world.slot.put(lock.encode(CLAIM))
    world.clock.sleep(TTL + 1)
    with pytest.raises(ConflictError), hold("digits", "deploy", world.edge()):
        pass
    world.clock.sleep(0.5)
    with hold("digits", "deploy", world.edge()):
        assert world.claim().owner != CLAIM.owner


def test_a_wrong_clock_of_our_own_takes_nothing_over() -> None:
    world = World()
    world.slot.put(lock.encode(CLAIM))
    edge = replace(world.edge(), clock=FakeClock(9e9))
    with pytest.raises(ConflictError), hold("digits", "deploy", edge):
        pass


def test_a_holder_on_this_machine_whose_process_is_gone_is_taken_over_at_once() -> None:
    world = World()
    killed = replace(HERE, pid=13)
    world.slot.put(lock.encode(replace(CLAIM, process=killed)))
    with pytest.raises(ConflictError), hold("digits", "deploy", world.edge()):
        pass
    world.processes.gone.add(killed)
    with hold("digits", "deploy", world.edge()):
        assert world.claim().process == HERE


def test_it_is_let_go_after_an_error_and_after_an_interrupt() -> None:
    for error in (CloudError("no"), KeyboardInterrupt(), AssertionError()):
        world = World()
        with pytest.raises(type(error)), hold("digits", "deploy", world.edge()):
            raise error
        assert world.slot.read() is None


def test_what_goes_wrong_when_letting_go_hides_no_other_error() -> None:
    world = World()

    def fail() -> None:
        with hold("digits", "deploy", world.edge()):
            world.slot.accidents = [LOST_REQUEST]
            raise CloudError("the real one")

    with pytest.raises(CloudError, match="the real one"):
        fail()


@pytest.mark.parametrize(
    "accidents", [[LOST_ANSWER], [LOST_REQUEST], [LOST_ANSWER, LOST_REQUEST, LOST_ANSWER]]
)
def test_a_lost_answer_of_taking_is_recognised_as_our_own_claim(accidents: list[str]) -> None:
    world = World()
    world.slot.accidents = accidents
    with hold("digits", "deploy", world.edge()) as held:
        held.keep(now=True)
        assert world.claim().process == HERE
    assert world.slot.read() is None


def test_an_interrupt_while_the_answer_is_awaited_leaves_no_claim_behind() -> None:
    @dataclass
    class Interrupted(FakeSlot):
        def write(self, content: bytes, *, over: str | None) -> str | None:
            super().write(content, over=over)
            raise KeyboardInterrupt

    world = World()
    world.slot = Interrupted(world.clock)
    with pytest.raises(KeyboardInterrupt), hold("digits", "deploy", world.edge()):
        pass
    assert world.slot.read() is None


def test_it_is_renewed_before_each_change_and_while_waiting_once_a_third_of_its_time_has_passed() -> None:
    world = World()
    with hold("digits", "deploy", world.edge()) as held:
        held.keep()
        assert world.slot.calls == ["write"]
        held.keep(now=True)
        assert world.slot.calls == ["write"] * 2
        world.clock.sleep(TTL / 3 - 1)
        held.keep()
        assert world.slot.calls == ["write"] * 2
        world.clock.sleep(1)
        held.keep()
        assert world.slot.calls == ["write"] * 3


def test_no_two_writes_have_the_same_content_since_their_tags_would_be_the_same() -> None:
    world = World()
    contents = set()
    with hold("digits", "deploy", world.edge()) as held:
        for _ in range(3):
            held.keep(now=True)
            found = world.slot.read()
            assert found is not None
            contents.add(found.content)
    assert len(contents) == 3


def test_a_lost_answer_of_renewing_is_recognised_at_the_next_time() -> None:
    world = World()
    with hold("digits", "deploy", world.edge()) as held:
        world.slot.accidents = [LOST_ANSWER]
        with pytest.raises(UnreachableError):
            held.keep(now=True)
        held.keep(now=True)
        assert not held.lost
    assert world.slot.read() is None


@pytest.mark.parametrize("times", [1, 2, 4])
def test_a_renewal_that_was_refused_by_its_own_first_try_is_recognised_as_often_as_it_happens(
    times: int,
) -> None:
    world = World()
    with hold("digits", "deploy", world.edge()) as held:
        world.slot.accidents = [RETRIED] * times
        held.keep(now=True)
        assert not held.lost
        held.keep(now=True)
    assert world.slot.read() is None


@pytest.mark.parametrize("accident", [LOST_REQUEST, RACED])
def test_a_store_that_does_not_answer_is_no_error_while_waiting_and_one_before_a_change(
    accident: str,
) -> None:
    world = World()
    with hold("digits", "deploy", world.edge()) as held:
        world.clock.sleep(TTL / 2)
        world.slot.accidents = [accident]
        held.keep()
        world.slot.accidents = [accident]
        with pytest.raises(CloudError):
            held.keep(now=True)


def test_a_stale_holder_is_refused_and_does_not_touch_its_successors_claim() -> None:
    world = World()
    with hold("digits", "deploy", world.edge()) as stale:
        world.clock.sleep(TTL + 2)
        with hold("digits", "destroy", world.edge(ELSEWHERE)):
            successor = world.claim()
            for now in (True, True, False):
                with pytest.raises(ConflictError, match="no longer hold endpoint 'digits'") as caught:
                    stale.keep(now=now)
                assert caught.value.exit_code == 7
            assert stale.lost
            assert world.claim() == successor
            stale.release()
            assert world.claim() == successor
    assert world.slot.read() is None


def test_a_holder_that_was_silent_for_long_goes_on_if_nobody_has_taken_over() -> None:
    world = World()
    with hold("digits", "deploy", world.edge()) as held:
        world.clock.sleep(10 * TTL)
        held.keep()
        assert not held.lost


def test_a_lock_that_somebody_removed_is_lost() -> None:
    world = World()
    with hold("digits", "deploy", world.edge()) as held:
        found = world.slot.read()
        assert found is not None
        world.slot.clear(found.tag)
        with pytest.raises(ConflictError, match="no longer hold") as caught:
            held.keep(now=True)
    assert dict(caught.value.details)["lock"] == "it is gone"


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"{}", b'{"ttl_seconds": 1e999}', b"[" * 100_000])
def test_an_object_that_is_no_claim_locks_nobody_out_for_ever(content: bytes) -> None:
    world = World()
    world.slot.put(content)
    with pytest.raises(ConflictError), hold("digits", "deploy", world.edge()):
        pass
    world.clock.sleep(TTL + 2)
    with hold("digits", "deploy", world.edge()):
        pass


def test_a_claim_says_nothing_a_terminal_would_obey_and_holds_for_an_hour_at_most() -> None:
    written = replace(CLAIM, owner="eve\x1b[2J\n" * 1000, ttl_seconds=1e12)
    read = lock.decode(lock.encode(written))
    assert read.owner.isprintable()
    assert len(read.owner) <= 256
    assert read.ttl_seconds == lock.LONGEST_TTL_SECONDS


def test_a_claim_reads_back_as_it_was_written() -> None:
    assert lock.decode(lock.encode(CLAIM)) == CLAIM


def test_anybody_may_ask_who_holds_an_endpoint() -> None:
    world = World()
    assert holder(world.edge()) is None
    world.slot.put(lock.encode(CLAIM))
    world.clock.sleep(10)
    found = holder(world.edge())
    assert found is not None
    assert (found.claim, found.age_seconds, found.expired) == (CLAIM, 10.0, False)
    world.clock.sleep(TTL)
    found = holder(world.edge())
    assert found is not None
    assert found.expired


def test_an_edge_that_does_not_know_its_process_changes_nothing() -> None:
    world = World()
    edge = replace(world.edge(), processes=None)
    with pytest.raises(AssertionError), hold("digits", "deploy", edge):
        pass
    assert world.slot.calls == []


def test_a_claim_that_says_it_holds_for_no_time_holds_for_the_usual_one() -> None:
    claim = lock.Claim("arn:ada", lock.Process(), "deploy", "2026-11-22", ttl_seconds=0.0, nonce="1")
    assert lock.decode(lock.encode(claim)).ttl_seconds == lock.TTL_SECONDS
