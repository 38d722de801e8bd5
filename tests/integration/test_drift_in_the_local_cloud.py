"""Drift through the real adapters: what was left alone is not reported, and what was changed by hand is."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from orchestrator.adapters.account import AwsAccount
from orchestrator.adapters.autoscaling import ApplicationAutoscaling
from orchestrator.adapters.cloudwatch import CloudWatch
from orchestrator.adapters.sagemaker import SageMaker
from orchestrator.core import alarms
from orchestrator.core.resources import Variant
from orchestrator.core.revision import Revision, Source, make, tags_of
from orchestrator.core.scaling import Scaling, StepAdjustment, StepPolicy, TargetTracking
from orchestrator.core.target import AlarmSpec, EndpointSpec, JudgeSpec
from orchestrator.usecases.adopt import adopt, prepare_adopt
from orchestrator.usecases.doctor import doctor
from orchestrator.usecases.drift import drift
from orchestrator.usecases.edge import Edge
from tests.support.clouds import (
    BUCKET,
    ROLE,
    STANDIN,
    TestCloud,
    archive,
    await_settled,
    local_cloud,
    publish,
)
from tests.support.edges import made_clients
from tests.support.fakes import FakeClock, FakeEdge, fake_edge
from tests.support.managed import Past, record

WATCHED = Past(alarm_spec=AlarmSpec(error_percent=1.0, latency_ms=250.0), judge=JudgeSpec())
SCALING = Scaling(
    "primary",
    1,
    4,
    tracking=(TargetTracking("keep", "SageMakerVariantInvocationsPerInstance", 600.0),),
    steps=(StepPolicy("more", "ModelLatency", 9.5e6, (StepAdjustment(1, 0.0),)),),
)
SPEC = EndpointSpec(
    variants=(
        Variant("other", "", "ml.m7i.large", 1, 0.7, routing="LEAST_OUTSTANDING_REQUESTS"),
        Variant("primary", "", "ml.m7i.large", 2, 0.3, startup_timeout_seconds=600, volume_gb=30),
    ),
    environment=(("LIMIT", "5"),),
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCloud]:
    with local_cloud(tmp_path_factory.mktemp("cloud"), STANDIN) as cloud:
        yield cloud


def adapters(cloud: TestCloud, world: FakeEdge) -> Edge:
    """Return the edge of ``world`` with the real adapters of all that drift looks at."""
    made = made_clients(cloud.url, FakeClock())
    sagemaker = SageMaker(made)
    return replace(
        world.edge(),
        cloud=sagemaker,
        inventory=sagemaker,
        autoscaling=ApplicationAutoscaling(made),
        alarms=CloudWatch(made),
        account=AwsAccount(made),
    )


def deployed(cloud: TestCloud, world: FakeEdge, edge: Edge, name: str) -> Revision:
    key = f"{name}/model.tar.gz"
    cloud.client("s3").put_object(Bucket=BUCKET, Key=key, Body=archive({"code/predict.py": b"pass"}))
    world.store.objects[f"orchestrator/{name}/artifacts/{'a' * 64}/model.tar.gz"] = b"archive"
    source = Source("a" * 64, f"s3://{BUCKET}/{key}", "registry/pytorch-inference:1", ROLE)
    wanted = make(name, source, SPEC, tags=(("team", "ml"),), golden=None, scalings=(SCALING,))
    edge.cloud.create_model(wanted.model)
    edge.cloud.create_endpoint_config(wanted.config)
    edge.cloud.create_endpoint(name, wanted.name, tags_of(name, wanted.config.tags))
    await_settled(cloud, name)
    edge.autoscaling.put(name, SCALING)
    for alarm in alarms.generate(wanted.config, name, WATCHED.alarm_spec, judge=True):
        edge.alarms.put(alarm)
    record(world, wanted, WATCHED)
    return wanted


def test_what_was_left_alone_has_not_drifted_and_what_was_changed_by_hand_has(running: TestCloud) -> None:
    world = fake_edge("drifting")
    edge = adapters(running, world)
    wanted = deployed(running, world, edge, "drifting")
    assert [str(one) for one in drift("drifting", edge).found] == []
    arn = running.client("sagemaker").describe_endpoint(EndpointName="drifting")["EndpointArn"]
    running.client("sagemaker").add_tags(ResourceArn=arn, Tags=[{"Key": "team", "Value": "ops"}])
    running.client("sagemaker").update_endpoint_weights_and_capacities(
        EndpointName="drifting",
        DesiredWeightsAndCapacities=[{"VariantName": "other", "DesiredWeight": 0.1}],
    )
    weight = "endpoint drifting: variants[other].weight: 0.7 -> 0.1"
    assert weight in {str(one) for one in drift("drifting", edge).found}, "at once, not when it has settled"
    await_settled(running, "drifting")
    edge.autoscaling.put("drifting", replace(SCALING, maximum=9))
    edge.alarms.delete([f"{wanted.name}-judge"])
    edge.cloud.delete_endpoint_config(wanted.name)
    other, primary = wanted.config.variants
    smaller = replace(primary, volume_gb=None)
    edge.cloud.create_endpoint_config(replace(wanted.config, variants=(other, smaller)))
    assert {str(one) for one in drift("drifting", edge).found} == {
        "endpoint drifting: tags[team]: ml -> ops",
        weight,
        "autoscaling: autoscaling[primary].maximum: 4 -> 9",
        f"alarm {wanted.name}-judge: existence: there -> gone",
        f"endpoint config {wanted.name}: variants[primary].volume_gb: 30 -> nothing",
    }


def test_an_endpoint_that_boto3_made_is_adopted_and_has_not_drifted(running: TestCloud) -> None:
    world = fake_edge("legacy")
    publish(running, "legacy", archive({"code/predict.py": b"pass"}))
    running.client("sagemaker").create_endpoint(EndpointName="legacy", EndpointConfigName="legacy")
    await_settled(running, "legacy")
    edge = adapters(running, world)
    adopt(prepare_adopt("legacy", edge), edge)
    assert [str(one) for one in drift("legacy", edge).found] == []
    subjects = {one.subject.split()[0] for one in doctor("legacy", edge)}
    assert subjects <= {"image", "role"}, (
        "of a registry outside AWS, and a role of no trust, nothing is known"
    )
