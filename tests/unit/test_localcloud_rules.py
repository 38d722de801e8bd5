"""The rules of models, endpoint configs and endpoints, with a clock that is a number."""

from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from orchestrator.core.shapes import problems
from orchestrator.localcloud.control.operations import is_ours, perform
from orchestrator.localcloud.rules import endpoints
from orchestrator.localcloud.rules.rollouts import timeline
from orchestrator.localcloud.world import Content, Stage
from tests.support.accounts import ARN, RuledAccount


def sourced(kind: str, compression: str, uri: str = "s3://bucket/model/", **more: str) -> dict[str, object]:
    """Return a container whose model is named as a source."""
    source = {"S3Uri": uri, "S3DataType": kind, "CompressionType": compression, **more}
    return {"Image": "image:1", "ModelDataSource": {"S3DataSource": source}}


CONTAINER = {"Image": "image:1", "ModelDataUrl": "s3://bucket/model.tar.gz"}
MANY = {**CONTAINER, "Mode": "MultiModel", "ModelDataUrl": "s3://bucket/many/"}
VARIANT = {
    "VariantName": "primary",
    "ModelName": "m",
    "InstanceType": "ml.m7i.large",
    "InitialInstanceCount": 2,
}


class Account(RuledAccount):
    """An account whose endpoints come up, or do not, when the test says so."""

    def arrive(self, name: str = "e") -> None:
        self.now += 1
        self.world = endpoints.arrived(self.world, name, self.now)

    def fail(self, name: str = "e") -> None:
        self.now += 1
        self.world = endpoints.failed(self.world, name, "it did not come up", self.now)

    def described(self, name: str = "e") -> Content:
        return self.call("DescribeEndpoint", EndpointName=name)


@pytest.fixture
def account() -> Account:
    """An account with a model ``m`` and the endpoint configs ``c`` and ``d`` of it."""
    made = Account()
    made.call("CreateModel", ModelName="m", PrimaryContainer=CONTAINER)
    for name in ("c", "d"):
        made.call("CreateEndpointConfig", EndpointConfigName=name, ProductionVariants=[VARIANT])
    return made


@pytest.fixture
def serving(account: Account) -> Account:
    """The same with an endpoint ``e`` that is InService on ``c``."""
    account.call("CreateEndpoint", EndpointName="e", EndpointConfigName="c")
    account.arrive()
    return account


def test_an_endpoint_is_creating_until_it_arrives(account: Account) -> None:
    answer = account.call("CreateEndpoint", EndpointName="e", EndpointConfigName="c")
    assert answer == {"EndpointArn": f"{ARN}:endpoint/e"}
    creating = account.described()
    assert creating["EndpointStatus"] == "Creating"
    assert creating["PendingDeploymentSummary"]["EndpointConfigName"] == "c"
    assert "ProductionVariants" not in creating
    account.arrive()
    arrived = account.described()
    assert arrived["EndpointStatus"] == "InService"
    assert arrived["LastModifiedTime"] > creating["LastModifiedTime"]
    assert "PendingDeploymentSummary" not in arrived
    assert "FailureReason" not in arrived


def test_a_variant_that_serves_has_what_was_asked_for(serving: Account) -> None:
    (variant,) = serving.described()["ProductionVariants"]
    (image,) = variant.pop("DeployedImages")
    assert image["SpecifiedImage"] == "image:1"
    assert variant == {
        "VariantName": "primary",
        "CurrentWeight": 1.0,
        "DesiredWeight": 1.0,
        "CurrentInstanceCount": 2,
        "DesiredInstanceCount": 2,
    }


def test_an_updating_endpoint_shows_the_config_it_serves_and_the_other_as_pending(serving: Account) -> None:
    before = serving.described()
    serving.call("UpdateEndpoint", EndpointName="e", EndpointConfigName="d")
    updating = serving.described()
    assert updating["EndpointStatus"] == "Updating"
    assert updating["EndpointConfigName"] == "c"
    assert updating["PendingDeploymentSummary"]["EndpointConfigName"] == "d"
    assert updating["LastModifiedTime"] > before["LastModifiedTime"]
    serving.arrive()
    assert serving.described()["EndpointConfigName"] == "d"


