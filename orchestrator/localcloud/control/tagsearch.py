"""Our resources among those that the Resource Groups Tagging API finds.

That service is moto's, and looks for tags in moto's own stores, where ours are not.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from moto.core.resource_tagging import TaggedResource
from moto.resourcegroupstaggingapi import models

from orchestrator.localcloud.world import Scope
from orchestrator.localcloud.worlds import Worlds

_MOTOS = models.iter_taggable_backends  # type: ignore[attr-defined]  # the name that is used there


@dataclass(frozen=True, slots=True)
class Ours:
    """The resources of one account and region, in the form in which moto's stores show theirs.

    Attributes:
        worlds: Where they are.
        scope: The account and the region.
    """

    worlds: Worlds
    scope: Scope

    def iter_tagged_resources(self) -> Iterator[TaggedResource]:
        """Yield each that has tags, or had some."""
        for arn, tags in self.worlds.at(self.scope).tags.items():
            kind = arn.rpartition(":")[2].partition("/")[0]
            yield TaggedResource(arn=arn, tags=dict(tags), resource_type=f"sagemaker:{kind}")

    def owns_arn(self, arn: str) -> bool:  # noqa: ARG002 - as moto's stores have it
        """Tell that nothing is tagged in this way: SageMaker's own AddTags is there for it."""
        return False


def show_ours(worlds: Worlds) -> None:
    """Let moto look for tags in ``worlds`` as well, and in no others from now on."""

    def everywhere(account_id: str, region_name: str) -> Iterator[Any]:
        yield from _MOTOS(account_id, region_name)
        yield Ours(worlds, Scope(account_id, region_name))

    models.iter_taggable_backends = everywhere  # type: ignore[attr-defined]  # that is what we are here for
