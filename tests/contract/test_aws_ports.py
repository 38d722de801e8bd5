"""The adapters of AWS on the local cloud: what was asked for is what is observed."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest

from orchestrator.adapters.account import AwsAccount
from orchestrator.adapters.autoscaling import ApplicationAutoscaling
from orchestrator.adapters.aws import Address, Clients, clients
from orchestrator.adapters.cloudwatch import CloudWatch
from orchestrator.adapters.retrying import Pacing
from orchestrator.adapters.sagemaker import SageMaker
from orchestrator.core.alarms import Alarm, Query
from orchestrator.core.clouds import Update
from orchestrator.core.errors import DeniedError
from orchestrator.core.resources import (
    AsyncInference,
    Capture,
    Endpoint,
    EndpointConfig,
    EndpointStatus,
    Model,
    Pairs,
    Variant,
    Vpc,
)
from orchestrator.core.revision import tags_of
from orchestrator.core.scaling import Dimension, Scaling, Schedule, StepAdjustment, StepPolicy, TargetTracking
from orchestrator.localcloud.defaults import ACCESS_KEY, ACCOUNT, REGION, SECRET_KEY
from tests.support.clouds import (
    BUCKET,
    ROLE,
    STANDIN,
    TestCloud,
    archive,
    await_settled,
    local_cloud,
    order_faults,
    publish,
)
from tests.support.edges import made_clients
from tests.support.fakes import FakeClock

ARCHIVE = archive({"code/predict.py": b"pass"})
TRUST: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": {
        "Effect": "Allow",
        "Principal": {"Service": "sagemaker.amazonaws.com"},
        "Action": "sts:AssumeRole",
    },
}
MANIFEST = {
    "schemaVersion": 2,
    "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
    "layers": [],
}
TRACKING = TargetTracking("load", "SageMakerVariantInvocationsPerInstance", 600.0, 300, 60)
STEP = StepPolicy(
    "wake",
    "HasBacklogWithoutCapacity",
    1.0,
    (StepAdjustment(1, lower=0.0, upper=10.0), StepAdjustment(3, lower=10.0)),
    cooldown_seconds=300,
    per_endpoint=True,
)
NIGHT = Schedule("night", "cron(0 22 * * ? *)", minimum=1, maximum=2, timezone="Europe/Berlin")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCloud]:
    with local_cloud(tmp_path_factory.mktemp("cloud"), STANDIN) as cloud:
        yield cloud


@pytest.fixture
def made(running: TestCloud) -> Clients:
    return made_clients(running.url, FakeClock())


def serving(cloud: TestCloud, name: str) -> None:
    """Have an endpoint in service, with one variant ``primary``."""
    publish(cloud, name, ARCHIVE)
    cloud.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=name)
    await_settled(cloud, name)


def tags(endpoint: str) -> Pairs:
    return tags_of(endpoint, (("team", "ml"),))


def test_a_model_and_a_config_with_everything_are_observed_as_they_were_asked_for(
    made: Clients, running: TestCloud
) -> None:
    running.client("s3").put_object(Bucket=BUCKET, Key="full/model.tar.gz", Body=ARCHIVE)
    model = Model(
        "full-0123456789ab",
        "registry/pytorch-inference:1",
        f"s3://{BUCKET}/full/model.tar.gz",
        ROLE,
        environment=(("A", "b"),),
        tags=tags("full"),
        vpc=Vpc(("sg-1",), ("subnet-1", "subnet-2")),
        network_isolation=True,
    )
    variant = Variant(
        "primary",
        model.name,
        "ml.m5.large",
        2,
        volume_gb=100,
        download_timeout_seconds=600,
        startup_timeout_seconds=300,
        provision_timeout_seconds=900,
        ami="al2-ami-sagemaker-inference-gpu-2",
        routing="LEAST_OUTSTANDING_REQUESTS",
    )
    config = EndpointConfig(
        "full-ba9876543210",
        (variant,),
        tags("full"),
        shadows=(replace(variant, name="shadow", weight=0.5),),
        capture=Capture(
            "s3://b/x", 50, kms_key="alias/k", csv_types=("text/csv",), json_types=("application/json",)
        ),
        async_inference=AsyncInference("s3://b/out", "s3://b/err", "alias/k", max_concurrent=4),
        kms_key="alias/disk",
    )
    cloud = SageMaker(made)
    cloud.create_model(model)
    cloud.create_endpoint_config(config)
    state = cloud.observe("full")
    assert state.models == {model}
    assert state.configs == {config}
    assert cloud.model(model.name) == model
    assert cloud.config(config.name, tags=False) == replace(config, tags=())
    assert cloud.model("full-000000000000") is None
    assert cloud.config("full-000000000000") is None


def test_endpoints_are_found_by_a_part_of_their_name_in_whatever_case(
    made: Clients, running: TestCloud
) -> None:
    serving(running, "Findable-one")
    cloud = SageMaker(made)
    assert cloud.endpoint_names("findable") == ("Findable-one",)
    assert "Findable-one" in cloud.endpoint_names("")
    assert cloud.endpoint_names("findable_") == ()


def test_tags_are_put_beside_those_there_are(made: Clients, running: TestCloud) -> None:
    serving(running, "tagged")
    cloud = SageMaker(made)
    cloud.tag_endpoint("tagged", (("a", "1"), ("b", "2")))
    cloud.tag_endpoint("tagged", (("b", "3"),))
    seen = cloud.endpoint("tagged")
    assert seen is not None
    assert seen.tags == (("a", "1"), ("b", "3"))
    assert not seen.owned


def test_a_variant_that_nothing_scales_is_known_in_one_call(made: Clients, running: TestCloud) -> None:
    serving(running, "fixed")
    sent: list[str] = []
    made("application-autoscaling").meta.events.register("before-send", lambda **_: sent.append("call"))
    assert ApplicationAutoscaling(made).observe("fixed", ["primary"]) == frozenset()
    assert sent == ["call"]


def test_autoscaling_is_observed_as_it_was_put_and_is_replaced_as_a_whole(
    made: Clients, running: TestCloud
) -> None:
    serving(running, "scaled")
    autoscaling, alarms = ApplicationAutoscaling(made), CloudWatch(made)
    backlog = TargetTracking("backlog", "ApproximateBacklogSizePerInstance", 5.0, scale_in=False)
    wanted = Scaling("primary", 1, 4, tracking=(backlog, TRACKING), steps=(STEP,), schedules=(NIGHT,))
    for _ in range(2):
        autoscaling.put("scaled", wanted)
        assert autoscaling.observe("scaled", ["primary"]) == {wanted}
    (alarm,) = alarms.find(["scaled-primary-wake"])
    assert (alarm.metric, alarm.dimensions) == ("HasBacklogWithoutCapacity", (("EndpointName", "scaled"),))
    less = Scaling("primary", 2, 3, tracking=(replace(TRACKING, target=700.0),))
    autoscaling.put("scaled", less)
    assert autoscaling.observe("scaled", ["primary"]) == {less}
    assert alarms.begin_with("scaled-") == frozenset()


def test_scale_in_is_suspended_until_the_next_put_and_the_bounds_stay(
    made: Clients, running: TestCloud
) -> None:
    serving(running, "suspended")
    autoscaling, wanted = ApplicationAutoscaling(made), Scaling("primary", 1, 4, tracking=(TRACKING,))
    autoscaling.put("suspended", wanted)
    for _ in range(2):
        autoscaling.suspend("suspended", replace(wanted, minimum=2, maximum=9))
        assert autoscaling.observe("suspended", ["primary"]) == {replace(wanted, scale_in_suspended=True)}
    autoscaling.put("suspended", wanted)
    assert autoscaling.observe("suspended", ["primary"]) == {wanted}


@pytest.mark.parametrize("call", ["disable_alarm_actions", "put_metric_alarm"])
def test_a_step_policy_whose_alarm_sets_nothing_off_is_not_what_was_put(
    made: Clients, running: TestCloud, call: str
) -> None:
    name = f"mute-{call.partition('_')[0]}"
    serving(running, name)
    autoscaling, wanted = ApplicationAutoscaling(made), Scaling("primary", 1, 4, steps=(STEP,))
    autoscaling.put(name, wanted)
    alarm = f"{name}-primary-wake"
    if call == "disable_alarm_actions":
        running.client("cloudwatch").disable_alarm_actions(AlarmNames=[alarm])
    else:
        CloudWatch(made).put(CloudWatch(made).find([alarm])[0])
    (seen,) = autoscaling.observe(name, ["primary"])
    assert [(step.name, step.metric) for step in seen.steps] == [("wake", "")]
    autoscaling.put(name, wanted)
    assert autoscaling.observe(name, ["primary"]) == {wanted}


def test_lists_are_read_in_pages_as_long_as_they_may_be(made: Clients) -> None:
    sent: list[object] = []

    def note(*, request: AWSPreparedRequest, **_: object) -> None:
        if b"List" in request.headers["X-Amz-Target"]:
            sent.append(json.loads(request.body or b"{}"))

    made("sagemaker").meta.events.register("before-send.sagemaker", note)
    SageMaker(made).observe("paged")
    SageMaker(made).endpoint_names("paged")
    assert sent == [
        {"NameContains": "paged-", "MaxResults": 100},
        {"NameContains": "paged-", "MaxResults": 100},
        {"NameContains": "paged", "MaxResults": 100},
    ]


def test_autoscaling_is_removed_with_its_alarms_and_removing_again_succeeds(
    made: Clients, running: TestCloud
) -> None:
    serving(running, "unscaled")
    autoscaling = ApplicationAutoscaling(made)
    autoscaling.put("unscaled", Scaling("primary", 1, 4, steps=(STEP,), schedules=(NIGHT,)))
    for _ in range(2):
        autoscaling.remove("unscaled", "primary", Dimension.INSTANCES)
        assert autoscaling.observe("unscaled", ["primary"]) == frozenset()
        assert CloudWatch(made).begin_with("unscaled-") == frozenset()


def test_a_policy_that_somebody_else_made_is_seen_and_equals_none_of_ours(
    made: Clients, running: TestCloud
) -> None:
    serving(running, "strange")
    autoscaling, plain = ApplicationAutoscaling(made), Scaling("primary", 1, 4)
    autoscaling.put("strange", plain)
    running.client("application-autoscaling").put_scaling_policy(
        ServiceNamespace="sagemaker",
        ResourceId="endpoint/strange/variant/primary",
        ScalableDimension=str(Dimension.INSTANCES),
        PolicyName="foreign",
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration={
            "AdjustmentType": "ExactCapacity",
            "StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 3}],
        },
    )
    (seen,) = autoscaling.observe("strange", ["primary"])
    assert [(step.name, step.metric, step.adjustments) for step in seen.steps] == [("foreign", "", ())]
    autoscaling.put("strange", plain)
    assert autoscaling.observe("strange", ["primary"]) == {plain}


ALARM = Alarm(
    "errors",
    "Invocation5XXErrors",
    (("EndpointConfigName", "c"), ("EndpointName", "e"), ("VariantName", "v")),
    threshold=0.05,
    evaluation_periods=2,
    datapoints=1,
    missing="notBreaching",
)


def test_alarms_are_found_as_they_were_put_in_the_order_that_was_asked_for(made: Clients) -> None:
    alarms = CloudWatch(made)
    second = replace(ALARM, name="errors-p95", statistic="p95", metric="ModelLatency")
    for alarm in (ALARM, second, second):
        alarms.put(alarm)
    found = alarms.find(["errors-p95", "no such alarm", "errors", "errors"])
    states = {alarm.state for alarm in found}
    assert states <= {"OK", "INSUFFICIENT_DATA"}
    assert [replace(alarm, state=ALARM.state) for alarm in found] == [second, ALARM]
    assert alarms.begin_with("errors") == {"errors", "errors-p95"}
    alarms.delete(["errors", "no such alarm"])
    alarms.delete(["errors", "errors-p95"])
    assert alarms.begin_with("errors") == frozenset()
    assert alarms.find([]) == ()


def test_an_alarm_that_is_tripped_is_in_alarm(made: Clients) -> None:
    alarms = CloudWatch(made)
    alarms.put(replace(ALARM, name="judge"))
    alarms.trip("judge", "the new fleet is slower " * 100)
    assert [alarm.state for alarm in alarms.find(["judge"])] == ["ALARM"]


def test_an_alarm_on_several_metrics_is_not_a_simple_one(made: Clients, running: TestCloud) -> None:
    metric = {"Namespace": "AWS/SageMaker", "MetricName": "Invocations"}
    running.client("cloudwatch").put_metric_alarm(
        AlarmName="math",
        EvaluationPeriods=1,
        ComparisonOperator="GreaterThanThreshold",
        Threshold=1,
        Metrics=[
            {"Id": "a", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}, "ReturnData": False},
            {"Id": "b", "Expression": "a * 2"},
        ],
    )
    (found,) = CloudWatch(made).find(["math"])
    assert found == Alarm("math", state=found.state, simple=False)


def test_a_metrics_values_come_oldest_first(made: Clients, running: TestCloud) -> None:
    start = int(time.time()) // 60 * 60 - 600  # CloudWatch takes nothing older than two weeks
    for minute, value in enumerate([3.0, 1.0, 2.0]):
        running.client("cloudwatch").put_metric_data(
            Namespace="Tests",
            MetricData=[
                {
                    "MetricName": "Latency",
                    "Dimensions": [{"Name": "EndpointName", "Value": "e"}],
                    "Timestamp": start + 60 * minute,
                    "Value": value,
                }
            ],
        )
    query = Query("Latency", (("EndpointName", "e"),), "Average", start, start + 180, namespace="Tests")
    assert CloudWatch(made).values(query) == (3.0, 1.0, 2.0)
    assert CloudWatch(made).values(replace(query, metric="Nothing")) == ()


def role(cloud: TestCloud, name: str, trust: object) -> str:
    made = cloud.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
    return str(made["Role"]["Arn"])


def test_a_role_that_sagemaker_may_assume_has_no_problem_and_others_do(
    made: Clients, running: TestCloud
) -> None:
    account = AwsAccount(made)
    assert account.identity().startswith(f"arn:aws:sts::{ACCOUNT}:")
    assert account.role_problem(role(running, "trusted", TRUST)) == ""
    for_lambda = json.loads(json.dumps(TRUST).replace("sagemaker", "lambda"))
    assert "does not let sagemaker.amazonaws.com assume it" in account.role_problem(
        role(running, "lambda", for_lambda)
    )
    generous = {**TRUST, "Statement": {**TRUST["Statement"], "Action": ["STS:Assume*"]}}
    assert account.role_problem(role(running, "generous", generous)) == ""
    denied = {**TRUST["Statement"], "Effect": "Deny"}
    wary = {**denied, "Condition": {"StringNotEquals": {"aws:SourceAccount": ACCOUNT}}}
    both = {**TRUST, "Statement": [TRUST["Statement"], wary]}
    assert account.role_problem(role(running, "wary", both)) == ""
    closed = {**TRUST, "Statement": [TRUST["Statement"], denied]}
    assert "does not let" in account.role_problem(role(running, "closed", closed))
    assert "does not exist" in account.role_problem(f"arn:aws:iam::{ACCOUNT}:role/nobody")
    assert "does not exist" in account.role_problem("arn:aws:iam::222222222222:role/trusted")


def test_an_image_that_is_in_its_repository_has_no_problem_and_others_do(
    made: Clients, running: TestCloud
) -> None:
    ecr = running.client("ecr")
    ecr.create_repository(repositoryName="team/serving")
    pushed = ecr.put_image(repositoryName="team/serving", imageManifest=json.dumps(MANIFEST), imageTag="1")[
        "image"
    ]["imageId"]
    registry, account = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com", AwsAccount(made)
    assert account.image_problem(f"{registry}/team/serving:1") == ""
    assert account.image_problem(f"{registry}/team/serving@{pushed['imageDigest']}") == ""
    assert "does not exist" in account.image_problem(f"{registry}/team/serving:2")
    assert "does not exist" in account.image_problem(f"{registry}/team/serving@sha256:{'0' * 64}")
    assert "repository 'absent' does not exist" in account.image_problem(f"{registry}/absent:1")


@pytest.mark.parametrize(
    "image", ["registry/pytorch-inference:1", f"{ACCOUNT}.dkr.ecr.us-east-2.amazonaws.com/x:1"]
)
def test_an_image_that_is_elsewhere_cannot_be_looked_at(made: Clients, image: str) -> None:
    with pytest.raises(DeniedError):
        AwsAccount(made).image_problem(image)


def test_a_quota_is_read_by_its_name_and_one_that_aws_does_not_tell_is_unknown(
    made: Clients, running: TestCloud
) -> None:
    listed = running.client("service-quotas").list_service_quotas(ServiceCode="sagemaker")["Quotas"]
    told = {quota["QuotaName"]: quota["Value"] for quota in listed}
    kind = next(iter(told)).removesuffix(" for endpoint usage")
    account = AwsAccount(made)
    assert account.instance_quota(kind) == told[f"{kind} for endpoint usage"]
    assert account.instance_quota("ml.none.large") is None


def test_a_role_is_assumed_under_the_name_of_the_session(running: TestCloud) -> None:
    arn = role(running, "deployer", TRUST)
    address = Address(
        REGION,
        endpoint_url=running.url,
        credentials=(ACCESS_KEY, SECRET_KEY),
        assume_role=arn,
        session_name="ada@laptop",
    )
    as_role = clients(address, Pacing(FakeClock()))
    assert AwsAccount(as_role).identity().endswith(":assumed-role/deployer/ada@laptop")


@pytest.mark.parametrize("path", ["/", "/team/release/"])
def test_who_is_in_the_role_already_does_not_take_it_on_again(running: TestCloud, path: str) -> None:
    name = f"pipeline{path.count('/')}"
    arn = running.client("iam").create_role(
        RoleName=name, Path=path, AssumeRolePolicyDocument=json.dumps(TRUST)
    )["Role"]["Arn"]
    keys = running.client("sts").assume_role(RoleArn=arn, RoleSessionName="job-7")["Credentials"]
    address = Address(
        REGION,
        endpoint_url=running.url,
        credentials=(keys["AccessKeyId"], keys["SecretAccessKey"]),
        assume_role=arn,
        session_name="ada@laptop",
    )
    login = AwsAccount(clients(address, Pacing(FakeClock())))
    assert login.identity().endswith(f":assumed-role/{name}/job-7")
    another = role(running, f"{name}-2", TRUST)
    login = AwsAccount(clients(replace(address, assume_role=another), Pacing(FakeClock())))
    assert login.identity().endswith(f":assumed-role/{name}-2/ada@laptop")


@contextmanager
def bad_weather(cloud: TestCloud, kind: str) -> Iterator[None]:
    """Have three calls in ten go wrong."""
    wish = {"operation": "*", "kind": kind, "times": 10_000, "share": 0.3, "seed": 7}
    order_faults(cloud, "POST", wish)
    try:
        yield
    finally:
        order_faults(cloud, "DELETE")


@pytest.mark.parametrize("kind", ["throttle", "lose-answer", "reset"])
def test_every_change_succeeds_though_three_calls_in_ten_go_wrong(
    made: Clients, running: TestCloud, kind: str
) -> None:
    name = f"unlucky-{kind}"
    running.client("s3").put_object(Bucket=BUCKET, Key=f"{name}/model.tar.gz", Body=ARCHIVE)
    model = Model(
        f"{name}-0123456789ab",
        "registry/pytorch-inference:1",
        f"s3://{BUCKET}/{name}/model.tar.gz",
        ROLE,
        tags=tags(name),
    )
    first = EndpointConfig(
        f"{name}-000000000001", (Variant("primary", model.name, "ml.m5.large", 1),), tags(name)
    )
    second = replace(first, name=f"{name}-000000000002")
    cloud = SageMaker(made, FakeClock())
    with bad_weather(running, kind):
        cloud.create_model(model)
        for config in (first, second):
            cloud.create_endpoint_config(config)
        cloud.create_endpoint(name, first.name, tags(name))
        settle(cloud, name)
        cloud.update_endpoint(Update(name, second.name))
        seen = settle(cloud, name)
        assert (seen.config, seen.status, seen.owned) == (second.name, EndpointStatus.IN_SERVICE, True)
        assert cloud.observe(name).configs == {first, second}
        cloud.delete_endpoint_config(first.name)
        assert cloud.observe(name).configs == {second}


def settle(cloud: SageMaker, name: str) -> Endpoint:
    pause = threading.Event()
    for _ in range(400):
        seen = cloud.endpoint(name)
        if seen is not None and seen.status.settled:
            return seen
        pause.wait(0.05)
    raise AssertionError(f"{name} does not settle")