def test_a_failed_update_returns_in_silence(serving: Account) -> None:
    serving.call("UpdateEndpoint", EndpointName="e", EndpointConfigName="d")
    updating = serving.described()
    serving.fail()
    after = serving.described()
    assert (after["EndpointStatus"], after["EndpointConfigName"]) == ("InService", "c")
    assert after["LastModifiedTime"] > updating["LastModifiedTime"]
    assert "FailureReason" not in after
    assert "PendingDeploymentSummary" not in after


def test_the_moment_of_the_last_change_advances_even_if_the_clock_does_not(serving: Account) -> None:
    before = serving.described()["LastModifiedTime"]
    request = {"EndpointName": "e", "EndpointConfigName": "d"}
    after = perform(serving.world, "UpdateEndpoint", request, 0.0).world
    assert after.endpoints["e"].modified > before


def test_a_failed_creation_says_why_and_can_only_be_deleted(account: Account) -> None:
    account.call("CreateEndpoint", EndpointName="e", EndpointConfigName="c")
    account.fail()
    described = account.described()
    assert (described["EndpointStatus"], described["FailureReason"]) == ("Failed", "it did not come up")
    error = account.refusal("UpdateEndpoint", EndpointName="e", EndpointConfigName="d")
    assert "DeleteEndpoint is the only operation" in error.message
    account.call("DeleteEndpoint", EndpointName="e")
    assert account.described()["EndpointStatus"] == "Deleting"
    account.world = endpoints.gone(account.world, "e")
    assert account.refusal("DescribeEndpoint", EndpointName="e").code == "ValidationException"


@pytest.mark.parametrize(
    ("operation", "request_", "kind"),
    [
        ("CreateModel", {"ModelName": "m", "PrimaryContainer": CONTAINER}, 'model "{}:model/m"'),
        (
            "CreateEndpointConfig",
            {"EndpointConfigName": "c", "ProductionVariants": [VARIANT]},
            'endpoint configuration "{}:endpoint-config/c"',
        ),
        ("CreateEndpoint", {"EndpointName": "e", "EndpointConfigName": "c"}, 'endpoint "{}:endpoint/e"'),
        ("CreateEndpoint", {"EndpointName": "E", "EndpointConfigName": "c"}, 'endpoint "{}:endpoint/e"'),
    ],
)
def test_a_name_is_taken_once(
    serving: Account, operation: str, request_: dict[str, object], kind: str
) -> None:
    error = serving.refusal(operation, **request_)
    assert error.message == f"Cannot create already existing {kind.format(ARN)}."
    assert error.code == "ValidationException"


@pytest.mark.parametrize(
    ("operation", "request_", "missing"),
    [
        ("DescribeModel", {"ModelName": "x"}, 'model "{}:model/x"'),
        ("DeleteModel", {"ModelName": "x"}, 'model "{}:model/x"'),
        (
            "CreateEndpointConfig",
            {"EndpointConfigName": "y", "ProductionVariants": [{**VARIANT, "ModelName": "x"}]},
            'model "{}:model/x"',
        ),
        (
            "DeleteEndpointConfig",
            {"EndpointConfigName": "x"},
            'endpoint configuration "{}:endpoint-config/x"',
        ),
        (
            "CreateEndpoint",
            {"EndpointName": "n", "EndpointConfigName": "x"},
            'endpoint configuration "{}:endpoint-config/x"',
        ),
        (
            "UpdateEndpoint",
            {"EndpointName": "e", "EndpointConfigName": "x"},
            'endpoint configuration "{}:endpoint-config/x"',
        ),
        ("UpdateEndpoint", {"EndpointName": "x", "EndpointConfigName": "c"}, 'endpoint "{}:endpoint/x"'),
        ("DescribeEndpoint", {"EndpointName": "E"}, 'endpoint "{}:endpoint/E"'),
        ("ListTags", {"ResourceArn": f"{ARN}:endpoint/x"}, 'endpoint "{}:endpoint/x"'),
    ],
)
def test_what_is_missing_is_named_by_its_arn(
    serving: Account, operation: str, request_: dict[str, object], missing: str
) -> None:
    assert serving.refusal(operation, **request_).message == f"Could not find {missing.format(ARN)}."


