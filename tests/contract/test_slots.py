"""What holding an endpoint relies on: the same tests for the fake slot and for S3's, on two clouds."""

from collections.abc import Iterator

import pytest

from orchestrator.adapters.slot import S3Slot
from orchestrator.adapters.store.bucket import Bucket
from orchestrator.core.ports import Slot
from tests.support.clouds import BUCKET, STANDIN, TestCloud, local_cloud
from tests.support.edges import made_clients
from tests.support.fakes import FakeClock
from tests.support.locks import FakeSlot
from tests.support.plain_moto import plain_moto


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCloud]:
    with local_cloud(tmp_path_factory.mktemp("cloud"), STANDIN) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with plain_moto() as url:
        yield url


@pytest.fixture(params=["fake", "S3 on the local cloud", "S3 of plain moto"])
def slot(request: pytest.FixtureRequest) -> Slot:
    if request.param == "fake":
        return FakeSlot(FakeClock())
    is_ours = request.param == "S3 on the local cloud"
    url = request.getfixturevalue("running").url if is_ours else request.getfixturevalue("moto")
    return S3Slot(Bucket(made_clients(url, FakeClock()), BUCKET), f"slots/{request.node.name}")


def test_a_slot_is_empty_at_first(slot: Slot) -> None:
    assert slot.read() is None


def test_what_was_written_is_read_with_its_tag_and_its_age(slot: Slot) -> None:
    tag = slot.write(b"first", over=None)
    found = slot.read()
    assert found is not None
    assert (found.content, found.tag) == (b"first", tag)
    assert 0 <= found.age_seconds < 60


def test_of_two_first_writes_the_second_writes_nothing(slot: Slot) -> None:
    assert slot.write(b"first", over=None) is not None
    assert slot.write(b"second", over=None) is None
    found = slot.read()
    assert found is not None
    assert found.content == b"first"


def test_a_write_over_what_is_no_longer_there_writes_nothing(slot: Slot) -> None:
    old = slot.write(b"first", over=None)
    assert old is not None
    new = slot.write(b"second", over=old)
    assert new not in {None, old}
    assert slot.write(b"third", over=old) is None
    found = slot.read()
    assert found is not None
    assert found.content == b"second"


def test_a_write_over_something_where_nothing_is_writes_nothing(slot: Slot) -> None:
    tag = slot.write(b"first", over=None)
    assert tag is not None
    assert slot.clear(tag)
    assert slot.write(b"second", over=tag) is None
    assert slot.read() is None


def test_only_who_has_seen_the_last_write_may_clear(slot: Slot) -> None:
    old = slot.write(b"first", over=None)
    assert old is not None
    new = slot.write(b"second", over=old)
    assert new is not None
    assert not slot.clear(old)
    assert slot.read() is not None
    assert slot.clear(new)
    assert slot.read() is None
    assert not slot.clear(new)


def test_after_clearing_it_may_be_written_again(slot: Slot) -> None:
    tag = slot.write(b"first", over=None)
    assert tag is not None
    slot.clear(tag)
    assert slot.write(b"second", over=None) is not None
