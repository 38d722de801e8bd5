"""What `doctor --fix` can do about a finding: only what changes nothing that serves.

Must not know how it is done: that is `orchestrator.usecases.mending`.
"""

import enum
from dataclasses import dataclass


class Deed(enum.StrEnum):
    """A kind of repair."""

    RESTRICT = "restrict"
    START_LOCAL_CLOUD = "start-local-cloud"
    RELEASE_LOCK = "release-lock"
    ENCRYPT = "encrypt"
    BLOCK_PUBLIC_ACCESS = "block-public-access"
    KEEP_VERSIONS = "keep-versions"


@dataclass(frozen=True, slots=True)
class Repair:
    """One repair.

    Attributes:
        of: What it is done to: a path, a bucket, an endpoint; empty where there is only one.
        says: What is done, such as ``let nobody else read /home/ada/.aws/credentials``.
    """

    deed: Deed
    of: str
    says: str
