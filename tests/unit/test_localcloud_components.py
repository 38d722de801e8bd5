"""The rules of inference components, and their fleets, with a clock that is a number."""

import asyncio
import errno
import functools
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.cloudwatch.metrics import Gauge
from orchestrator.localcloud.control.operations import perform
from orchestrator.localcloud.deploying.hosting import EmptyFleet, Hosting, hosting
from orchestrator.localcloud.faulting.faults import Fault
from orchestrator.localcloud.fleets.exchange import BrokenAnswerError
from orchestrator.localcloud.fleets.fleet import Fleet, FleetError
from orchestrator.localcloud.gauges import Concurrency
from orchestrator.localcloud.rules import components, endpoints
from orchestrator.localcloud.rules.validation import check
from orchestrator.localcloud.world import Content, Place, Scope, Variant, World
from orchestrator.localcloud.worlds import Worlds
from tests.support.loops import run

SCOPE = Scope("123456789012", "eu-west-1")
PLACE = Place(SCOPE, "e")
ARN = "arn:aws:sagemaker:eu-west-1:123456789012"
HOST = {"VariantName": "host", "InstanceType": "ml.m7i.large", "InitialInstanceCount": 1}
CONTAINER = {"Image": "image:1", "ArtifactUrl": "s3://bucket/model.tar.gz", "Environment": {"A": "1"}}
SPECIFICATION = {"Container": CONTAINER, "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 128}}
NAMED = {"ModelName": "m", "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 128}}
WATCHED = {
    "RollingUpdatePolicy": {
        "MaximumBatchSize": {"Type": "COPY_COUNT", "Value": 1},
        "WaitIntervalInSeconds": 0,
    },
    "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]},
}
BY_TYPE = {**SPECIFICATION, "InstanceType": "ml.m7i.large"}
CREATION = {
    "InferenceComponentName": "c",
    "EndpointName": "e",
    "VariantName": "host",
    "Specification": SPECIFICATION,
    "RuntimeConfig": {"CopyCount": 2},
}


def virtually(test: Callable[..., Coroutine[object, object, None]]) -> Callable[..., None]:
    """Let a test be run in virtual time."""

    @functools.wraps(test)
    def plain(**fixtures: "Account") -> None:
        run(test(**fixtures))

    return plain


async def all_that_is_under_way() -> None:
    """Wait in virtual time, which passes once everybody else waits."""
    await asyncio.sleep(1)


class Account:
    """An account whose time passes by one second with each call; its fleets have no processes."""

    def __init__(self) -> None:
        self.worlds = Worlds()
        self.now = 1000.0
        self.started: list[Variant] = []
        self.why_not = ""
        self.measured = list[Gauge]()
        self.hosting = Hosting(self.worlds, hosting(self.launch), lambda: self.now, self.measured.append)

    @property
    def world(self) -> World:
        return self.worlds.at(SCOPE)

    async def launch(
        self, place: Place, variant: Variant, *, group: str | None = None, fault: Fault | None = None
    ) -> Fleet:
        assert group == "/aws/sagemaker/InferenceComponents/c"
        if self.why_not == "full":
            raise OSError(errno.ENOSPC, "No space left on device")
        if self.why_not:
            raise FleetError(self.why_not)
        self.started.append(variant)
        # Any fleet without a process does, as long as it counts.
        return EmptyFleet(variant)

    def call(self, operation: str, **request: Any) -> Content:  # noqa: ANN401 - JSON
        self.now += 1
        outcome = perform(self.world, operation, check(operation, request), self.now)
        self.worlds.put(outcome.world)
        return outcome.answer

    async def settled(self, operation: str, **request: Any) -> Content:  # noqa: ANN401 - JSON
        """Call, let happen what the call begins, and return how the component is shown then."""
        self.call(operation, **request)
        self.hosting.after[operation](SCOPE, request)
        await all_that_is_under_way()
        return self.described()

    def described(self) -> Content:
        return self.call("DescribeInferenceComponent", InferenceComponentName="c")

    def refusal(self, operation: str, **request: Any) -> ApiError:  # noqa: ANN401 - JSON
        before = self.world
        with pytest.raises(ApiError) as caught:
            self.call(operation, **request)
        assert self.world == before
        return caught.value


@pytest.fixture
def account() -> Account:
    """An account with an endpoint ``e`` for components, and an endpoint ``full`` that has a model, ``m``."""
    made = Account()
    data = {"Image": "image:1", "ModelDataUrl": "s3://bucket/other.tar.gz"}
    made.call("CreateModel", ModelName="m", PrimaryContainer=data)
    for endpoint, variant in (("e", HOST), ("full", {**HOST, "ModelName": "m"})):
        made.call("CreateEndpointConfig", EndpointConfigName=endpoint, ProductionVariants=[variant])
        made.call("CreateEndpoint", EndpointName=endpoint, EndpointConfigName=endpoint)
        made.worlds.put(endpoints.arrived(made.world, endpoint, made.now))
    return made


def refused(account: Account, name: str, place: Place = PLACE) -> str:
    with pytest.raises(ApiError) as caught:
        account.hosting.share(place, name)
    assert caught.value.code == "ValidationError"
    return caught.value.message


@virtually
async def test_concurrency_is_measured_of_each_copy_also_while_nobody_asks(account: Account) -> None:
    concurrency = Concurrency(account.worlds, lambda _: None, account.hosting.fleet)
    await account.settled("CreateInferenceComponent", **CREATION)
    (idle,) = concurrency()
    assert (idle.name, idle.value) == ("ConcurrentRequestsPerCopy", 0.0)
    fleet = account.hosting.fleet(SCOPE, "c")
    assert isinstance(fleet, EmptyFleet)
    fleet.answering = 3
    assert [gauge.value for gauge in concurrency()] == [1.5]
    await fleet.resize(0)
    assert list(concurrency()) == []


@virtually
async def test_a_new_component_is_creating_and_then_serves(account: Account) -> None:
    assert account.call("CreateInferenceComponent", **CREATION) == {
        "InferenceComponentArn": f"{ARN}:inference-component/c"
    }
    creating = account.described()
    assert creating["InferenceComponentStatus"] == "Creating"
    assert creating["RuntimeConfig"] == {"DesiredCopyCount": 2, "CurrentCopyCount": 0}
    assert "no capacity" in refused(account, "c")
    # An alarm on it wakes a component that has gone down to none.
    (missed,) = account.measured
    assert (missed.name, missed.value) == ("NoCapacityInvocationFailures", 1.0)
    assert missed.dimensions == {"InferenceComponentName": "c"}
    account.hosting.change(SCOPE, CREATION)
    await all_that_is_under_way()
    described = account.described()
    assert described["RuntimeConfig"] == {"DesiredCopyCount": 2, "CurrentCopyCount": 2}
    image = described["Specification"]["Container"]["DeployedImage"]
    assert image["SpecifiedImage"] == "image:1"
    assert described["Specification"]["Container"]["Environment"] == {"A": "1"}
    share = account.hosting.share(PLACE, "c")
    assert (share.variant.name, share.variant.component, share.variant.count) == ("host", "c", 2)
    assert share.variant.container["ModelDataUrl"] == "s3://bucket/model.tar.gz"


@virtually
async def test_copies_come_and_go_without_another_fleet(account: Account) -> None:
    await account.settled("CreateInferenceComponent", **CREATION)
    fleet = account.hosting.share(PLACE, "c").fleet
    request = {"InferenceComponentName": "c", "DesiredRuntimeConfig": {"CopyCount": 5}}
    described = await account.settled("UpdateInferenceComponentRuntimeConfig", **request)
    assert described["RuntimeConfig"]["CurrentCopyCount"] == 5
    assert account.hosting.share(PLACE, "c").fleet is fleet
    assert fleet.count == 5
    assert len(account.started) == 1


@virtually
async def test_a_component_without_copies_says_that_it_has_no_capacity(account: Account) -> None:
    await account.settled("CreateInferenceComponent", **CREATION)
    request = {"InferenceComponentName": "c", "DesiredRuntimeConfig": {"CopyCount": 0}}
    described = await account.settled("UpdateInferenceComponentRuntimeConfig", **request)
    assert described["InferenceComponentStatus"] == "InService"
    assert refused(account, "c").startswith("Inference Component has no capacity to process this request.")


@virtually
async def test_another_model_takes_over_once_it_serves(account: Account) -> None:
    await account.settled("CreateInferenceComponent", **CREATION)
    request = {"InferenceComponentName": "c", "Specification": NAMED}
    described = await account.settled("UpdateInferenceComponent", **request)
    assert described["Specification"] == NAMED
    assert described["RuntimeConfig"]["CurrentCopyCount"] == 2
    container = account.hosting.share(PLACE, "c").variant.container
    assert container["ModelDataUrl"] == "s3://bucket/other.tar.gz"


@virtually
async def test_an_update_that_fails_leaves_what_serves_and_says_why(account: Account) -> None:
    await account.settled("CreateInferenceComponent", **CREATION)
    account.why_not = "broken"
    request = {"InferenceComponentName": "c", "Specification": NAMED}
    described = await account.settled("UpdateInferenceComponent", **request)
    assert described["InferenceComponentStatus"] == "InService"
    assert "did not pass the ping health check" in described["FailureReason"]
    assert "Container" in described["Specification"]
    assert account.hosting.share(PLACE, "c").fleet.count == 2


@virtually
async def test_a_component_that_does_not_come_up_has_failed_and_can_only_be_deleted(account: Account) -> None:
    account.why_not = "broken"
    described = await account.settled("CreateInferenceComponent", **CREATION)
    assert described["InferenceComponentStatus"] == "Failed"
    error = account.refusal(
        "UpdateInferenceComponentRuntimeConfig",
        InferenceComponentName="c",
        DesiredRuntimeConfig={"CopyCount": 1},
    )
    assert "in status Failed" in error.message
    account.call("DeleteInferenceComponent", InferenceComponentName="c")
    account.hosting.delete(SCOPE, {"InferenceComponentName": "c"})
    await all_that_is_under_way()
    assert "c" not in account.world.components


@virtually
async def test_what_breaks_for_a_reason_that_nobody_thought_of_fails_and_can_be_deleted(
    account: Account,
) -> None:
    account.why_not = "full"
    described = await account.settled("CreateInferenceComponent", **CREATION)
    assert described["InferenceComponentStatus"] == "Failed"
    assert described["FailureReason"].startswith("Request to service failed.")
    account.call("DeleteInferenceComponent", InferenceComponentName="c")


@virtually
async def test_an_endpoint_is_deleted_only_after_its_components(account: Account) -> None:
    await account.settled("CreateInferenceComponent", **CREATION)
    assert "has inference components" in account.refusal("DeleteEndpoint", EndpointName="e").message
    account.call("DeleteInferenceComponent", InferenceComponentName="c")
    assert account.described()["InferenceComponentStatus"] == "Deleting"
    in_progress = account.refusal("DeleteInferenceComponent", InferenceComponentName="c")
    assert in_progress.message.startswith("Cannot update in-progress inference component")
    account.hosting.delete(SCOPE, {"InferenceComponentName": "c"})
    await all_that_is_under_way()
    assert "c" not in account.world.components
    account.call("DeleteEndpoint", EndpointName="e")
    assert f"{ARN}:inference-component/c" not in account.world.tags


def test_a_component_that_there_is_not_is_named(account: Account) -> None:
    error = account.refusal("DescribeInferenceComponent", InferenceComponentName="none")
    assert error.message == f'Could not find inference component "{ARN}:inference-component/none".'


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"EndpointName": "none"}, "Could not find endpoint"),
        ({"VariantName": "none"}, "Could not find variant"),
        ({"EndpointName": "full"}, "has a model of its own"),
        ({"Specification": {**SPECIFICATION, "ModelName": "m"}}, "Exactly one of ModelName and Container"),
        ({"Specification": {**NAMED, "ModelName": "none"}}, "Could not find model"),
        (
            {"Specification": {**SPECIFICATION, "BaseInferenceComponentName": "b"}},
            "BaseInferenceComponentName",
        ),
        ({"Specification": {}}, "must be specified"),
        ({"Specification": None}, "Specification or RuntimeConfig must be specified"),
        ({"RuntimeConfig": None}, "RuntimeConfig must be specified"),
        ({"Specifications": [BY_TYPE]}, "Specifications (by instance type)"),
    ],
)
def test_a_component_that_cannot_be_is_refused(account: Account, members: Content, words: str) -> None:
    assert words in account.refusal("CreateInferenceComponent", **{**CREATION, **members}).message


