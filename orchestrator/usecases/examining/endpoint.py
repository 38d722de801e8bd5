"""The live endpoint, where there is one, and who has left its lock behind."""

from collections.abc import Iterator

from orchestrator.core.checkup import Group
from orchestrator.core.containers import PROFILES
from orchestrator.core.health import Finding, Severity
from orchestrator.usecases import doctor
from orchestrator.usecases.doctor import Sight
from orchestrator.usecases.examining.scene import Scene
from orchestrator.usecases.examining.table import Check


def _endpoint(scene: Scene) -> Iterator[Finding]:
    # Nothing of AWS's images runs in the local cloud; elsewhere `container` speaks of the spec's own.
    target = scene.spec.target
    spoken = frozenset() if scene.named else frozenset({target.profile})
    told = frozenset(PROFILES) if target.is_local else spoken
    yield from doctor.examine(scene.name, scene.kept, Sight(required=scene.named, told=told))


def _lock(scene: Scene) -> Iterator[Finding]:
    yield from doctor.left_lock(scene.name, scene.kept)


CHECKS = (
    Check(
        "endpoint",
        Group.ENDPOINT,
        "all that a live endpoint is made of, its alarms, its autoscaling, its way back",
        Severity.ERROR,
        _endpoint,
    ),
    Check("lock", Group.ENDPOINT, "a lock that was left behind", Severity.NOTE, _lock, mends=True),
)
