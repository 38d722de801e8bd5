"""AWS's errors in our words, and what the adapters do where an answer was lost or a write met another."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
    UnauthorizedSSOTokenError,
)

from orchestrator.adapters.aws import Address, clients, translated
from orchestrator.adapters.runtime import SageMakerRuntime
from orchestrator.adapters.sagemaker import SageMaker
from orchestrator.adapters.store.s3 import S3Store
from orchestrator.core.errors import CloudError, ConflictError, DeniedError, NotFoundError, ThrottledError
from orchestrator.core.golden import Request


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
        (UnauthorizedSSOTokenError(), DeniedError, 9),
        (refusal("ThrottlingException"), ThrottledError, 1),
        (refusal("NoSuchKey"), NotFoundError, 1),
        (refusal("ValidationException", 'Could not find model "x".'), NotFoundError, 1),
        (refusal("ValidationException", "something else"), CloudError, 1),
        (EndpointConnectionError(endpoint_url="https://x"), CloudError, 1),
        (ReadTimeoutError(endpoint_url="https://x"), CloudError, 1),
    ],
)
def test_each_error_of_aws_is_one_of_ours(error: Exception, kind: type[CloudError], code: int) -> None:
    with pytest.raises(CloudError) as caught, translated("doing something"):
        raise error
    assert type(caught.value) is kind
    assert caught.value.exit_code == code
    assert str(caught.value).startswith("doing something")


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


def describing(config: str, pending: str) -> dict[str, object]:
    return {
        "EndpointArn": "arn:endpoint",
        "EndpointConfigName": config,
        "EndpointStatus": "Updating",
        "LastModifiedTime": datetime(2026, 11, 22, tzinfo=UTC),
        "PendingDeploymentSummary": {"EndpointConfigName": pending},
    }


BUSY = 'Cannot update in-progress endpoint "arn:endpoint".'


def test_an_update_whose_answer_was_lost_has_won_if_the_endpoint_is_on_its_way_to_our_config() -> None:
    api = Api([refusal("ValidationException", BUSY), describing("old", "new"), Pages({"Tags": []})])
    SageMaker(lambda _: api).update_endpoint("digits", "new")
    assert api.calls[0][1]["DeploymentConfig"]["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"] == {
        "Type": "ALL_AT_ONCE",
        "WaitIntervalInSeconds": 0,
    }


def test_an_update_that_meets_somebody_elses_is_refused() -> None:
    api = Api([refusal("ValidationException", BUSY), describing("old", "other"), Pages({"Tags": []})])
    with pytest.raises(ConflictError, match="somebody else is changing endpoint 'digits'"):
        SageMaker(lambda _: api).update_endpoint("digits", "new")


def test_an_error_of_the_model_comes_back_with_the_models_own_status_and_words() -> None:
    error = refusal("ModelError", "Received ...", OriginalStatusCode=400, OriginalMessage="no image")
    response = SageMakerRuntime(lambda _: Api([error])).invoke("digits", Request(b"{}"))
    assert (response.status, response.body, response.fingerprint) == (400, b"no image", None)
