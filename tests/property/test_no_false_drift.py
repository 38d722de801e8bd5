"""What was deployed and left alone has not drifted, however AWS gives it back; and a plan says so, too.

``ORCHESTRATOR_FUZZ`` multiplies how many worlds are tried: 10 makes it a thousand.
"""

import os
import struct
from dataclasses import replace
from typing import TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.core.resources import (
    AsyncInference,
    Capture,
    InstancePool,
    Pairs,
    Serverless,
    Variant,
    VariantStatus,
    Vpc,
)
from orchestrator.core.revision import Revision
from orchestrator.core.scaling import Scaling, Schedule, TargetTracking
from orchestrator.core.target import EndpointSpec
from orchestrator.usecases.deploy import deploy
from orchestrator.usecases.drift import drift
from orchestrator.usecases.plan import prepare
from tests.support.builders import prepared, wish
from tests.support.fakes import FakeEdge, SilentProgress, fake_edge
from tests.support.managed import made

WORLDS = 100 * int(os.environ.get("ORCHESTRATOR_FUZZ", "1"))

_Item = TypeVar("_Item")

seconds = st.none() | st.integers(300, 3600)
machines = st.sampled_from(["ml.m5.large", "ml.c5.xlarge", "ml.m6i.large"])
pools = st.just(()) | st.just((InstancePool("ml.m5.large", 1), InstancePool("ml.m6i.large", 2)))
weights = st.floats(0.1, 10.0).map(lambda value: round(value, 3))
answers = st.none() | st.just(AsyncInference("s3://bucket/out"))
environments = st.dictionaries(st.sampled_from(["A", "B", "LIMIT"]), st.text("ab1", max_size=3), max_size=3)


@st.composite
def instance_variants(draw: st.DrawFn, name: str) -> Variant:
    several = draw(pools)
    return Variant(
        name=name,
        model="",
        instance_type="" if several else draw(machines),
        instance_count=draw(st.integers(1, 4)),
        weight=draw(weights),
        pools=several,
        volume_gb=draw(st.none() | st.integers(5, 60)),
        download_timeout_seconds=draw(seconds),
        startup_timeout_seconds=draw(seconds),
        provision_timeout_seconds=draw(seconds) if several else None,
        routing=draw(st.sampled_from([None, "RANDOM", "LEAST_OUTSTANDING_REQUESTS"])),
    )


@st.composite
def instance_specs(draw: st.DrawFn) -> EndpointSpec:
    names = draw(st.sampled_from([("primary",), ("primary", "other")]))
    return EndpointSpec(
        variants=tuple(draw(instance_variants(name)) for name in names),
        environment=tuple(sorted(draw(environments).items())),
        vpc=draw(st.none() | st.just(Vpc(("sg-2", "sg-1"), ("subnet-2", "subnet-1")))),
        network_isolation=draw(st.booleans()),
        capture=draw(st.none() | st.just(Capture("s3://bucket/capture", 20, ("Output", "Input")))),
        async_inference=draw(st.none() | st.just(AsyncInference("s3://bucket/out")))
        if len(names) == 1
        else None,
        kms_key=draw(st.none() | st.just("alias/disks")),
    )


serverless_specs = st.builds(
    lambda memory, most: EndpointSpec(
        variants=(Variant("primary", "", serverless=Serverless(memory, most)),)
    ),
    st.sampled_from([1024, 2048, 6144]),
    st.integers(1, 200),
)


@st.composite
def revisions(draw: st.DrawFn) -> Revision:
    spec = draw(instance_specs() | serverless_specs)
    scalings: list[Scaling] = []
    for variant in spec.variants:
        if variant.serverless is None and draw(st.booleans()):
            keep = TargetTracking(
                "keep", "SageMakerVariantInvocationsPerInstance", draw(st.integers(10, 900))
            )
            night = (Schedule("night", "cron(0 22 * * ? *)", 1, 2),) if draw(st.booleans()) else ()
            scalings.append(Scaling(variant.name, 1, 8, tracking=(keep,), schedules=night))
    return made(draw(st.sampled_from("abc")), spec, scalings=tuple(scalings))


@st.composite
def aged(draw: st.DrawFn, world: FakeEdge) -> None:
    """Give everything back as AWS may: in another order, less precise, with tags of others, and scaled."""

    def mixed(items: tuple[_Item, ...]) -> tuple[_Item, ...]:
        return tuple(draw(st.permutations(items)))

    def tagged(tags: Pairs) -> Pairs:
        return mixed((*tags, ("cost-centre", "42")))

    cloud = world.cloud
    for name, model in cloud.models.items():
        vpc = model.vpc and Vpc(mixed(model.vpc.security_groups), mixed(model.vpc.subnets))
        cloud.models[name] = replace(model, tags=tagged(model.tags), vpc=vpc)
    for name, config in cloud.configs.items():
        capture = config.capture and replace(config.capture, modes=mixed(config.capture.modes))
        variants = tuple(
            replace(one, weight=_single(one.weight), routing=one.routing or "RANDOM", pools=mixed(one.pools))
            for one in mixed(config.variants)
        )
        cloud.configs[name] = replace(config, tags=tagged(config.tags), capture=capture, variants=variants)
    scaled = {variant for _, variant, _ in world.autoscaling.scalings}
    for name, seen in cloud.endpoints.items():
        statuses = tuple(
            _counted(status, draw(st.integers(1, 8))) if status.name in scaled else status
            for status in mixed(seen.variants)
        )
        cloud.endpoints[name] = replace(seen, tags=tagged(seen.tags), variants=statuses)
    for key, scaling in world.autoscaling.scalings.items():
        is_moved = draw(st.booleans())
        if scaling.schedules and is_moved:
            world.autoscaling.scalings[key] = replace(scaling, minimum=1, maximum=2)


def _single(value: float) -> float:
    return float(struct.unpack("f", struct.pack("f", value))[0])


def _counted(status: VariantStatus, count: int) -> VariantStatus:
    return replace(status, current_count=count, desired_count=count)


@settings(max_examples=WORLDS, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_what_was_deployed_and_left_alone_has_not_drifted(draws: st.DataObject) -> None:
    world, wanted = fake_edge(), draws.draw(revisions())
    deploy(prepared(wanted, world), world.edge(), SilentProgress())
    draws.draw(aged(world))
    assert [str(one) for one in drift("digits", world.edge()).found] == []
    assert prepare(wish(wanted), world.edge()).nothing_to_do
