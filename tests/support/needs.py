"""Questions to IAM: what a call asks about whom, and where calls go."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Context = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Need:
    """One question to IAM.

    Attributes:
        action: Such as ``s3:GetObject``.
        resource: An ARN, or ``*`` where no resource can be named.
        context: The condition keys that the request has.
        why: The call that asks for it.
    """

    action: str
    resource: str
    context: Context = field(hash=False, default_factory=dict)
    why: str = ""


@dataclass(slots=True)
class Place:
    """Where calls go, and what their requests do not say: the tags that things have.

    Attributes:
        key: The ARN of the key that the bucket encrypts with.
    """

    account: str
    region: str
    key: str
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    partition: str = "aws"

    def arn(self, service: str, rest: str) -> str:
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{rest}"

    def sagemaker(self, kind: str, name: str) -> str:
        # SageMaker's ARNs are in lower case, whatever the name is.
        return self.arn("sagemaker", f"{kind}/{name.lower()}")

    def via(self, service: str) -> Context:
        return {"kms:ViaService": (f"{service}.{self.region}.amazonaws.com",)}


Parameters = Mapping[str, Any]
Ask = Callable[[Parameters, Place], Iterator[Need]]