@virtually
async def test_an_update_that_says_nothing_or_too_much_is_refused(account: Account) -> None:
    await account.settled("CreateInferenceComponent", **CREATION)
    for members, words in (
        ({}, "Specification or RuntimeConfig must be specified"),
        ({"Specification": None}, "Specification or RuntimeConfig must be specified"),
        ({"Specification": NAMED, "Specifications": [BY_TYPE]}, "Specifications (by instance type)"),
        ({"Specification": NAMED, "DeploymentConfig": WATCHED}, "AutoRollbackConfiguration"),
    ):
        error = account.refusal("UpdateInferenceComponent", InferenceComponentName="c", **members)
        assert words in error.message


def test_a_component_that_exists_is_not_made_again(account: Account) -> None:
    account.call("CreateInferenceComponent", **CREATION)
    assert "already existing" in account.refusal("CreateInferenceComponent", **CREATION).message


def test_components_are_listed_by_endpoint_status_and_name(account: Account) -> None:
    for name in ("one", "two"):
        account.call("CreateInferenceComponent", **{**CREATION, "InferenceComponentName": name})

    def listed(**filters: str) -> list[str]:
        lines = account.call("ListInferenceComponents", **filters)["InferenceComponents"]
        return [line["InferenceComponentName"] for line in lines]

    assert listed() == ["two", "one"]
    assert listed(NameContains="ON", EndpointNameEquals="e", VariantNameEquals="host") == ["one"]
    assert listed(StatusEquals="InService") == []
    assert listed(EndpointNameEquals="full") == []


