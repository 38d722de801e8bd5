"""The composition root of `doctor`: like `orchestrator.api.wiring`, which knows everything else."""

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.adapters import aws, servicemodels, sources
from orchestrator.adapters.account import AwsAccount
from orchestrator.adapters.aws import Clients
from orchestrator.adapters.clock import SystemClock
from orchestrator.adapters.machine import ThisMachine
from orchestrator.adapters.premises.logins import AwsLogin
from orchestrator.adapters.premises.offices import AwsPremises
from orchestrator.adapters.premises.vaults import BucketVault
from orchestrator.adapters.retrying import Pacing
from orchestrator.adapters.spec import reading
from orchestrator.adapters.store.bucket import Bucket
from orchestrator.api import wiring
from orchestrator.api.selection import Manner, Selection, Shared
from orchestrator.core.errors import SpecError
from orchestrator.core.premises import Vault
from orchestrator.core.spec import Spec
from orchestrator.core.target import LOCAL, Target
from orchestrator.localcloud import lifecycle
from orchestrator.usecases.examining.login import Door
from orchestrator.usecases.examining.machine import Ground
from orchestrator.usecases.examining.project import Bench
from orchestrator.usecases.examining.scene import Reach
from orchestrator.usecases.examining.table import Once
from orchestrator.usecases.plan import needed

_ATTEMPTS = 2


def machine() -> ThisMachine:
    """Return this machine."""
    return ThisMachine(os.environ)


def ground(environment: str) -> Ground:
    """Return this machine, as an environment needs it."""
    state = lifecycle.default_state_dir(os.environ)
    credentials = os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials"
    return Ground(
        machine=machine(),
        is_local=environment == LOCAL,
        # Python takes another folder, without a word, where this one cannot be used.
        temp=os.environ.get("TMPDIR") or tempfile.gettempdir(),
        state=str(state),
        credentials=os.path.expanduser(credentials),  # noqa: PTH111 - it may name a user that does not exist
        runs=runs,
    )


def usual_region() -> str | None:
    """Return the region that holds where no spec says one."""
    names = ("ORCHESTRATOR_REGION", "AWS_REGION", "AWS_DEFAULT_REGION")
    return next(filter(None, map(os.environ.get, names)), None)


def runs() -> bool:
    """Tell whether the local cloud runs."""
    return lifecycle.running(lifecycle.default_state_dir(os.environ)) is not None


def start_local_cloud() -> None:
    """Start the local cloud."""
    lifecycle.start(lifecycle.default_state_dir(os.environ))


def problems(selection: Selection) -> tuple[SpecError, ...]:
    """Return everything that is wrong with the spec."""
    path = Path(selection.path)
    return reading.problems(path, selection.env, flags=dict(selection.settings), environ=os.environ)


def bench(spec: Spec) -> Bench:
    """Return the project and the tools to look at it."""
    packaging, path = wiring.packaging(), str(Path(spec.root) / spec.model.path)
    examined = Once(lambda: packaging.checkpoints.examine(path, spec.model.format))
    return Bench(spec, packaging, sources.golden_files, machine(), examined)


@dataclass(frozen=True, slots=True)
class Entrance:
    """The way into an account, and what is behind it.

    Attributes:
        shared: Holds the login, so that whoever connects to the same target uses it.
        enter: Returns the clients of the one who deploys.
    """

    door: Door
    shared: Shared
    enter: Callable[[], Clients]


def entrance(target: Target, profile: str | None, shared: Shared) -> Entrance:
    """Return the way into a target's account; nobody is asked yet.

    Args:
        target: Where to.
        profile: Of the AWS configuration.
        shared: Holds the logins of this examination: of many endpoints, the first logs in for all.

    Raises:
        OrchestratorError: If the local cloud is needed and not running.
    """
    address = wiring.address_of(target, profile, start_local=False)
    pacing = Pacing(SystemClock(), most_attempts=_ATTEMPTS)

    def logged_in() -> tuple[Clients, AwsAccount]:
        made = aws.clients(address, pacing, aws.IN_A_HURRY)
        return made, AwsAccount(made)

    told = frozenset(
        value.rstrip("/") for name, value in os.environ.items() if name.startswith("AWS_ENDPOINT_URL")
    )
    enter = Once(lambda: shared.once(address, logged_in)[0])
    if address.assume_role is None:
        login = Once(lambda: AwsLogin(enter()))
        return Entrance(Door(target, login, login, _regions, profile, told), shared, enter)
    alone = replace(address, assume_role=None)
    ourselves = Once(lambda: AwsLogin(aws.clients(alone, pacing, aws.IN_A_HURRY)))
    other = Once(lambda: AwsLogin(enter()))
    return Entrance(Door(target, ourselves, other, _regions, profile, told), shared, enter)


def _regions() -> tuple[str, ...]:
    return servicemodels.regions("sagemaker")


def connect(spec: Spec, name: str, profile: str | None, way: Entrance) -> tuple[Spec, Reach]:
    """Return what was connected to; the spec comes back with what the local cloud gives to it.

    Raises:
        DeniedError: If nobody lets us in.
    """
    clients = way.enter()
    caller = way.door.deployer().caller()
    furnished = Once(lambda: wiring.connect(spec, name, profile, Manner(shared=way.shared)))
    whole = furnished()[0] if spec.target.is_local else spec

    def vault() -> Vault:
        target = spec.target
        bucket = needed(target.bucket, "bucket", spec)
        owner = None if target.is_local else target.bucket_owner
        return BucketVault(Bucket(clients, bucket, owner=owner))

    return whole, Reach(lambda: furnished()[1], vault, AwsPremises(clients), caller)