def test_a_moving_endpoint_is_left_alone(serving: Account) -> None:
    serving.call("UpdateEndpoint", EndpointName="e", EndpointConfigName="d")
    text = f'Cannot update in-progress endpoint "{ARN}:endpoint/e".'
    again = serving.refusal("UpdateEndpoint", EndpointName="e", EndpointConfigName="d")
    assert again.message == text
    assert serving.refusal("DeleteEndpoint", EndpointName="e").message == text
    serving.arrive()
    serving.call("DeleteEndpoint", EndpointName="e")
    assert serving.refusal("DeleteEndpoint", EndpointName="e").message == text


def test_an_update_needs_the_config_that_serves_now(serving: Account) -> None:
    serving.call("DeleteEndpointConfig", EndpointConfigName="c")
    error = serving.refusal("UpdateEndpoint", EndpointName="e", EndpointConfigName="d")
    assert error.message == f'Could not find endpoint configuration "{ARN}:endpoint-config/c".'


def test_models_and_configs_in_use_may_be_deleted_as_on_aws(serving: Account) -> None:
    serving.call("DeleteEndpointConfig", EndpointConfigName="c")
    serving.call("DeleteModel", ModelName="m")
    assert serving.described()["EndpointStatus"] == "InService"


def test_an_update_that_moves_traffic_as_asked_keeps_the_names_of_the_variants(serving: Account) -> None:
    other = [{**VARIANT, "VariantName": "other"}]
    serving.call("CreateEndpointConfig", EndpointConfigName="o", ProductionVariants=other)
    routing = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
    at_once = {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}}
    asked = {"EndpointName": "e", "EndpointConfigName": "o"}
    assert "variant names" in serving.refusal("UpdateEndpoint", **asked, DeploymentConfig=at_once).message
    serving.call("UpdateEndpoint", **asked)
    assert serving.described()["EndpointStatus"] == "Updating"


def test_two_variants_of_one_name_are_refused(account: Account) -> None:
    error = account.refusal(
        "CreateEndpointConfig", EndpointConfigName="t", ProductionVariants=[VARIANT, VARIANT]
    )
    assert '"primary"' in error.message


def test_retained_properties_come_from_the_endpoint(serving: Account) -> None:
    bigger = [{**VARIANT, "InitialInstanceCount": 9, "InitialVariantWeight": 0.5}]
    serving.call("CreateEndpointConfig", EndpointConfigName="b", ProductionVariants=bigger)
    serving.call(
        "UpdateEndpoint",
        EndpointName="e",
        EndpointConfigName="b",
        RetainAllVariantProperties=True,
        ExcludeRetainedVariantProperties=[{"VariantPropertyType": "DesiredWeight"}],
    )
    serving.arrive()
    (variant,) = serving.described()["ProductionVariants"]
    assert (variant["DesiredInstanceCount"], variant["DesiredWeight"]) == (2, 0.5)


def routing(kind: str, **policy: object) -> dict[str, object]:
    size = {"CANARY": "CanarySize", "LINEAR": "LinearStepSize"}.get(kind)
    traffic: dict[str, object] = {"Type": kind, "WaitIntervalInSeconds": 3}
    if size:
        traffic[size] = {"Type": "CAPACITY_PERCENT", "Value": 10}
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": traffic, **policy}}


def test_a_policy_is_shown_once_it_has_arrived_and_can_be_retained(serving: Account) -> None:
    policy = routing("CANARY", TerminationWaitInSeconds=4)
    serving.call("UpdateEndpoint", EndpointName="e", EndpointConfigName="d", DeploymentConfig=policy)
    assert "LastDeploymentConfig" not in serving.described()
    serving.arrive()
    assert serving.described()["LastDeploymentConfig"] == policy
    serving.call("UpdateEndpoint", EndpointName="e", EndpointConfigName="c", RetainDeploymentConfig=True)
    serving.arrive()
    assert serving.described()["LastDeploymentConfig"] == policy


PERCENT = {"Type": "CAPACITY_PERCENT", "Value": 50}
ROUTING = {"Type": "LINEAR", "WaitIntervalInSeconds": 5, "LinearStepSize": PERCENT}
ROLLING = {"MaximumBatchSize": PERCENT, "WaitIntervalInSeconds": 5}


