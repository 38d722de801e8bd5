"""Who we are to AWS, where our calls go, and whether the spec is about the same account."""

import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from orchestrator.core.checkup import Group
from orchestrator.core.errors import (
    CloudError,
    DeniedError,
    NotFoundError,
    SpecError,
    ThrottledError,
    UnreachableError,
)
from orchestrator.core.health import Finding, Severity
from orchestrator.core.premises import Login, account_of
from orchestrator.core.target import Target
from orchestrator.usecases.examining.table import Check, MootError, Where, one_line

# IAM user guide, "Signature Version 4": a request has to arrive within five minutes of its time stamp.
_TOLERATED_SECONDS = 300
_DOUBTFUL_SECONDS = 60
DOMAINS = (
    *(".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".api.amazonwebservices.com.cn", ".on.aws"),
    *(".amazonaws.eu", ".api.amazonwebservices.eu", ".c2s.ic.gov", ".sc2s.sgov.gov", ".cloud.adc-e.uk"),
    *(
        ".csp.hci.ic.gov",
        ".api.aws.ic.gov",
        ".api.aws.scloud",
        ".api.cloud-aws.adc-e.uk",
        ".api.aws.hci.ic.gov",
    ),
)
"""What the addresses of AWS end with: botocore's partitions, and those of dual stack."""


@dataclass(frozen=True, slots=True)
class Door:
    """The way into an account.

    Attributes:
        ourselves: Logs in as whoever we are.
        deployer: Logs in as the one who deploys: the role that the spec names, or else ourselves.
        regions: Returns the regions in which SageMaker is known to be offered.
        profile: Of the AWS configuration, if one was named.
        told: Addresses that variables name: `endpoint-variables` speaks of them.
    """

    target: Target
    ourselves: Callable[[], Login]
    deployer: Callable[[], Login]
    regions: Callable[[], Sequence[str]]
    profile: str | None = None
    told: frozenset[str] = frozenset()


def _region(door: Door) -> Iterator[Finding]:
    region, environment = door.target.region, door.target.environment
    if region is None:
        fix = f"set region in [env.{environment}] of the spec, or ORCHESTRATOR_REGION"
        yield Finding(Severity.ERROR, "region", f"none is set for the environment '{environment}'", fix)
        return
    known = door.regions()
    if known and region not in known:
        near = difflib.get_close_matches(region, known, n=1)
        what = "SageMaker is not known to be offered there"
        fix = f'region = "{near[0]}"' if near else "set another; or, if it is new, pip install -U botocore"
        yield Finding(Severity.ERROR, f"region {region}", what, fix)


def _credentials(door: Door) -> Iterator[Finding]:
    if door.target.region is None:
        raise MootError("there is no region to ask in")
    try:
        door.ourselves().caller()
    except (ThrottledError, UnreachableError):
        raise
    except CloudError as error:
        subject = f"credentials of profile {door.profile}" if door.profile else "credentials"
        fix = error.hint or "aws configure list          what the AWS configuration says, and where"
        yield Finding(Severity.ERROR, subject, one_line(error), fix)


def _known(door: Door) -> Login | None:
    """Return ourselves; ``None`` if AWS does not know who we are, or nobody says in which region to ask."""
    if door.target.region is None:
        return None
    try:
        login = door.ourselves()
        login.caller()
    except (ThrottledError, UnreachableError):
        raise
    except (CloudError, SpecError):
        return None
    return login


def _assume_role(door: Door) -> Iterator[Finding]:
    if _known(door) is None:
        raise MootError("AWS does not know us")
    if door.target.assume_role is None:
        return
    try:
        door.deployer().caller()
    except (DeniedError, NotFoundError) as error:
        fix = error.hint or "aws sts get-caller-identity          who has to be in the role's trust policy"
        yield Finding(Severity.ERROR, f"assume_role_arn {door.target.assume_role}", one_line(error), fix)


def _is_let_in(door: Door) -> bool:
    try:
        door.deployer().caller()
    except (DeniedError, NotFoundError):
        return False
    return True


def _identity(door: Door) -> Iterator[Finding]:
    if _known(door) is None or not _is_let_in(door):
        raise MootError("we are not let in")
    account = door.deployer().caller().account
    role = door.target.role
    named = account_of(role) if role else account
    if named != account:
        what = (
            f"it is of account {named}, and we are in account {account}: a role goes to its own account only"
        )
        fix = "set assume_role_arn to a role of that account, or name another --profile"
        yield Finding(Severity.ERROR, f"role_arn {role}", what, fix)


def _clock(door: Door) -> Iterator[Finding]:
    if door.target.region is None:
        raise MootError("there is no region to ask in")
    try:
        skew = door.ourselves().skew_seconds()
    except (ThrottledError, UnreachableError):
        raise
    except CloudError as error:
        raise MootError("there are no credentials") from error
    if skew is None or abs(skew) < _DOUBTFUL_SECONDS:
        return
    way = "ahead of" if skew > 0 else "behind"
    what = f"it is {abs(skew):.0f} s {way} AWS's; from {_TOLERATED_SECONDS} s on, AWS refuses calls"
    severity = Severity.ERROR if abs(skew) >= _TOLERATED_SECONDS else Severity.WARNING
    yield Finding(severity, "clock of this machine", what, "sudo timedatectl set-ntp true")


def _addresses(door: Door) -> Iterator[Finding]:
    login = door.deployer() if _known(door) is not None and _is_let_in(door) else None
    elsewhere: dict[str, list[str]] = {}
    if login is None:
        raise MootError("AWS does not know us")
    for service, address in login.addresses().items():
        is_aws = (urlsplit(address).hostname or "").endswith(DOMAINS)
        if not is_aws and address.rstrip("/") not in door.told:
            elsewhere.setdefault(address, []).append(service)
    for address, services in elsewhere.items():
        what = f"calls of {', '.join(services)} go to {address}, which is no address of AWS's"
        fix = "unset AWS_ENDPOINT_URL, and take endpoint_url out of the AWS configuration"
        yield Finding(Severity.WARNING, "addresses of AWS", what, fix)


_ERROR, _WARNING = Severity.ERROR, Severity.WARNING
_LOGIN, _REMOTE = Group.LOGIN, Where.REMOTE

CHECKS = (
    Check("region", _LOGIN, "the region: named, and with SageMaker", _ERROR, _region, _REMOTE),
    Check("credentials", _LOGIN, "whether AWS knows who we are", _ERROR, _credentials, _REMOTE),
    Check("assume-role", _LOGIN, "whether we may take on assume_role_arn", _ERROR, _assume_role, _REMOTE),
    Check("identity", _LOGIN, "whether the spec is about the account we are in", _ERROR, _identity, _REMOTE),
    Check("clock", _LOGIN, "this machine's clock against AWS's", _ERROR, _clock, _REMOTE),
    Check("addresses", _LOGIN, "whether calls go to AWS", _WARNING, _addresses, _REMOTE),
)
