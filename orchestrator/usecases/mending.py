"""What `doctor --fix` does: nothing that serves is changed, and nothing that is not ours is touched."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import assert_never

from orchestrator.core.errors import ConflictError
from orchestrator.core.premises import Machine, Vault
from orchestrator.core.repairs import Deed, Repair
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.holding import holder


@dataclass(frozen=True, slots=True)
class Tools:
    """What repairs are made with.

    Attributes:
        start_local_cloud: Starts it.
        edges: The outside worlds that were examined, by endpoint.
        vaults: The buckets, by name.
    """

    machine: Machine
    start_local_cloud: Callable[[], object]
    edges: Mapping[str, Edge]
    vaults: Mapping[str, Vault]


def mend(repair: Repair, tools: Tools) -> None:
    """Carry out one repair.

    Raises:
        OrchestratorError: If that was not possible; nothing else has changed.
    """
    match repair.deed:
        case Deed.RESTRICT:
            tools.machine.restrict(repair.of)
        case Deed.START_LOCAL_CLOUD:
            tools.start_local_cloud()
        case Deed.RELEASE_LOCK:
            _release(repair.of, tools.edges[repair.of])
        case Deed.ENCRYPT:
            tools.vaults[repair.of].encrypt()
        case Deed.BLOCK_PUBLIC_ACCESS:
            tools.vaults[repair.of].block_public_access()
        case Deed.KEEP_VERSIONS:
            tools.vaults[repair.of].keep_versions()
        case _:
            assert_never(repair.deed)


def _release(endpoint: str, edge: Edge) -> None:
    """Remove a lock that has run out, unless somebody takes it at the same moment.

    Raises:
        ConflictError: If somebody holds it now.
    """
    # The tag first: a claim that is written after this read has another one, and stays.
    found = edge.lock.read()
    claim = holder(edge)
    if found is None or claim is None:
        return
    if not claim.expired or not edge.lock.clear(found.tag):
        raise ConflictError(
            f"somebody has taken the lock of endpoint '{endpoint}' meanwhile",
            details=[("state", "nothing has changed")],
            hint=f"orchestrator status {endpoint}          who holds it",
        )
