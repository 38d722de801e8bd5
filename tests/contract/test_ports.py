"""What the use cases rely on: the same tests for the fakes, and for the real adapters on two clouds.

The local cloud is ours; plain moto was written by others, and holds our adapters to what they know of AWS.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from orchestrator.adapters.account import AwsAccount
from orchestrator.adapters.autoscaling import ApplicationAutoscaling
from orchestrator.adapters.journal import S3Journal
from orchestrator.adapters.sagemaker import SageMaker
from orchestrator.adapters.slot import S3Slot
from orchestrator.adapters.store.s3 import S3Store
from orchestrator.core import journal, names
from orchestrator.core.clouds import Account, Autoscaling, Capacity, Cloud, Inventory, Update
from orchestrator.core.errors import ArtifactError, CloudError, ConflictError, NotFoundError
from orchestrator.core.ports import Journal, Store
from orchestrator.core.resources import Endpoint, EndpointStatus, Variant
from orchestrator.core.revision import Revision, Source, make, tags_of
from orchestrator.core.rollout import Kind, Rollout, Size
from orchestrator.core.scaling import Scaling, TargetTracking
from orchestrator.core.target import EndpointSpec
from tests.support.clouds import BUCKET, ROLE, STANDIN, TestCloud, archive, local_cloud
from tests.support.edges import made_clients
from tests.support.fake_account import FakeAccount, FakeAutoscaling
from tests.support.fake_sagemaker import FakeCloud
from tests.support.fakes import FakeClock, FakeJournal, FakeStore
from tests.support.plain_moto import plain_moto

ARCHIVE = archive({"code/predict.py": b"pass"})
NO_UPDATES = "UpdateEndpoint is not implemented"
MOTO_LACKS = {
    "test_while_updating_the_old_config_is_shown_and_the_new_one_is_pending": NO_UPDATES,
    "test_an_update_that_was_sent_twice_is_one_update": NO_UPDATES,
    "test_an_update_to_another_config_meanwhile_is_somebody_elses": NO_UPDATES,
    "test_counts_that_are_retained_are_those_of_before": NO_UPDATES,
    "test_a_canary_takes_two_instances": NO_UPDATES,
    "test_creating_twice_succeeds_and_changes_nothing": "an endpoint that exists is made once more",
    "test_nothing_scales_a_variant_that_is_not_there": "a scalable target of nothing is accepted",
}
"""The tests that plain moto fails, and why."""
MOTO_SAYS_NOTHING = {"test_an_update_to_a_config_that_does_not_exist_is_refused": NO_UPDATES}
"""The tests that it passes for another reason than theirs."""


@dataclass(frozen=True)
class Outside:
    """One implementation of the ports, and a way to let time pass in it."""

    cloud: Cloud
    inventory: Inventory
    account: Account
    autoscaling: Autoscaling
    store: Store
    journal: Callable[[str], Journal]
    wait: Callable[[], None]


def fakes() -> Outside:
    clock = FakeClock()
    store = FakeStore()
    opened: dict[str, FakeJournal] = {}

    def journal_of(endpoint: str) -> Journal:
        return opened.setdefault(endpoint, FakeJournal(endpoint)).again()

    cloud = FakeCloud(clock)
    scaling = FakeAutoscaling(cloud)
    return Outside(cloud, cloud, FakeAccount(), scaling, store, journal_of, lambda: clock.sleep(5))


def adapters(url: str) -> Outside:
    made = made_clients(url, FakeClock())
    store = S3Store(made, BUCKET)
    pause = threading.Event()

    def wait() -> None:
        pause.wait(0.05)

    sagemaker, scaling = SageMaker(made), ApplicationAutoscaling(made)
    return Outside(
        sagemaker,
        sagemaker,
        AwsAccount(made),
        scaling,
        store,
        lambda endpoint: S3Journal(store, S3Slot(store.bucket, names.head_key(endpoint)), endpoint),
        wait,
    )


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCloud]:
    with local_cloud(tmp_path_factory.mktemp("cloud"), STANDIN) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with plain_moto() as url:
        yield url


@pytest.fixture(params=["fakes", "adapters on the local cloud", "adapters on plain moto"])
def outside(request: pytest.FixtureRequest) -> Outside:
    if request.param == "fakes":
        return fakes()
    if request.param == "adapters on the local cloud":
        return adapters(request.getfixturevalue("running").url)
    test = request.node.originalname
    if test in MOTO_SAYS_NOTHING:
        pytest.skip(f"plain moto: {MOTO_SAYS_NOTHING[test]}")
    if test in MOTO_LACKS:
        # Strict: the day moto has learnt it, this fails, and the entry goes.
        request.applymarker(pytest.mark.xfail(reason=f"plain moto: {MOTO_LACKS[test]}", strict=True))
    return adapters(request.getfixturevalue("moto"))


def fleet(count: int) -> EndpointSpec:
    return EndpointSpec(variants=(Variant("primary", "", "ml.m5.large", count),))


def revision(name: str, outside: Outside, *, count: int = 1) -> Revision:
    """Return a revision of the endpoint ``name`` whose artifact is in the bucket."""
    key = f"{name}/{count}/model.tar.gz"
    outside.store.put_once(key, ARCHIVE)
    source = Source("a" * 64, outside.store.url(key), "registry/pytorch-inference:1", ROLE)
    return make(name, source, fleet(count), tags=(("team", "ml"),), golden=None)


def created(name: str, outside: Outside, *, count: int = 1) -> Revision:
    wanted = revision(name, outside, count=count)
    outside.cloud.create_model(wanted.model)
    outside.cloud.create_endpoint_config(wanted.config)
    return wanted


def deployed(name: str, outside: Outside) -> Revision:
    wanted = created(name, outside)
    outside.cloud.create_endpoint(name, wanted.name, tags_of(name, ()))
    settled(name, outside)
    return wanted


def settled(name: str, outside: Outside) -> Endpoint | None:
    for _ in range(400):
        found = outside.cloud.endpoint(name)
        if found is None or found.status.settled:
            return found
        outside.wait()
    raise AssertionError(f"{name} does not settle")


def test_what_was_created_is_observed_as_it_was_asked_for(outside: Outside) -> None:
    wanted = created("observed", outside)
    state = outside.inventory.observe("observed")
    assert state.models == {wanted.model}
    assert state.configs == {wanted.config}
    assert state.endpoint is None


def test_an_uncompressed_artifact_is_observed_as_it_was_asked_for(outside: Outside) -> None:
    outside.store.put_once("unpacked/model/code/predict.py", b"pass")
    source = Source("b" * 64, outside.store.url("unpacked/model/"), "registry/pytorch-inference:1", ROLE)
    wanted = make("unpacked", source, fleet(1), tags=(), golden=None)
    outside.cloud.create_model(wanted.model)
    assert wanted.model.is_uncompressed
    assert outside.inventory.observe("unpacked").models == {wanted.model}


def test_creating_twice_succeeds_and_changes_nothing(outside: Outside) -> None:
    wanted = deployed("twice", outside)
    before = outside.inventory.observe("twice")
    created("twice", outside)
    outside.cloud.create_endpoint("twice", wanted.name, tags_of("twice", ()))
    assert outside.inventory.observe("twice") == before


def test_another_endpoints_resources_are_not_observed(outside: Outside) -> None:
    created("mine", outside)
    other = created("mine-too", outside)
    names = {model.name for model in outside.inventory.observe("mine").models}
    assert other.model.name not in names
    assert len(names) == 1


def test_a_new_endpoint_is_creating_and_then_in_service_on_its_config(outside: Outside) -> None:
    wanted = created("fresh", outside)
    outside.cloud.create_endpoint("fresh", wanted.name, tags_of("fresh", ()))
    begun = outside.cloud.endpoint("fresh")
    assert begun is not None
    assert begun.status in {EndpointStatus.CREATING, EndpointStatus.IN_SERVICE}
    found = settled("fresh", outside)
    assert found is not None
    assert (found.status, found.config, found.pending) == (EndpointStatus.IN_SERVICE, wanted.name, None)
    assert found.owned
    assert [variant.arrived for variant in found.variants] == [True]


def test_while_updating_the_old_config_is_shown_and_the_new_one_is_pending(outside: Outside) -> None:
    old = deployed("moving", outside)
    new = created("moving", outside, count=2)
    before = outside.cloud.endpoint("moving")
    outside.cloud.update_endpoint(Update("moving", new.name))
    begun = outside.cloud.endpoint("moving")
    assert begun is not None
    assert before is not None
    assert begun.target == new.name
    assert begun.status is EndpointStatus.UPDATING
    assert begun.config == old.name
    found = settled("moving", outside)
    assert found is not None
    assert (found.config, found.pending) == (new.name, None)
    assert found.last_modified > before.last_modified


def test_an_update_that_was_sent_twice_is_one_update(outside: Outside) -> None:
    deployed("repeated", outside)
    new = created("repeated", outside, count=2)
    outside.cloud.update_endpoint(Update("repeated", new.name))
    outside.cloud.update_endpoint(Update("repeated", new.name))
    found = settled("repeated", outside)
    assert found is not None
    assert found.config == new.name


def test_an_update_to_another_config_meanwhile_is_somebody_elses(outside: Outside) -> None:
    deployed("raced", outside)
    first, second = created("raced", outside, count=2), created("raced", outside, count=3)
    outside.cloud.update_endpoint(Update("raced", first.name))
    with pytest.raises(ConflictError):
        outside.cloud.update_endpoint(Update("raced", second.name))
    settled("raced", outside)


def test_counts_that_are_retained_are_those_of_before(outside: Outside) -> None:
    deployed("retained", outside)
    outside.cloud.set_capacities("retained", [Capacity("primary", 1.0, 3)])
    settled("retained", outside)
    new = created("retained", outside, count=2)
    outside.cloud.update_endpoint(Update("retained", new.name, retain=True))
    found = settled("retained", outside)
    assert found is not None
    assert [variant.desired_count for variant in found.variants] == [3]


def test_a_canary_takes_two_instances(outside: Outside) -> None:
    deployed("canary", outside)
    new = revision("canary", outside)
    again = created("canary", outside, count=2)
    canary = Rollout(Kind.CANARY, Size(50))
    outside.cloud.update_endpoint(Update("canary", again.name))
    settled("canary", outside)
    with pytest.raises(CloudError):
        outside.cloud.update_endpoint(Update("canary", new.name, canary))


def test_tags_are_added_to_an_endpoint(outside: Outside) -> None:
    deployed("tagged", outside)
    outside.cloud.tag_endpoint("tagged", (("team", "vision"),))
    found = outside.cloud.endpoint("tagged")
    assert found is not None
    assert dict(found.tags)["team"] == "vision"
    assert found.owned


def test_autoscaling_is_observed_as_it_was_asked_for_and_can_be_suspended(outside: Outside) -> None:
    deployed("scaled", outside)
    tracking = TargetTracking("load", "SageMakerVariantInvocationsPerInstance", 600.0)
    wanted = Scaling("primary", 1, 4, tracking=(tracking,))
    outside.autoscaling.put("scaled", wanted)
    outside.autoscaling.put("scaled", wanted)
    assert outside.autoscaling.observe("scaled", ["primary"]) == {wanted}
    outside.autoscaling.suspend("scaled", wanted)
    (suspended,) = outside.autoscaling.observe("scaled", ["primary"])
    assert suspended == replace(wanted, scale_in_suspended=True)
    outside.autoscaling.put("scaled", wanted)
    assert outside.autoscaling.observe("scaled", ["primary"]) == {wanted}
    for _ in range(2):
        outside.autoscaling.remove("scaled", "primary", wanted.dimension)
    assert outside.autoscaling.observe("scaled", ["primary"]) == frozenset()


def test_nothing_scales_a_variant_that_is_not_there(outside: Outside) -> None:
    deployed("unscaled", outside)
    with pytest.raises(CloudError):
        outside.autoscaling.put("unscaled", Scaling("other", 1, 4))
    assert outside.autoscaling.observe("unscaled", ["primary"]) == frozenset()


def test_an_update_to_a_config_that_does_not_exist_is_refused(outside: Outside) -> None:
    deployed("strict", outside)
    with pytest.raises(CloudError):
        outside.cloud.update_endpoint(Update("strict", "strict-000000000000"))


def test_an_endpoint_somebody_else_made_is_not_ours(outside: Outside) -> None:
    wanted = created("foreign", outside)
    outside.cloud.create_endpoint("foreign", wanted.name, (("team", "others"),))
    found = settled("foreign", outside)
    assert found is not None
    assert not found.owned


def test_deleting_is_complete_and_deleting_again_succeeds(outside: Outside) -> None:
    wanted = deployed("doomed", outside)
    outside.cloud.delete_endpoint("doomed")
    outside.cloud.delete_endpoint("doomed")
    assert settled("doomed", outside) is None
    for _ in range(2):
        outside.cloud.delete_endpoint("doomed")
        outside.cloud.delete_endpoint_config(wanted.name)
        outside.cloud.delete_model(wanted.model.name)
    state = outside.inventory.observe("doomed")
    assert (state.models, state.configs, state.endpoint) == (frozenset(), frozenset(), None)


def test_we_know_who_we_are(outside: Outside) -> None:
    assert outside.account.identity().startswith("arn:aws:")


def test_an_object_is_stored_once(outside: Outside) -> None:
    assert not outside.store.exists("once")
    assert outside.store.put_once("once", b"first")
    assert outside.store.exists("once")
    assert not outside.store.put_once("once", b"second")
    assert outside.store.read("once") == b"first"


def test_a_stream_is_stored_once_and_every_byte_of_it_is_told(outside: Outside) -> None:
    asked: list[str] = []
    moved: list[int] = []

    def stream() -> Iterator[bytes]:
        asked.append("stream")
        yield from (b"one", b"", b"two")

    assert outside.store.upload("stream", stream, moved.append)
    assert not outside.store.upload("stream", stream, moved.append)
    assert outside.store.read("stream") == b"onetwo"
    assert sum(moved) == 6
    assert asked == ["stream"]


def test_of_a_stream_that_breaks_off_nothing_is_stored(outside: Outside) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ArtifactError("it has changed")

    with pytest.raises(ArtifactError):
        outside.store.upload("broken", broken, lambda _: None)
    assert not outside.store.exists("broken")


def test_a_copy_is_made_once(outside: Outside) -> None:
    outside.store.put_once("source", b"first")
    outside.store.put_once("other source", b"second")
    assert outside.store.copy_once("source", "copy")
    assert not outside.store.copy_once("other source", "copy")
    assert outside.store.read("copy") == b"first"


def test_copying_what_is_not_there_is_not_found(outside: Outside) -> None:
    with pytest.raises(NotFoundError):
        outside.store.copy_once("nothing", "copy of nothing")
    assert not outside.store.exists("copy of nothing")


def test_keys_are_listed_by_their_beginning_and_in_order(outside: Outside) -> None:
    for key in ("listed/b", "listed/a/1", "listed/a+", "listing"):
        outside.store.put_once(key, b"")
    assert outside.store.keys("listed/") == ("listed/a+", "listed/a/1", "listed/b")
    assert outside.store.keys("nothing listed") == ()


def test_reading_what_is_not_there_is_not_found(outside: Outside) -> None:
    with pytest.raises(NotFoundError):
        outside.store.read("nothing")


def test_a_journal_reads_back_in_order_across_ten_entries(outside: Outside) -> None:
    written = outside.journal("long")
    for number in range(12):
        written.append(journal.STEP_STARTED, {"n": number}, by="ada", at="now")
    entries = outside.journal("long").entries()
    assert [entry.number for entry in entries] == list(range(1, 13))
    assert [entry.facts["n"] for entry in entries] == list(range(12))


def test_of_two_writers_of_one_journal_the_second_is_refused_and_writes_nothing(outside: Outside) -> None:
    first, second = outside.journal("shared"), outside.journal("shared")
    first.entries()
    second.entries()
    first.append(journal.STARTED, {"who": "first"}, by="ada", at="now")
    with pytest.raises(ConflictError):
        second.append(journal.STARTED, {"who": "second"}, by="bob", at="now")
    assert [entry.facts["who"] for entry in outside.journal("shared").entries()] == ["first"]


def test_a_writer_that_reads_again_goes_on(outside: Outside) -> None:
    first, second = outside.journal("taking-turns"), outside.journal("taking-turns")
    second.entries()
    first.append(journal.STARTED, {}, by="ada", at="now")
    second.entries()
    second.append(journal.STARTED, {}, by="bob", at="now")
    assert [entry.by for entry in first.entries()] == ["ada", "bob"]
