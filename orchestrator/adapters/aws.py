"""Sessions with AWS, and its errors translated into ours.

Knows boto3 and botocore's exceptions; must not know what a call is for.
"""

import functools
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialResolver,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.exceptions import (
    ConnectionError as NoConnectionError,
)

from orchestrator.adapters.retrying import PROCESS, THROTTLED_CODES, Pacing
from orchestrator.adapters.servicemodels import share
from orchestrator.core.errors import (
    CloudError,
    DeniedError,
    NotFoundError,
    OrchestratorError,
    QuotaError,
    ThrottledError,
    UnreachableError,
)

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
_NOT_FOUND_CODES = {
    "404",
    "NoSuchBucket",
    "NoSuchEntity",
    "NoSuchKey",
    "NoSuchResourceException",
    "NotFound",
    "ObjectNotFoundException",
    "ResourceNotFound",
    "ResourceNotFoundException",
}
_QUOTA_CODES = {
    "LimitExceeded",
    "LimitExceededException",
    "LimitExceededFault",
    "ResourceLimitExceeded",
    "ServiceQuotaExceededException",
}
# "The account-level service limit 'ml.m5.large for endpoint usage' is 0 Instances, with ..."
_QUOTA_NAME = re.compile(r"limit '([^']+)'")
_INTERNAL = 500
# For the local cloud, nothing of the developer's own setup: a profile could lead to a real account, and one
# that does not exist keeps botocore from making any client.
_NOTHING_OF_THE_SHELL = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 1},  # `retrying` makes the others
    connect_timeout=10,
    read_timeout=70,  # a model may use the whole 60 s that SageMaker gives it
    max_pool_connections=50,  # `deploy --all` shares a client between its workers
    user_agent_extra="cloud-deployment-orchestrator",
)


@dataclass(frozen=True, slots=True)
class Address:
    """Whom to talk to, and as whom.

    Attributes:
        endpoint_url: The local cloud's address, or ``None`` for AWS itself.
        credentials: Access key and secret, or ``None`` for the usual chain of boto3.
        assume_role: The ARN of a role to take on, or ``None``.
        session_name: Whom CloudTrail shows as having taken on the role.
    """

    region: str | None
    profile: str | None = None
    endpoint_url: str | None = None
    credentials: tuple[str, str] | None = None
    assume_role: str | None = None
    session_name: str = "orchestrator"


Clients = Callable[[str], Any]
"""Gives the boto3 client of a service, by its name."""


def clients(address: Address, pacing: Pacing = PROCESS) -> Clients:
    """Return a maker of boto3 clients for ``address``; it makes one of each service, for all threads.

    Args:
        address: Whom to talk to, and as whom.
        pacing: Repeats calls and slows them down; by default with all other clients of the process.

    Raises:
        DeniedError: If there are no credentials, or the role cannot be assumed.
    """
    # botocore would send requests for 127.0.0.1 to HTTP_PROXY unless NO_PROXY names it.
    config = _CONFIG.merge(Config(proxies={})) if address.endpoint_url else _CONFIG
    session = _session(address, config, pacing)
    made: dict[str, Any] = {}
    lock = threading.Lock()

    def client(service: str) -> Any:  # noqa: ANN401 - boto3 makes its clients' classes at run time
        # boto3's clients may be shared between threads; making them may not.
        with lock:
            if service not in made:
                made[service] = session.client(
                    service, region_name=address.region, endpoint_url=address.endpoint_url, config=config
                )
                pacing.attach(made[service], service, address)
            return made[service]

    return client


def _session(address: Address, config: Config, pacing: Pacing) -> boto3.Session:
    with translated("finding AWS credentials"):
        session = _own_session(address)
        if session.get_credentials() is None:
            raise DeniedError(
                "there are no AWS credentials",
                details=[("looked", "environment variables, shared files, profile, container, instance")],
                hint=_CREDENTIALS_HINT,
            )
    return session if address.assume_role is None else _role_session(session, address, config, pacing)


def _own_session(address: Address) -> boto3.Session:
    if address.credentials is None:
        own = share(botocore.session.Session(profile=address.profile))
        return boto3.Session(region_name=address.region, botocore_session=own)
    key, secret = address.credentials
    return boto3.Session(
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        region_name=address.region,
        botocore_session=share(botocore.session.Session(session_vars=_NOTHING_OF_THE_SHELL)),
    )


