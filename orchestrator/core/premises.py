"""What only an examination asks of the outside: of this machine, and of what an account has for deployments.

All methods on AWS raise `DeniedError` where we may not look, `UnreachableError` where nobody answers, and
`NotFoundError` where there is no such thing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrator.core.resources import Vpc

BY_S3 = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
"""The default encryption with S3's own keys, as PutBucketEncryption takes it."""

PUBLIC_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
"""The settings of the public access block, as PutPublicAccessBlock takes them."""


@dataclass(frozen=True, slots=True)
class Package:
    """An installed package.

    Attributes:
        requires_python: The versions of Python that it is for, such as ``>=3.10``; empty if it does not say.
    """

    version: str
    requires_python: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A file or folder of this machine.

    Attributes:
        exists: Whether it is there.
        writable: Whether we may write to it or, where it is absent, could make it.
        mode: Its permissions, such as ``0o700``; 0 where it is absent or somebody else's.
        free_bytes: Of the disk that it lies on, or would; ``None`` if nobody can tell.
        is_blocked: Whether no folder can be there, since it, or what it would lie in, is none.
    """

    exists: bool
    writable: bool
    mode: int = 0
    free_bytes: int | None = None
    is_blocked: bool = False


class Machine(Protocol):
    """This machine."""

    def python(self) -> str:
        """Return the version of Python that runs this, such as ``3.11.2``."""
        ...

    def variables(self) -> Mapping[str, str]:
        """Return the environment variables."""
        ...

    def package(self, name: str) -> Package | None:
        """Return an installed package, or ``None``."""
        ...

    def has_module(self, name: str) -> bool:
        """Tell whether a module can be imported by its name; it is not."""
        ...

    def own(self) -> tuple[Package, tuple[str, ...]] | None:
        """Return our own package, and what it says it requires; ``None`` where it was not installed."""
        ...

    def place(self, path: str) -> Place:
        """Look at a file or folder; nothing of it is read."""
        ...

    def restrict(self, path: str) -> None:
        """Take from everybody else what they may do with a file or folder of ours."""
        ...


@dataclass(frozen=True, slots=True)
class Caller:
    """Who AWS says we are.

    Attributes:
        skew_seconds: How far this machine's clock is ahead of AWS's; ``None`` if AWS did not say its time.
    """

    arn: str
    skew_seconds: float | None = None

    @property
    def account(self) -> str:
        """The account of the caller.

        >>> Caller("arn:aws:sts::123456789012:assumed-role/release/ada").account
        '123456789012'
        """
        return account_of(self.arn)


def account_of(arn: str) -> str:
    """Return the account that an ARN names; empty if it names none.

    >>> account_of("arn:aws:iam::123456789012:role/release")
    '123456789012'
    """
    _, _, _, _, account, *_ = (*arn.split(":"), "", "", "", "", "")
    return account


class Login(Protocol):
    """Somebody's session with AWS."""

    def caller(self) -> Caller:
        """Return who we are."""
        ...

    def skew_seconds(self) -> float | None:
        """Return how far our clock is ahead of AWS's, also where we are refused; ``None`` if unknown."""
        ...

    def addresses(self) -> Mapping[str, str]:
        """Return where the calls to each service go."""
        ...


class Premises(Protocol):
    """What a deployment rests on, and no deployment looks at."""

    def trust(self, role: str) -> Mapping[str, object]:
        """Return a role's trust policy."""
        ...

    def may_pass(self, caller: str, role: str) -> bool:
        """Tell whether the caller may hand ``role`` to SageMaker, by IAM's policy simulator."""
        ...

    def key_problem(self, key: str) -> str:
        """Return why nothing can be encrypted with a KMS key; empty if nothing is known against it."""
        ...

    def topic_problem(self, topic: str) -> str:
        """Return why nothing can be sent to an SNS topic; empty if nothing is known against it."""
        ...

    def network_problems(self, vpc: Vpc) -> tuple[str, ...]:
        """Return what is wrong with subnets and security groups."""
        ...

    def idle_rules(self, prefix: str) -> tuple[str, ...]:
        """Return the EventBridge rules whose name begins with ``prefix`` and that have no target."""
        ...


class Vault(Protocol):
    """How a bucket is kept."""

    @property
    def name(self) -> str:
        """The bucket's."""
        ...

    def encryption(self) -> str:
        """Return what new objects are encrypted with unless they say otherwise; empty for nothing."""
        ...

    def open_to_public(self) -> Sequence[str]:
        """Return the settings of the public access block that are off."""
        ...

    def keeps_versions(self) -> bool:
        """Tell whether what is deleted or written over is kept."""
        ...

    def policy(self) -> Mapping[str, object]:
        """Return its policy; empty where it has none."""
        ...

    def tags(self) -> Mapping[str, str]:
        """Return its tags."""
        ...

    def encrypt(self) -> None:
        """Let everything new be encrypted with S3's own keys."""
        ...

    def block_public_access(self) -> None:
        """Let nothing make it, or what is in it, public."""
        ...

    def keep_versions(self) -> None:
        """Let it keep what is deleted or written over."""
        ...
