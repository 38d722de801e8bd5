"""Faults on demand: which calls they befall, how they are ordered, what was there before."""

import pytest

from orchestrator.cli.local_cloud_faults import add
from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.faulting.faults import Call, Fault, Faults, Kind
from orchestrator.localcloud.faulting.orders import read
from orchestrator.localcloud.faulting.past import Past
from orchestrator.localcloud.world import Record, Scope, World
from orchestrator.localcloud.worlds import Worlds

HERE, THERE = Scope("123456789012", "eu-west-1"), Scope("123456789012", "us-east-1")


class Clock:
    """Seconds that grow when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def call(name: str, region: str = "eu-west-1", endpoint: str = "", config: str = "") -> Call:
    return Call((name,), region, endpoint, config)


def waiting(*orders: dict[str, object], clock: Clock | None = None) -> Faults:
    faults = Faults(clock or Clock())
    for order in orders:
        faults.add(read(order))
    return faults


def kind_of(fault: Fault | None) -> Kind | None:
    return fault.kind if fault else None


def test_a_fault_befalls_so_many_calls_of_its_operation() -> None:
    faults = waiting({"operation": "UpdateEndpoint", "kind": "throttle", "times": 2})
    asked = ["CreateModel", "UpdateEndpoint", "UpdateEndpoint", "UpdateEndpoint"]
    befallen = [kind_of(faults.of_call(call(operation))) for operation in asked]
    assert befallen == [None, Kind.THROTTLE, Kind.THROTTLE, None]
    (shown,) = faults.shown()
    assert (shown["times"], shown["befallen"]) == (0, 2)


def test_a_share_of_the_calls_is_the_same_for_the_same_seed() -> None:
    def befallen(seed: int) -> list[bool]:
        faults = waiting({"operation": "*", "kind": "reset", "share": 0.3, "seed": seed})
        return [faults.of_call(call(f"GET /{number}")) is not None for number in range(1000)]

    assert befallen(1) == befallen(1)
    assert befallen(1) != befallen(2)
    assert 250 < sum(befallen(1)) < 350


def test_a_call_has_more_than_one_name() -> None:
    faults = waiting({"operation": "InvokeEndpoint", "kind": "server-error", "endpoint": "digits"})
    names = ("POST /endpoints/digits/invocations", "InvokeEndpoint")
    assert faults.of_call(Call(names, "eu-west-1", "other")) is None
    assert kind_of(faults.of_call(Call(names, "eu-west-1", "digits"))) is Kind.SERVER_ERROR


def test_a_region_is_down_for_all_its_calls_and_no_others_until_the_fault_is_lifted() -> None:
    faults = waiting({"kind": "region-down", "region": "eu-*"})
    for _ in range(3):
        assert kind_of(faults.of_call(call("PUT /bucket/key"))) is Kind.REGION_DOWN
        assert faults.of_call(call("PUT /bucket/key", "us-east-1")) is None
    faults.lift("1")
    assert faults.of_call(call("PUT /bucket/key")) is None


def test_a_throttle_with_a_rate_lets_so_many_calls_through_each_second() -> None:
    clock = Clock()
    faults = waiting({"operation": "DescribeEndpoint", "kind": "throttle", "rate": 2}, clock=clock)

    def throttled() -> int:
        return sum(faults.of_call(call("DescribeEndpoint")) is not None for _ in range(5))

    assert throttled() == 3
    clock.now += 0.5
    assert throttled() == 4
    clock.now += 60
    assert throttled() == 3


def test_delays_add_up_and_leave_the_answer_as_it_is() -> None:
    faults = waiting(
        {"operation": "*", "kind": "latency", "seconds": 0.5},
        {"operation": "ListModels", "kind": "latency", "seconds": 2, "times": 1},
    )
    assert [faults.delay_of(call("ListModels")) for _ in range(2)] == [2.5, 0.5]
    assert faults.of_call(call("ListModels")) is None


def test_faults_of_changes_wait_for_what_begins_one() -> None:
    faults = waiting({"kind": "silent-rollback", "endpoint": "digits"})
    assert faults.of_call(call("UpdateEndpoint", endpoint="digits")) is None
    assert faults.of_change(call("DeleteEndpoint", endpoint="digits")) is None
    assert faults.of_change(call("UpdateEndpoint", endpoint="letters")) is None
    # A new endpoint has nothing to go back to.
    assert faults.of_change(call("CreateEndpoint", endpoint="digits")) is None
    assert kind_of(faults.of_change(call("UpdateEndpoint", endpoint="digits"))) is Kind.SILENT_ROLLBACK
    assert faults.of_change(call("UpdateEndpoint", endpoint="digits")) is None


def test_a_model_fails_where_its_fleet_belongs_to_the_endpoint_config() -> None:
    faults = waiting({"kind": "model-error", "config": "digits-2"})
    of_old, of_new = (call("InvokeEndpoint", endpoint="digits", config=f"digits-{n}") for n in (1, 2))
    assert faults.of_model(of_old) is None
    assert kind_of(faults.of_model(of_new)) is Kind.MODEL_ERROR


def test_one_fault_is_lifted_by_its_number_or_all_at_once() -> None:
    faults = waiting({"kind": "stuck"}, {"kind": "fail"}, {"kind": "capacity"})
    faults.lift("2")
    assert [shown["id"] for shown in faults.shown()] == ["1", "3"]
    with pytest.raises(ApiError, match="there is no fault '2'") as caught:
        faults.lift("2")
    assert caught.value.status == 404
    stuck = faults.of_change(call("CreateEndpoint"))
    assert stuck is not None
    assert not stuck.lifted.is_set()
    faults.lift()
    assert stuck.lifted.is_set()
    assert faults.shown() == []


def test_a_fault_shows_what_it_has_and_no_more() -> None:
    shown = waiting({"kind": "crash-loop", "crashes": 2, "endpoint": "digits"}).shown()[0]
    assert (shown["crashes"], shown["endpoint"]) == (2, "digits")
    assert not shown.keys() & {"seconds", "rate", "region", "config"}


@pytest.mark.parametrize(
    ("order", "why"),
    [
        (None, "a fault is an object"),
        ([], "a fault is an object"),
        ({"operation": "X"}, "the kind None"),
        ({"kind": "throttle"}, "operation must be"),
        ({"operation": "", "kind": "throttle"}, "operation must be"),
        ({"operation": "Create*", "kind": "silent-rollback"}, "befalls UpdateEndpoint and no other"),
        ({"operation": "X", "kind": "silent-rolback"}, "did you mean 'silent-rollback'?"),
        ({"operation": "X", "kind": ["throttle"]}, "is none of"),
        ({"operation": "X", "kind": "throttle", "time": 1}, "did you mean 'times'?"),
        ({"operation": "X", "kind": "throttle", "times": 0}, "times must be"),
        ({"operation": "X", "kind": "throttle", "times": True}, "times must be"),
        ({"operation": "X", "kind": "throttle", "share": 0}, "share must be"),
        ({"operation": "X", "kind": "throttle", "share": 1.5}, "share must be"),
        ({"operation": "X", "kind": "throttle", "share": float("nan")}, "share must be"),
        ({"operation": "X", "kind": "throttle", "seed": "a"}, "seed must be"),
        ({"operation": "X", "kind": "throttle", "rate": float("inf")}, "rate must be"),
        ({"operation": "X", "kind": "throttle", "seconds": 1}, "'seconds' is no member"),
        ({"kind": "fail", "endpoint": 1}, "endpoint must be"),
        ({"kind": "eventual-consistency", "seconds": 61}, "at most 60"),
        ({"kind": "region-down"}, "needs the name of a region"),
    ],
)
def test_what_is_no_fault_is_refused_with_what_is_nearest(order: object, why: str) -> None:
    with pytest.raises(ApiError) as caught:
        read(order)
    assert caught.value.code == "InvalidFault"
    assert why in caught.value.message


def test_what_was_there_some_seconds_ago_is_remembered_while_somebody_asks() -> None:
    clock, worlds = Clock(), Worlds()
    faults = Faults(clock)
    past = Past(worlds, faults, clock)

    def made(name: str) -> None:
        models = {**worlds.at(HERE).models, name: Record(name, {}, clock.now)}
        worlds.put(World(HERE, models))

    made("before")
    faults.add(read({"kind": "eventual-consistency", "seconds": 5}))
    clock.now += 1
    made("first")
    clock.now += 3
    made("second")
    assert past.at(HERE, 5).models.keys() == {"before"}
    clock.now += 3
    assert past.at(HERE, 5).models.keys() == {"before", "first"}
    clock.now += 3
    assert past.at(HERE, 5) is worlds.at(HERE)
    assert past.at(THERE, 5) == World(THERE)
    made("third")
    faults.lift()
    assert past.at(HERE, 5) is worlds.at(HERE)


def test_the_help_names_every_kind() -> None:
    for kind in Kind:
        assert kind in (add.help or "")
