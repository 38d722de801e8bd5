"""Sessions with AWS, and its errors translated into ours.

Knows boto3 and botocore's exceptions; must not know what a call is for.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.exceptions import (
    ConnectionError as NoConnectionError,
)

from orchestrator.core.errors import CloudError, DeniedError, NotFoundError, ThrottledError

_CREDENTIALS_HINT = (
    "aws sts get-caller-identity          who AWS thinks you are\n"
    "orchestrator deploy --env local      needs no account"
)
_DENIED_CODES = {
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
    "AuthFailure",
    "403",
}
_THROTTLED_CODES = {"Throttling", "ThrottlingException", "TooManyRequestsException", "SlowDown"}
_NOT_FOUND_CODES = {"NoSuchBucket", "NoSuchKey", "ResourceNotFoundException", "NotFound", "404"}
# For the local cloud, nothing of the developer's own setup: a profile could lead to a real account, and one
# that does not exist keeps botocore from making any client.
_NOTHING_OF_THE_SHELL = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
# `standard` is what AWS recommends; `adaptive` is not for several clients of one account.
_CONFIG = Config(
    retries={"mode": "standard", "max_attempts": 5},
    connect_timeout=10,
    read_timeout=70,  # a model may use the whole 60 s that SageMaker gives it
    user_agent_extra="cloud-deployment-orchestrator",
)


@dataclass(frozen=True, slots=True)
class Address:
    """Whom to talk to, and as whom.

    Attributes:
        endpoint_url: The local cloud's address, or ``None`` for AWS itself.
        credentials: Access key and secret, or ``None`` for the usual chain of boto3.
        assume_role: The ARN of a role to take on, or ``None``.
    """

    region: str | None
    profile: str | None = None
    endpoint_url: str | None = None
    credentials: tuple[str, str] | None = None
    assume_role: str | None = None


Clients = Callable[[str], Any]
"""Gives the boto3 client of a service, by its name."""


def clients(address: Address) -> Clients:
    """Return a maker of boto3 clients for ``address``.

    Raises:
        DeniedError: If there are no credentials.
    """
    with translated("finding AWS credentials"):
        session = _session(address)
        if session.get_credentials() is None:
            raise DeniedError(
                "there are no AWS credentials",
                details=[("looked", "environment variables, shared files, profile, container, instance")],
                hint=_CREDENTIALS_HINT,
            )

    # botocore would send requests for 127.0.0.1 to HTTP_PROXY unless NO_PROXY names it.
    config = _CONFIG.merge(Config(proxies={})) if address.endpoint_url else _CONFIG

    def client(service: str) -> Any:  # noqa: ANN401 - boto3 makes its clients' classes at run time
        return session.client(
            service, region_name=address.region, endpoint_url=address.endpoint_url, config=config
        )

    return client


def _session(address: Address) -> boto3.Session:
    if address.credentials is not None:
        key, secret = address.credentials
        return boto3.Session(
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            region_name=address.region,
            botocore_session=botocore.session.Session(session_vars=_NOTHING_OF_THE_SHELL),
        )
    session = boto3.Session(profile_name=address.profile, region_name=address.region)
    if address.assume_role is None:
        return session
    role = session.client("sts", config=_CONFIG).assume_role(
        RoleArn=address.assume_role, RoleSessionName="orchestrator"
    )["Credentials"]
    return boto3.Session(
        aws_access_key_id=role["AccessKeyId"],
        aws_secret_access_key=role["SecretAccessKey"],
        aws_session_token=role["SessionToken"],
        region_name=address.region,
    )


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn what botocore raises while ``doing`` something into our errors.

    Raises:
        DeniedError: For missing, expired or insufficient credentials.
        ThrottledError: If AWS asks for fewer requests, after botocore's own retries.
        NotFoundError: If AWS knows nothing of that name.
        CloudError: For everything else.
    """
    try:
        yield
    except (NoCredentialsError, PartialCredentialsError, ProfileNotFound) as error:
        raise DeniedError(f"{doing}: {_text(error)}", hint=_CREDENTIALS_HINT) from error
    except (TokenRetrievalError, UnauthorizedSSOTokenError) as error:
        raise DeniedError(f"{doing}: {_text(error)}", hint="aws sso login") from error
    except (HTTPClientError, NoConnectionError) as error:
        raise CloudError(
            f"{doing}: AWS could not be reached",
            details=[("cause", _text(error))],
            hint="check the network and the region; nothing is lost: run the same command again",
        ) from error
    except ClientError as error:
        raise _refusal(doing, error) from error
    except BotoCoreError as error:
        raise CloudError(f"{doing}: {_text(error)}") from error


def code_of(error: ClientError) -> str:
    """Return AWS's error code."""
    return str(error.response.get("Error", {}).get("Code", ""))


def message_of(error: ClientError) -> str:
    """Return AWS's own words."""
    return str(error.response.get("Error", {}).get("Message", ""))


def _refusal(doing: str, error: ClientError) -> CloudError:
    code, words = code_of(error), message_of(error)
    details = [("AWS", f"{code}: {words}")]
    if code in _DENIED_CODES:
        return DeniedError(f"{doing} is not permitted", details=details, hint=_CREDENTIALS_HINT)
    if code in _THROTTLED_CODES:
        return ThrottledError(
            f"{doing}: AWS asks for fewer requests", details=details, hint="run the same command again"
        )
    if code in _NOT_FOUND_CODES or words.startswith("Could not find"):
        return NotFoundError(f"{doing}: there is no such thing", details=details)
    return CloudError(f"{doing} was refused", details=details)


def _text(error: Exception) -> str:
    text = str(error).rstrip(".")
    return text[:1].lower() + text[1:]


def tags_to_api(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as SageMaker's API takes them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]