@pytest.mark.parametrize(
    "policy",
    [
        {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": ROUTING, "TerminationWaitInSeconds": 7}},
        {"RollingUpdatePolicy": ROLLING},
    ],
)
def test_every_moment_of_a_rollout_is_shown_as_the_service_model_has_it(
    serving: Account, policy: dict[str, Any]
) -> None:
    model = Loader().load_service_model("sagemaker", "service-2")
    serving.call("UpdateEndpoint", EndpointName="e", EndpointConfigName="d", DeploymentConfig=policy)
    pending = serving.world.endpoints["e"].pending
    assert pending is not None
    portions = []
    for phase in timeline(policy, pending.variants):
        serving.now += 1
        serving.world = endpoints.staged(serving.world, "e", phase.stages, serving.now)
        described = serving.described()
        assert list(problems(model, "DescribeEndpointOutput", described)) == []
        (variant,) = described["PendingDeploymentSummary"]["ProductionVariants"]
        (status,) = variant["VariantStatus"]
        assert status["StartTime"] == serving.now - 1
        portions.append(variant["CurrentWeight"])
    assert portions == sorted(portions)
    assert {0.0, 0.5, 1.0} == set(portions)


CAPTURE = {
    "EnableCapture": True,
    "InitialSamplingPercentage": 100,
    "DestinationS3Uri": "s3://b/p",
    "CaptureOptions": [{"CaptureMode": "Input"}],
}
ASYNC = {"OutputConfig": {"S3OutputPath": "s3://b/answers"}}
EXPLAINER: dict[str, object] = {"ClarifyExplainerConfig": {"ShapConfig": {"ShapBaselineConfig": {}}}}


@pytest.mark.parametrize(
    ("config", "variant", "named"),
    [
        ({"ExplainerConfig": EXPLAINER}, VARIANT, "ExplainerConfig"),
        ({"DataCaptureConfig": CAPTURE, "AsyncInferenceConfig": ASYNC}, VARIANT, "DataCaptureConfig"),
        ({}, {**VARIANT, "AcceleratorType": "ml.eia2.medium"}, "AcceleratorType"),
    ],
)
def test_a_config_we_cannot_serve_is_kept_but_not_deployed(
    account: Account, config: dict[str, object], variant: dict[str, object], named: str
) -> None:
    content = {"EndpointConfigName": "u", "ProductionVariants": [variant], **config}
    account.call("CreateEndpointConfig", **content)
    assert account.call("DescribeEndpointConfig", EndpointConfigName="u").items() >= content.items()
    error = account.refusal("CreateEndpoint", EndpointName="e", EndpointConfigName="u")
    assert error.code == "UnsupportedOperation"
    assert named in error.message


@pytest.mark.parametrize(
    ("container", "words"),
    [
        ({**sourced("S3Prefix", "None"), "ModelDataUrl": "s3://b/model.tar.gz"}, "cannot both be specified"),
        (sourced("S3Prefix", "None", uri="s3://bucket/model"), "must end with a forward slash"),
        (sourced("S3Object", "Gzip"), "must not end with a forward slash"),
    ],
)
def test_a_model_that_says_wrongly_where_it_lies_is_refused(
    account: Account, container: dict[str, object], words: str
) -> None:
    assert words in account.refusal("CreateModel", ModelName="odd", PrimaryContainer=container).message


def test_a_model_may_be_files_below_a_prefix_or_an_archive_by_its_source(account: Account) -> None:
    archive = sourced("S3Object", "Gzip", uri="s3://bucket/model.tar.gz")
    for name, container in (("files", sourced("S3Prefix", "None")), ("archive", archive)):
        account.call("CreateModel", ModelName=name, PrimaryContainer=container)
        variants = [{**VARIANT, "ModelName": name}]
        account.call("CreateEndpointConfig", EndpointConfigName=name, ProductionVariants=variants)
        account.call("CreateEndpoint", EndpointName=name, EndpointConfigName=name)
        assert account.call("DescribeModel", ModelName=name)["PrimaryContainer"] == container


@pytest.mark.parametrize(
    ("model", "named"),
    [
        ({"Containers": [CONTAINER, MANY]}, "multi-model containers among others"),
        ({"PrimaryContainer": {**CONTAINER, "Mode": "MultiModel"}}, "multi-model"),
        ({"PrimaryContainer": sourced("S3Prefix", "Gzip")}, "plain ModelDataSource"),
        ({"PrimaryContainer": sourced("S3Object", "None", uri="s3://b/m")}, "plain ModelDataSource"),
        ({"PrimaryContainer": sourced("S3Prefix", "None", ETag="e")}, "plain ModelDataSource"),
    ],
)
def test_a_model_we_cannot_serve_is_kept_but_not_deployed(
    account: Account, model: dict[str, object], named: str
) -> None:
    account.call("CreateModel", ModelName="odd", **model)
    variants = [{**VARIANT, "ModelName": "odd"}]
    account.call("CreateEndpointConfig", EndpointConfigName="u", ProductionVariants=variants)
    assert named in account.refusal("CreateEndpoint", EndpointName="e", EndpointConfigName="u").message


def test_a_model_may_have_no_data_but_its_image(account: Account) -> None:
    account.call("CreateModel", ModelName="image", PrimaryContainer={"Image": "i"})
    variants = [{**VARIANT, "ModelName": "image"}]
    account.call("CreateEndpointConfig", EndpointConfigName="i", ProductionVariants=variants)
    account.call("CreateEndpoint", EndpointName="i", EndpointConfigName="i")
    assert account.call("DescribeEndpoint", EndpointName="i")["EndpointStatus"] == "Creating"


def test_a_model_needs_exactly_one_way_to_say_what_it_runs_in(account: Account) -> None:
    assert "Exactly one" in account.refusal("CreateModel", ModelName="none").message
    both = {"PrimaryContainer": CONTAINER, "Containers": [CONTAINER]}
    assert "Exactly one" in account.refusal("CreateModel", ModelName="both", **both).message


def test_tags_are_kept_by_key_and_die_with_their_resource(account: Account) -> None:
    tags = [{"Key": "team", "Value": "ml"}]
    account.call("CreateModel", ModelName="t", PrimaryContainer=CONTAINER, Tags=tags)
    arn = f"{ARN}:model/t"
    assert "Tags" not in account.call("DescribeModel", ModelName="t")
    account.call("AddTags", ResourceArn=arn, Tags=[{"Key": "team", "Value": "x"}, {"Key": "b", "Value": ""}])
    listed = account.call("ListTags", ResourceArn=arn)["Tags"]
    assert listed == [{"Key": "team", "Value": "x"}, {"Key": "b", "Value": ""}]
    account.call("DeleteTags", ResourceArn=arn, TagKeys=["b", "absent"])
    assert account.call("ListTags", ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "x"}]
    account.call("DeleteModel", ModelName="t")
    account.call("CreateModel", ModelName="t", PrimaryContainer=CONTAINER)
    assert account.call("ListTags", ResourceArn=arn)["Tags"] == []
    twice = [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]
    assert "Duplicate" in account.refusal("AddTags", ResourceArn=arn, Tags=twice).message


