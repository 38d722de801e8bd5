"""Sessions with AWS: whose, where and as whom.

Knows boto3; must not know what a call is for.
"""

import functools
import re
import threading
from collections.abc import Callable
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

from orchestrator.adapters.refusals import CREDENTIALS_HINT, translated
from orchestrator.adapters.retrying import PROCESS, Pacing
from orchestrator.adapters.servicemodels import NOTHING_OF_THE_SHELL, share
from orchestrator.core.errors import DeniedError

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


_ROLE = re.compile(r"arn:(aws[a-z-]*):iam::(\d{12}):role/(?:.*/)?([^/]+)")
_SESSION_OF_ROLE = re.compile(r"arn:(aws[a-z-]*):sts::(\d{12}):assumed-role/([^/]+)/.+")
IN_A_HURRY = _CONFIG.merge(Config(connect_timeout=3, read_timeout=10))
"""For whoever only looks, and would rather know that nobody answers."""

Clients = Callable[[str], Any]
"""Gives the boto3 client of a service, by its name."""


def clients(address: Address, pacing: Pacing = PROCESS, config: Config = _CONFIG) -> Clients:
    """Return a maker of boto3 clients for ``address``; it makes one of each service, for all threads.

    Args:
        address: Whom to talk to, and as whom.
        pacing: Repeats calls and slows them down; by default with all other clients of the process.
        config: How long to wait for answers, among others.

    Raises:
        DeniedError: If there are no credentials, or the role cannot be assumed.
        SpecError: From the maker, if there is no region, or none could have such a name.
    """
    # botocore would send requests for 127.0.0.1 to HTTP_PROXY unless NO_PROXY names it.
    config = config.merge(Config(proxies={})) if address.endpoint_url else config
    session = _session(address, config, pacing)
    made: dict[str, Any] = {}
    lock = threading.Lock()

    def client(service: str) -> Any:  # noqa: ANN401 - boto3 makes its clients' classes at run time
        # boto3's clients may be shared between threads; making them may not.
        with lock:
            if service not in made:
                with translated(f"reaching {service}"):
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
                hint=CREDENTIALS_HINT,
            )
    if address.assume_role is None or _is_in_role(session, address, config, pacing):
        return session
    return _role_session(session, address, config, pacing)


def _is_in_role(own: boto3.Session, address: Address, config: Config, pacing: Pacing) -> bool:
    """Tell whether our credentials are of a session of the role already, as a pipeline's are by OIDC.

    To take on one's own role again, its trust policy has to say so (IAM user guide, "Update a role trust
    policy"). A session's ARN has the role's name without its path; in an account, no two roles share a name.
    """
    with translated("asking AWS who we are"):
        sts = own.client("sts", region_name=address.region, endpoint_url=address.endpoint_url, config=config)
        pacing.attach(sts, "sts", address)
        session = _SESSION_OF_ROLE.fullmatch(sts.get_caller_identity()["Arn"])
    role = _ROLE.fullmatch(address.assume_role or "")
    return session is not None and role is not None and session.groups() == role.groups()


def _own_session(address: Address) -> boto3.Session:
    if address.credentials is None:
        own = share(botocore.session.Session(profile=address.profile))
        return boto3.Session(region_name=address.region, botocore_session=own)
    key, secret = address.credentials
    return boto3.Session(
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        region_name=address.region,
        botocore_session=share(botocore.session.Session(session_vars=NOTHING_OF_THE_SHELL)),
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

    def fetch() -> dict[str, Any]:
        # Also in the middle of another call, an hour later: the error is to name the role then, too.
        with translated(f"assuming role '{address.assume_role}'"):
            fetched: dict[str, Any] = fetcher.fetch_credentials()
        return fetched

    credentials = DeferredRefreshableCredentials(fetch, "assume-role")
    credentials.get_frozen_credentials()
    session = botocore.session.Session(
        profile=address.profile, session_vars=NOTHING_OF_THE_SHELL if address.credentials else None
    )
    session.register_component("credential_provider", CredentialResolver([_Role(credentials)]))
    return boto3.Session(region_name=address.region, botocore_session=share(session))