@dataclass(frozen=True, slots=True)
class _Role:
    """A provider of credentials, as botocore's sessions ask for them."""

    credentials: DeferredRefreshableCredentials
    METHOD = "assume-role"

    def load(self) -> DeferredRefreshableCredentials:
        return self.credentials


def _role_session(own: boto3.Session, address: Address, config: Config, pacing: Pacing) -> boto3.Session:
    """Return a session as the role: its credentials renew themselves, for rollouts that outlast an hour."""
    make = functools.partial(
        own.client, region_name=address.region, endpoint_url=address.endpoint_url, config=config
    )

    def paced(service: str, **keys: str) -> Any:  # noqa: ANN401 - boto3's clients have no types
        client = make(service, **{name: key for name, key in keys.items() if name.startswith("aws_")})
        pacing.attach(client, service, address)
        return client

    fetcher = AssumeRoleCredentialFetcher(
        paced, own.get_credentials(), address.assume_role, {"RoleSessionName": address.session_name}
    )
    credentials = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")
    with translated(f"assuming role '{address.assume_role}'"):
        credentials.get_frozen_credentials()
    session = botocore.session.Session(
        profile=address.profile, session_vars=_NOTHING_OF_THE_SHELL if address.credentials else None
    )
    session.register_component("credential_provider", CredentialResolver([_Role(credentials)]))
    return boto3.Session(region_name=address.region, botocore_session=share(session))


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn what botocore raises while ``doing`` something into our errors.

    Raises:
        DeniedError: For missing, expired or insufficient credentials.
        ThrottledError: If AWS asks for fewer requests, after all retries.
        UnreachableError: If no answer came, or AWS failed, after all retries.
        QuotaError: If the account may not have that many.
        NotFoundError: If AWS knows nothing of that name.
        CloudError: For everything else.
    """
    try:
        yield
    except (NoCredentialsError, PartialCredentialsError, ProfileNotFound) as error:
        raise DeniedError(f"{doing}: {_text(error)}", hint=_CREDENTIALS_HINT) from error
    except (TokenRetrievalError, UnauthorizedSSOTokenError) as error:
        raise DeniedError(f"{doing}: {_text(error)}", hint="aws sso login") from error
    except (HTTPClientError, NoConnectionError, IncompleteReadError) as error:
        raise UnreachableError(
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


def _refusal(doing: str, error: ClientError) -> OrchestratorError:
    code, words = code_of(error), message_of(error)
    details = [("AWS", f"{code}: {words}")]
    if error.operation_name == "AssumeRole":
        hint = "aws sts get-caller-identity          who has to be in the role's trust policy"
        return DeniedError(f"{doing}: the role cannot be assumed", details=details, hint=hint)
    if code in _DENIED_CODES:
        return DeniedError(f"{doing} is not permitted", details=details, hint=_CREDENTIALS_HINT)
    if code in THROTTLED_CODES:
        return ThrottledError(
            f"{doing}: AWS asks for fewer requests", details=details, hint="run the same command again"
        )
    if code in _QUOTA_CODES:
        return _over_quota(doing, error)
    if code in _NOT_FOUND_CODES or words.startswith("Could not find"):
        return NotFoundError(f"{doing}: there is no such thing", details=details)
    if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= _INTERNAL:
        hint = "nothing is lost: run the same command again"
        return UnreachableError(f"{doing}: AWS failed to answer", details=details, hint=hint)
    return CloudError(f"{doing} was refused", details=details)


def _over_quota(doing: str, error: ClientError) -> QuotaError:
    name = _QUOTA_NAME.search(message_of(error))
    quota = f"the quota '{name.group(1)}'" if name else "a quota"
    return QuotaError(
        f"{doing}: {quota} of the account does not allow it",
        details=[
            ("AWS", f"{code_of(error)}: {message_of(error)}"),
            ("state", "this call has changed nothing"),
        ],
        hint="aws service-quotas request-service-quota-increase      ask AWS for more, or ask for less",
    )


def _text(error: Exception) -> str:
    text = str(error).rstrip(".")
    return text[:1].lower() + text[1:]