def test_tags_of_other_resources_are_not_ours() -> None:
    assert is_ours("ListTags", {"ResourceArn": f"{ARN}:endpoint-config/c"})
    assert is_ours("ListTags", {"ResourceArn": f"{ARN}:model-package/g/1"})
    assert not is_ours("ListTags", {"ResourceArn": f"{ARN}:training-job/g"})
    assert is_ours("ListTags", {})
    assert not is_ours("CreateTrainingJob", {})


def test_every_member_of_create_comes_back_from_describe(account: Account) -> None:
    model = {
        "ModelName": "whole",
        "Containers": [{**CONTAINER, "Environment": {"A": "1", "B": ""}, "ContainerHostname": "first"}],
        "InferenceExecutionConfig": {"Mode": "Serial"},
        "ExecutionRoleArn": "arn:aws:iam::123456789012:role/r",
        "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
        "EnableNetworkIsolation": True,
    }
    account.call("CreateModel", **model)
    described = dict(account.call("DescribeModel", ModelName="whole"))
    assert described.pop("ModelArn") == f"{ARN}:model/whole"
    assert described.pop("CreationTime") > 1000.0
    assert described == model
    dark = {**VARIANT, "InitialVariantWeight": 0.0, "VolumeSizeInGB": 5, "EnableSSMAccess": False}
    config = {
        "EndpointConfigName": "whole",
        "ProductionVariants": [{**dark, "RoutingConfig": {"RoutingStrategy": "RANDOM"}}],
        "KmsKeyId": "alias/k",
        "ExecutionRoleArn": "arn:aws:iam::123456789012:role/r",
        "EnableNetworkIsolation": False,
        "DataCaptureConfig": {**CAPTURE, "EnableCapture": False},
    }
    account.call("CreateEndpointConfig", **config)
    assert account.call("DescribeEndpointConfig", EndpointConfigName="whole").items() >= config.items()


