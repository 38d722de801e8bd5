"""AWS's errors in our words, and what the adapters do where an answer was lost or a write met another."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    EndpointConnectionError,
    LoginRefreshRequired,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
    ReadTimeoutError,
    SSOTokenLoadError,
    UnauthorizedSSOTokenError,
)

from orchestrator.adapters.account import AwsAccount
from orchestrator.adapters.aws import Address, clients
from orchestrator.adapters.refusals import translated
from orchestrator.adapters.runtime import SageMakerRuntime
from orchestrator.adapters.sagemaker import SageMaker
from orchestrator.adapters.store.s3 import S3Store
from orchestrator.core.clouds import Capacity, Update
from orchestrator.core.errors import (
    CloudError,
    ConflictError,
    DeniedError,
    NotFoundError,
    OrchestratorError,
    QuotaError,
    SpecError,
    ThrottledError,
    UnreachableError,
)
from orchestrator.core.golden import Request
from orchestrator.core.resources import EndpointConfig, Model, Variant
from orchestrator.core.rollout import Kind, Rollout, Size
from tests.support.fakes import FakeClock


def refusal(code: str, message: str = "no", **more: object) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}, **more}, "Operation")


@dataclass
class Api:
    """A boto3 client whose calls do what a test says, in order."""

    answers: list[Any] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(*_: object, **arguments: object) -> Any:  # noqa: ANN401 - as boto3's
            self.calls.append((operation, arguments))
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


@dataclass
class Pages:
    """A paginator with one page."""

    page: dict[str, Any]

    def paginate(self, **_: object) -> list[dict[str, Any]]:
        return [self.page]


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (refusal("AccessDeniedException"), DeniedError, 9),
        (refusal("ExpiredToken"), DeniedError, 9),
        (refusal("UnrecognizedClientException"), DeniedError, 9),
        (NoCredentialsError(), DeniedError, 9),
        (ProfileNotFound(profile="x"), DeniedError, 9),
        (refusal("InvalidSignatureException"), DeniedError, 9),
        (refusal("RequestTimeTooSkewed"), DeniedError, 9),
        (UnauthorizedSSOTokenError(), DeniedError, 9),
        (SSOTokenLoadError(error_msg="none"), DeniedError, 9),
        (LoginRefreshRequired(), DeniedError, 9),
        (CredentialRetrievalError(provider="process", error_msg="no"), DeniedError, 9),
        (NoRegionError(), SpecError, 2),
        (refusal("ValidationError", "Endpoint x of account 111111111111 not found."), NotFoundError, 1),
        (refusal("ThrottlingException"), ThrottledError, 1),
        (refusal("NoSuchKey"), NotFoundError, 1),
        (refusal("ValidationException", 'Could not find model "x".'), NotFoundError, 1),
        (refusal("ValidationException", "something else"), CloudError, 1),
        (refusal("NoSuchEntity"), NotFoundError, 1),
        (refusal("ObjectNotFoundException"), NotFoundError, 1),
        (refusal("ResourceLimitExceeded"), QuotaError, 12),
        (refusal("InternalFailure", ResponseMetadata={"HTTPStatusCode": 500}), UnreachableError, 1),
        (EndpointConnectionError(endpoint_url="https://x"), UnreachableError, 1),
        (ReadTimeoutError(endpoint_url="https://x"), UnreachableError, 1),
    ],
)
def test_each_error_of_aws_is_one_of_ours(error: Exception, kind: type[OrchestratorError], code: int) -> None:
    with pytest.raises(OrchestratorError) as caught, translated("doing something"):
        raise error
    assert type(caught.value) is kind
    assert caught.value.exit_code == code
    assert str(caught.value).startswith("doing something")


def test_a_quota_is_named_and_nothing_has_changed() -> None:
    words = (
        "The account-level service limit 'ml.g5.xlarge for endpoint usage' is 0 Instances, with current ..."
    )
    named = pytest.raises(QuotaError, match=r"the quota 'ml\.g5\.xlarge for endpoint usage'")
    with named as caught, translated("creating endpoint 'digits'"):
        raise refusal("ResourceLimitExceeded", words)
    assert ("state", "this call has changed nothing") in caught.value.details
    assert "request-service-quota-increase" in str(caught.value.hint)


def test_a_role_that_cannot_be_assumed_is_told_from_a_call_that_is_not_permitted() -> None:
    error = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "AssumeRole")
    with (
        pytest.raises(DeniedError, match="assuming role 'r': the role cannot be assumed"),
        translated("assuming role 'r'"),
    ):
        raise error


@pytest.mark.parametrize(
    ("code", "kind"), [("ExpiredToken", "not permitted"), ("Throttling", "fewer requests")]
)
def test_what_is_no_fault_of_the_role_is_not_blamed_on_it(code: str, kind: str) -> None:
    error = ClientError({"Error": {"Code": code, "Message": "no"}}, "AssumeRole")
    with pytest.raises(OrchestratorError, match=kind), translated("assuming role 'r'"):
        raise error


@pytest.mark.parametrize("region", [None, "eu west"])
def test_a_region_that_is_none_is_a_fault_of_the_spec(
    monkeypatch: pytest.MonkeyPatch, region: str | None
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    made = clients(Address(region, credentials=("local", "local")))
    with pytest.raises(SpecError, match="region") as caught:
        made("sagemaker")
    assert "ORCHESTRATOR_REGION" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("region", "domain"),
    [
        ("eu-central-1", "amazonaws.com"),
        ("cn-north-1", "amazonaws.com.cn"),
        ("us-gov-west-1", "amazonaws.com"),
        ("us-iso-east-1", "c2s.ic.gov"),
    ],
)
@pytest.mark.parametrize(
    "service", ["sagemaker", "sagemaker-runtime", "application-autoscaling", "s3", "sts"]
)
def test_a_partition_has_addresses_of_its_own(region: str, domain: str, service: str) -> None:
    made = clients(Address(region, credentials=("local", "local")))
    assert made(service).meta.endpoint_url.endswith(f".{region}.{domain}")


def test_other_errors_are_left_alone() -> None:
    with pytest.raises(ZeroDivisionError), translated("doing something"):
        raise ZeroDivisionError


def test_the_local_clouds_clients_take_no_profile_and_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "does-not-exist")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    made = clients(Address("eu-west-1", endpoint_url="http://127.0.0.1:1", credentials=("local", "local")))
    assert made("s3").meta.config.proxies == {}


def test_a_write_that_meets_another_is_tried_again() -> None:
    api = Api([refusal("ConditionalRequestConflict"), refusal("ConditionalRequestConflict"), {}])
    assert S3Store(lambda _: api, "bucket").put_once("key", b"x")
    assert [name for name, _ in api.calls] == ["put_object"] * 3
    assert all(arguments["IfNoneMatch"] == "*" for _, arguments in api.calls)


def test_a_write_that_is_always_in_the_way_gives_up_with_an_error() -> None:
    api = Api([refusal("ConditionalRequestConflict")] * 5)
    with pytest.raises(CloudError, match="another write is in the way"):
        S3Store(lambda _: api, "bucket").put_once("key", b"x")


def test_a_key_that_is_taken_is_not_written() -> None:
    api = Api([refusal("PreconditionFailed")])
    assert not S3Store(lambda _: api, "bucket").put_once("key", b"x")


def describing(config: str, pending: str | None = None, *, status: str = "Updating") -> dict[str, object]:
    moving = {} if pending is None else {"PendingDeploymentSummary": {"EndpointConfigName": pending}}
    return {
        "EndpointName": "digits",
        "EndpointArn": "arn:endpoint",
        "EndpointConfigName": config,
        "EndpointStatus": status,
        "LastModifiedTime": datetime(2026, 11, 22, tzinfo=UTC),
        "ProductionVariants": [
            {
                "VariantName": "a",
                "CurrentWeight": 1.0,
                "DesiredWeight": 0.5,
                "CurrentInstanceCount": 1,
                "DesiredInstanceCount": 2,
            }
        ],
        **moving,
    }


UNTAGGED = Pages({"Tags": []})
BUSY = refusal("ValidationException", 'Cannot update in-progress endpoint "arn:endpoint".')
TAKEN = refusal("ValidationException", 'Cannot create already existing endpoint "arn:endpoint".')
NO_ENDPOINT = refusal("ValidationException", 'Could not find endpoint "arn:endpoint".')
NO_CONFIG = refusal("ValidationException", 'Could not find endpoint configuration "arn:config".')
NO_MODEL = refusal("ValidationException", 'Could not find model "arn:model".')
NO_ROLE = refusal(
    "ValidationException", "Could not assume role arn:role. Please ensure that the role exists ..."
)
MODEL = Model("digits-1", "image:1", "s3://b/k", "role")
CONFIG = EndpointConfig("new", (Variant("a", "digits-1", "ml.m5.large", 1),))


def sagemaker(api: Api) -> tuple[SageMaker, FakeClock]:
    clock = FakeClock()
    return SageMaker(lambda _: api, clock), clock


def test_an_update_whose_answer_was_lost_has_won_if_the_endpoint_is_on_its_way_to_our_config() -> None:
    api = Api([BUSY, describing("old", "new"), UNTAGGED])
    sagemaker(api)[0].update_endpoint(Update("digits", "new", Rollout(Kind.CANARY, Size(10))))
    policy = api.calls[0][1]["DeploymentConfig"]["BlueGreenUpdatePolicy"]
    assert policy["TrafficRoutingConfiguration"]["Type"] == "CANARY"


def test_an_update_that_meets_somebody_elses_is_refused() -> None:
    api = Api([BUSY, describing("old", "other"), UNTAGGED])
    with pytest.raises(ConflictError, match="somebody else is changing endpoint 'digits'"):
        sagemaker(api)[0].update_endpoint(Update("digits", "new"))


def test_a_config_that_was_just_made_is_waited_for() -> None:
    api = Api([{}, NO_CONFIG, NO_CONFIG, {}])
    cloud, clock = sagemaker(api)
    begun = clock.now()
    cloud.create_endpoint_config(CONFIG)
    cloud.update_endpoint(Update("digits", "new"))
    assert [name for name, _ in api.calls] == ["create_endpoint_config"] + ["update_endpoint"] * 3
    assert 0 < clock.now() - begun <= 30


def test_a_config_that_stays_missing_is_given_up_after_half_a_minute() -> None:
    api = Api([{}, *[NO_CONFIG] * 50])
    cloud, clock = sagemaker(api)
    begun = clock.now()
    cloud.create_endpoint_config(CONFIG)
    with pytest.raises(NotFoundError):
        cloud.create_endpoint("digits", "new", ())
    assert 30 <= clock.now() - begun < 60


@pytest.mark.parametrize("missing", [NO_CONFIG, NO_ENDPOINT])
def test_what_nobody_has_seen_is_not_waited_for(missing: ClientError) -> None:
    api = Api([missing])
    cloud, clock = sagemaker(api)
    begun = clock.now()
    with pytest.raises(NotFoundError):
        cloud.update_endpoint(Update("digits", "new"))
    assert clock.now() == begun


def test_a_model_that_was_just_made_is_waited_for() -> None:
    api = Api([{}, NO_MODEL, {}])
    cloud, _ = sagemaker(api)
    cloud.create_model(MODEL)
    cloud.create_endpoint_config(CONFIG)
    assert len(api.calls) == 3


def test_a_new_role_is_waited_for_up_to_a_minute() -> None:
    api = Api([NO_ROLE] * 3 + [{}])
    sagemaker(api)[0].create_model(MODEL)
    never = Api([NO_ROLE] * 50)
    cloud, clock = sagemaker(never)
    begun = clock.now()
    with pytest.raises(CloudError, match="creating model 'digits-1'"):
        cloud.create_model(MODEL)
    assert 60 <= clock.now() - begun < 80


def test_a_creation_whose_answer_was_lost_has_won_if_the_endpoint_is_on_our_config() -> None:
    sagemaker(Api([TAKEN, describing("new", status="Creating"), UNTAGGED]))[0].create_endpoint(
        "digits", "new", ()
    )


def test_a_name_that_is_taken_by_an_endpoint_on_another_config_is_a_conflict() -> None:
    api = Api([TAKEN, describing("other", status="InService"), UNTAGGED])
    with pytest.raises(ConflictError, match="the name of endpoint 'digits' is taken"):
        sagemaker(api)[0].create_endpoint("digits", "new", ())


def test_a_name_that_is_taken_by_one_that_differs_in_case_only_is_a_conflict() -> None:
    api = Api([TAKEN, *[NO_ENDPOINT] * 20])
    with pytest.raises(ConflictError) as caught:
        sagemaker(api)[0].create_endpoint("digits", "new", ())
    assert "differs in case only" in dict(caught.value.details)["state"]


def test_capacities_whose_answer_was_lost_have_won_if_the_endpoint_moves_to_them() -> None:
    ours, others = [Capacity("a", 0.5, 2)], [Capacity("a", 0.5, 3)]
    sagemaker(Api([BUSY, describing("c"), UNTAGGED]))[0].set_capacities("digits", ours)
    with pytest.raises(ConflictError):
        sagemaker(Api([BUSY, describing("c"), UNTAGGED]))[0].set_capacities("digits", others)


def test_tagging_an_endpoint_that_was_seen_takes_one_call() -> None:
    api = Api([describing("c"), UNTAGGED, {}])
    cloud, _ = sagemaker(api)
    cloud.endpoint("digits")
    cloud.tag_endpoint("digits", (("k", "v"),))
    assert api.calls[-1] == (
        "add_tags",
        {"ResourceArn": "arn:endpoint", "Tags": [{"Key": "k", "Value": "v"}]},
    )


def test_the_quota_of_an_instance_type_is_read_once_and_found_by_its_name() -> None:
    quotas = [
        {"QuotaName": "ml.m5.large for endpoint usage", "Value": 4.0},
        {"QuotaName": "ml.m5.large for training job usage", "Value": 20.0},
    ]
    api = Api([Pages({"Quotas": quotas})])
    account = AwsAccount(lambda _: api)
    assert [account.instance_quota(kind) for kind in ("ml.m5.large", "ml.m5.xlarge")] == [4, None]


@pytest.mark.parametrize(
    "answer",
    [refusal("AccessDeniedException"), refusal("NoSuchResourceException"), refusal("UnsupportedOperation")],
)
def test_quotas_that_nobody_tells_us_are_unknown(answer: ClientError) -> None:
    assert AwsAccount(lambda _: Api([answer])).instance_quota("ml.m5.large") is None


def problem_of(role: Mapping[str, object]) -> str:
    return AwsAccount(lambda _: Api([{"Role": role}])).role_problem("arn:aws:iam::1:role/r")


@pytest.mark.parametrize(
    ("statement", "trusted"),
    [
        (
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
            },
            True,
        ),
        (
            {
                "Effect": "Allow",
                "Principal": {"Service": ["a", "sagemaker.amazonaws.com"]},
                "Action": ["sts:*"],
            },
            True,
        ),
        ({"Effect": "Allow", "Principal": "*", "Action": "*"}, True),
        (
            {
                "Effect": "Deny",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
            },
            False,
        ),
        (
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:TagSession",
            },
            False,
        ),
        ({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::1:root"}, "Action": "sts:AssumeRole"}, False),
        ({}, False),
        ("no statement", False),
    ],
)
def test_a_trust_policy_lets_sagemaker_assume_the_role_or_does_not(
    statement: object, *, trusted: bool
) -> None:
    for statements in (statement, [statement]):
        role = {"Arn": "arn:aws:iam::1:role/r", "AssumeRolePolicyDocument": {"Statement": statements}}
        assert (problem_of(role) == "") is trusted


def test_an_error_of_the_model_comes_back_with_the_models_own_status_and_words() -> None:
    error = refusal("ModelError", "Received ...", OriginalStatusCode=400, OriginalMessage="no image")
    response = SageMakerRuntime(lambda _: Api([error])).invoke("digits", Request(b"{}"))
    assert (response.status, response.body, response.fingerprint) == (400, b"no image", None)


@pytest.mark.parametrize(
    ("region", "told"),
    [
        ("eu-central-1", None),
        ("eu-cental-1", "botocore knows no 'eu-cental-1': 'eu-central-1' is nearest"),
        ("moon-dark-1", "botocore knows no 'moon-dark-1'"),
    ],
)
def test_an_address_that_does_not_answer_is_told_with_the_region_that_may_be_meant(
    region: str, told: str | None
) -> None:
    with pytest.raises(UnreachableError) as caught, translated("asking"):
        raise EndpointConnectionError(endpoint_url=f"https://sts.{region}.amazonaws.com/")
    assert dict(caught.value.details).get("region") == told