def test_a_request_that_names_a_component_of_an_endpoint_without_any_is_told_so(account: Account) -> None:
    assert refused(account, "c", Place(SCOPE, "full")).startswith(
        "Inference Component Name header is not allowed"
    )
    assert refused(account, "none") == "Inference Component none of endpoint e not found."
    assert "not found" in refused(account, "c", Place(SCOPE, "none"))


@virtually
async def test_instances_without_a_model_answer_nothing() -> None:
    fleet = EmptyFleet(Variant("host", {}, "ml.m5.large", 1, 1.0, 1.0))
    with pytest.raises(BrokenAnswerError, match="Inference Component Name header is required"):
        await fleet.ask((), b"")
    with pytest.raises(BrokenAnswerError):
        fleet.stream((), b"")


@virtually
async def test_components_serve_again_after_a_restart(account: Account) -> None:
    await account.settled("CreateInferenceComponent", **CREATION)
    kept = components.interrupted(account.world, 2000.0)
    again = Account()
    again.worlds.put(kept)
    assert "no capacity" in refused(again, "c")
    again.hosting.revive()
    await all_that_is_under_way()
    assert again.hosting.share(PLACE, "c").variant.count == 2


@pytest.mark.parametrize(("status", "becomes"), [("Creating", "Failed"), ("Updating", "Failed")])
def test_what_was_under_way_at_a_restart_has_failed(account: Account, status: str, becomes: str) -> None:
    account.call("CreateInferenceComponent", **CREATION)
    component = replace(account.world.components["c"], status=status)
    world = replace(account.world, components={"c": component})
    after = components.interrupted(world, 2000.0).components["c"]
    assert (after.status, "restarted" in after.failure_reason) == (becomes, True)


@virtually
async def test_a_component_whose_endpoint_has_failed_says_so(account: Account) -> None:
    await account.settled("CreateInferenceComponent", **CREATION)
    account.worlds.put(endpoints.broken(account.world, "e", "it broke", account.now))
    request = {"InferenceComponentName": "c", "DesiredRuntimeConfig": {"CopyCount": 1}}
    described = await account.settled("UpdateInferenceComponentRuntimeConfig", **request)
    assert 'Could not find variant "host"' in described["FailureReason"]
    assert "not found" in refused(account, "c")