@pytest.mark.parametrize("resource", ["Model", "EndpointConfig"])
def test_describe_has_a_member_for_all_that_create_takes(resource: str) -> None:
    sagemaker = ServiceModel(Loader().load_service_model("sagemaker", "service-2"), "sagemaker")
    made = set(sagemaker.operation_model(f"Create{resource}").input_shape.members) - {"Tags"}
    assert made <= set(sagemaker.operation_model(f"Describe{resource}").output_shape.members)


def config(account: Account, name: str, *variants: dict[str, object], **members: object) -> None:
    account.call(
        "CreateEndpointConfig", EndpointConfigName=name, ProductionVariants=list(variants), **members
    )


def reshape(account: Account, *changes: dict[str, object]) -> None:
    account.call(
        "UpdateEndpointWeightsAndCapacities", EndpointName="e", DesiredWeightsAndCapacities=list(changes)
    )


@pytest.fixture
def pair(account: Account) -> Account:
    """An endpoint ``e`` that is InService with the variants ``a`` and ``b``."""
    config(account, "pair", {**VARIANT, "VariantName": "a"}, {**VARIANT, "VariantName": "b"})
    account.call("CreateEndpoint", EndpointName="e", EndpointConfigName="pair")
    account.arrive()
    return account


def test_weights_and_counts_are_asked_for_and_then_there(pair: Account) -> None:
    reshape(pair, {"VariantName": "a", "DesiredWeight": 0.0}, {"VariantName": "b", "DesiredInstanceCount": 5})
    moving = pair.described()
    assert moving["EndpointStatus"] == "Updating"
    shown = [
        (one["CurrentWeight"], one["DesiredWeight"], one["CurrentInstanceCount"], one["DesiredInstanceCount"])
        for one in moving["ProductionVariants"]
    ]
    assert shown == [(1.0, 0.0, 2, 2), (1.0, 1.0, 2, 5)]
    pair.world = endpoints.reshaped(pair.world, "e", pair.now + 1)
    after = pair.described()
    assert after["EndpointStatus"] == "InService"
    # What was not asked for is as it was.
    assert [one["CurrentWeight"] for one in after["ProductionVariants"]] == [0.0, 1.0]
    assert [one["CurrentInstanceCount"] for one in after["ProductionVariants"]] == [2, 5]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([{"VariantName": "c", "DesiredWeight": 1.0}], 'Could not find variant "c"'),
        ([{"VariantName": "a", "DesiredWeight": 1.0}] * 2, "must be unique"),
        ([{"VariantName": name, "DesiredInstanceCount": 3} for name in "ab"], "only one variant"),
        ([{"VariantName": "a", "DesiredInstanceCount": 0}], "DesiredInstanceCount 0 is not valid"),
        ([{"VariantName": "a", "ServerlessUpdateConfig": {"MaxConcurrency": 2}}], "ServerlessUpdateConfig"),
    ],
)
def test_a_change_of_weights_that_cannot_be_is_refused(
    pair: Account, changes: list[dict[str, object]], words: str
) -> None:
    error = pair.refusal(
        "UpdateEndpointWeightsAndCapacities", EndpointName="e", DesiredWeightsAndCapacities=changes
    )
    assert words in error.message


def test_counts_that_were_scaled_are_retained_by_an_update(pair: Account) -> None:
    reshape(pair, {"VariantName": "a", "DesiredInstanceCount": 7})
    pair.world = endpoints.reshaped(pair.world, "e", pair.now + 1)
    config(pair, "next", {**VARIANT, "VariantName": "a"}, {**VARIANT, "VariantName": "b"})
    pair.call("UpdateEndpoint", EndpointName="e", EndpointConfigName="next", RetainAllVariantProperties=True)
    pair.arrive()
    assert [one["CurrentInstanceCount"] for one in pair.described()["ProductionVariants"]] == [7, 2]


def test_the_size_of_a_step_is_judged_by_the_retained_count(serving: Account) -> None:
    config(serving, "one", {**VARIANT, "InitialInstanceCount": 1})
    request = {"EndpointName": "e", "EndpointConfigName": "one", "DeploymentConfig": routing("CANARY")}
    assert "50%" in serving.refusal("UpdateEndpoint", **request).message
    serving.call("UpdateEndpoint", RetainAllVariantProperties=True, **request)


SERVERLESS: dict[str, object] = {
    "VariantName": "primary",
    "ModelName": "m",
    "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5},
}


def test_instances_may_follow_serverless_and_never_the_other_way(account: Account) -> None:
    config(account, "less", SERVERLESS)
    account.call("CreateEndpoint", EndpointName="e", EndpointConfigName="less")
    account.arrive()
    account.call("UpdateEndpoint", EndpointName="e", EndpointConfigName="c")
    account.arrive()
    error = account.refusal("UpdateEndpoint", EndpointName="e", EndpointConfigName="less")
    assert "can not be updated to a serverless endpoint" in error.message


@pytest.mark.parametrize(
    ("model", "variants", "members", "words"),
    [
        ({"VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["s-1"]}}, [SERVERLESS], {}, "VpcConfig"),
        ({"EnableNetworkIsolation": True}, [SERVERLESS], {}, "EnableNetworkIsolation"),
        ({}, [SERVERLESS], {"AsyncInferenceConfig": {"OutputConfig": {}}}, "AsyncInferenceConfig"),
    ],
)
def test_what_serverless_excludes_is_refused(
    account: Account,
    model: dict[str, object],
    variants: list[dict[str, object]],
    members: dict[str, object],
    words: str,
) -> None:
    account.call("CreateModel", ModelName="s", PrimaryContainer=CONTAINER, **model)
    config(account, "s", *({**variant, "ModelName": "s"} for variant in variants), **members)
    error = account.refusal("CreateEndpoint", EndpointName="e", EndpointConfigName="s")
    assert error.code == "ValidationException"
    assert words in error.message


def test_an_endpoint_stays_asynchronous(account: Account) -> None:
    output = {"OutputConfig": {"S3OutputPath": "s3://b/out"}}
    config(account, "queue", VARIANT, AsyncInferenceConfig=output)
    account.call("CreateEndpoint", EndpointName="e", EndpointConfigName="queue")
    account.arrive()
    assert account.described()["AsyncInferenceConfig"] == output
    error = account.refusal("UpdateEndpoint", EndpointName="e", EndpointConfigName="c")
    assert error.message == "The AsyncInferenceConfig parameter cannot be removed from this endpoint."


def test_a_variant_may_have_pools_of_instances_in_place_of_one_type(account: Account) -> None:
    pools = [{"InstanceType": "ml.g5.xlarge", "Priority": 2}, {"InstanceType": "ml.g6.xlarge", "Priority": 1}]
    pooled = {name: value for name, value in VARIANT.items() if name != "InstanceType"}
    config(account, "pools", {**pooled, "InstancePools": pools})
    account.call("CreateEndpoint", EndpointName="e", EndpointConfigName="pools")
    assert account.described()["PendingDeploymentSummary"]["ProductionVariants"][0]["InstanceType"] == (
        "ml.g6.xlarge"
    )


def test_one_shadow_goes_with_one_variant(account: Account) -> None:
    shadow = {**VARIANT, "VariantName": "shadow"}
    pair = ({**VARIANT, "VariantName": "a"}, {**VARIANT, "VariantName": "b"})
    config(account, "many", *pair, ShadowProductionVariants=[shadow])
    error = account.refusal("CreateEndpoint", EndpointName="e", EndpointConfigName="many")
    assert "Exactly one production variant and one shadow variant" in error.message


def test_a_stage_is_shown_with_the_traffic_and_the_instances_that_are_there(serving: Account) -> None:
    serving.call("UpdateEndpoint", EndpointName="e", EndpointConfigName="d")
    stages = {"primary": Stage("Baking", "Baking for 5 seconds.", 1, 0.5)}
    serving.world = endpoints.staged(serving.world, "e", stages, 2000.0)
    (variant,) = serving.described()["PendingDeploymentSummary"]["ProductionVariants"]
    assert variant["VariantStatus"] == [
        {"Status": "Baking", "StatusMessage": "Baking for 5 seconds.", "StartTime": 2000.0}
    ]
    assert (variant["CurrentWeight"], variant["DesiredWeight"]) == (0.5, 1.0)
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (1, 2)
