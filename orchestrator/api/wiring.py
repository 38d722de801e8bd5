"""The composition root: which adapter stands behind which port. Some commands have one of their own."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.api.selection import Manner, Selection
from orchestrator.core import golden
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.golden import Case
from orchestrator.core.names import head_key, lock_key
from orchestrator.core.spec import Spec
from orchestrator.core.target import Target
from orchestrator.localcloud import defaults, killed, lifecycle
from orchestrator.usecases.edge import Edge, Patience
from orchestrator.usecases.plan import needed

if TYPE_CHECKING:
    from orchestrator.adapters.aws import Address, Clients
    from orchestrator.adapters.spec.reading import Resolved
    from orchestrator.core.checkpoint import Checkpoint
    from orchestrator.core.clouds import Account
    from orchestrator.core.ports import Load
    from orchestrator.usecases.build import Build, Packaging
    from orchestrator.usecases.inspect import InspectedArchive
    from orchestrator.usecases.verify import Verified

_LOCAL_INTERVAL_SECONDS = 0.25
_MAX_FILE_BYTES = 64 * 1024 * 1024


def resolve(selection: Selection) -> "Resolved":
    """Read the spec for the environment and the endpoint that were asked for.

    Raises:
        SpecError: If the spec is wrong.
    """
    from orchestrator.adapters.spec import reading

    return reading.read(
        Path(selection.path),
        selection.env,
        endpoint=selection.endpoint,
        flags=dict(selection.settings),
        environ=os.environ,
    )


def endpoints(selection: Selection) -> tuple[str, ...]:
    """Return the names of all endpoints of the spec, in the order of its tables.

    Raises:
        SpecError: If the spec is wrong.
    """
    from orchestrator.adapters.spec import reading

    return reading.known_endpoints(Path(selection.path))


def spec_schema() -> str:
    """Return the JSON Schema of the spec."""
    from orchestrator.adapters.spec import reading

    return reading.schema_text()


def commit(root: str) -> str:
    """Return the commit that the folder is at, marked if files differ from it; empty if nobody can tell."""
    from orchestrator.adapters import commits

    return commits.describe(root, os.environ)


def read_file(path: str, limit_bytes: int = _MAX_FILE_BYTES) -> bytes:
    """Return what is in a file that was named on the command line.

    Raises:
        OrchestratorError: If it cannot be read, or is too large to be one of ours.
    """
    from orchestrator.adapters import files

    return files.read(path, limit_bytes)


def write_file(path: str, content: bytes, *, mode: int = 0o600) -> None:
    """Write a file that was named on the command line, whole or not at all.

    Raises:
        OrchestratorError: If it cannot be written.
    """
    from orchestrator.adapters import files

    files.write(path, content, mode=mode)


def packaging() -> "Packaging":
    """Return the outside of packaging."""
    from orchestrator.adapters import checkpoints, rendering, sources
    from orchestrator.adapters.archives import tarball
    from orchestrator.adapters.builds import BuildsFile
    from orchestrator.adapters.trial import LocalTrial
    from orchestrator.usecases.build import Packaging

    return Packaging(
        checkpoints=checkpoints,
        sources=sources,
        generator=rendering,
        archives=tarball,
        trial=LocalTrial(os.environ),
        builds=BuildsFile(lifecycle.state_home(os.environ)),
        today=datetime.now(UTC).date().isoformat(),
    )


def inspect(path: str, format_: str) -> "Checkpoint | InspectedArchive":
    """Say what a model file or an archive holds; nothing of it is run."""
    from orchestrator.adapters import checkpoints
    from orchestrator.adapters.archives import tarball
    from orchestrator.usecases.inspect import inspect as inspect_model

    return inspect_model(path, format_, checkpoints, tarball)


def stage(made: "Build", into: str) -> None:
    """Lay a build out in the new folder ``into``, as the container finds it."""
    from orchestrator.adapters.archives import tarball

    tarball.stage(into, made.members)


def golden_cases(spec: Spec, pattern: str | None = None) -> tuple[Case, ...]:
    """Return the project's golden cases, or those that match a ``pattern`` in place of the spec's."""
    from orchestrator.adapters import sources

    wanted = spec.golden.cases if pattern is None else pattern
    if wanted is None:
        return ()
    found = sources.golden_files(spec.root, wanted)
    return tuple(golden.parse(name, content) for name, content in found)


def verify(path: str) -> "Verified":
    """Check an archive."""
    from orchestrator.adapters.archives import tarball
    from orchestrator.usecases.verify import verify as verify_archive

    return verify_archive(path, tarball)


def load(url: str, token: str | None) -> "Load":
    """Return a server to put under load.

    Raises:
        SpecError: If ``url`` is not the address of one, or ``token`` fits no header.
    """
    from orchestrator.adapters.load import HttpLoad

    return HttpLoad(url, token)


def extract(archive: str, into: str) -> None:
    """Unpack an archive that may be a stranger's into the new folder ``into``."""
    from orchestrator.adapters.archives import tarball

    tarball.extract(archive, into)


def download(selection: Selection, url: str, into: str) -> None:
    """Fetch an artifact from the environment's S3, and unpack it to the new folder ``into``.

    Raises:
        NotFoundError: If nothing is there.
        ArtifactError: If it is damaged, or a name in it breaks a rule.
    """
    from orchestrator.adapters import artifacts

    spec = resolve(selection).spec
    is_ours = not spec.target.is_local and url.startswith(f"s3://{spec.target.bucket}/")
    found, _ = login(spec.target, selection.profile)
    artifacts.fetch(found, url, into, owner=spec.target.bucket_owner if is_ours else None)


def connect(
    spec: Spec, endpoint: str, profile: str | None = None, manner: Manner | None = None
) -> tuple[Spec, Edge]:
    """Connect to the spec's environment; the spec comes back with what the local cloud gives to it.

    Args:
        spec: The project.
        endpoint: Whose journal and lock to open.
        profile: Of the AWS configuration.
        manner: How.

    Raises:
        SpecError: If the spec lacks a setting the environment needs.
        DeniedError: If there are no credentials.
        OrchestratorError: If the local cloud is needed and not running.
    """
    manner = manner or Manner()
    needed(spec.target.bucket, "bucket", spec)
    address = address_of(spec.target, profile, start_local=manner.start_local)
    # Of the many endpoints of one spec, the first to come logs in for all of the same account and region.
    login = manner.shared.once(address, lambda: _logged_in(address))
    if spec.target.is_local:
        spec = _furnished(spec, login[0])
    return spec, _edge(login, spec.target, endpoint, manner)


def login(
    target: Target, profile: str | None = None, *, start_local: bool = False
) -> tuple["Clients", "Account"]:
    """Return the clients for a target, and the account behind them; raises what `connect` does."""
    return _logged_in(address_of(target, profile, start_local=start_local))


def address_of(target: Target, profile: str | None, *, start_local: bool) -> "Address":
    """Return where to log in for a target, and as whom; raises if the local cloud is needed and absent."""
    from orchestrator.adapters.aws import Address
    from orchestrator.adapters.processes import session_name

    if not target.is_local:
        name = session_name(os.environ)
        return Address(target.region, profile, assume_role=target.assume_role, session_name=name)
    local = _local_cloud(start=start_local)
    keys = (local.options.token or defaults.ACCESS_KEY, defaults.SECRET_KEY)
    return Address(region=target.region, endpoint_url=local.url, credentials=keys)


def _logged_in(address: "Address") -> tuple["Clients", "Account"]:
    """Return the clients for an address, and the account behind them, which asks for its quotas once."""
    from orchestrator.adapters import aws
    from orchestrator.adapters.account import AwsAccount

    clients = aws.clients(address)
    return clients, AwsAccount(clients)


def _local_cloud(*, start: bool) -> lifecycle.Running:
    state_dir = lifecycle.default_state_dir(os.environ)
    found = lifecycle.running(state_dir)
    if found is None and start:
        killed.check(state_dir)
        found = lifecycle.start(state_dir)
    if found is None:
        raise OrchestratorError(
            "the local cloud is not running",
            hint="orchestrator local-cloud start\norchestrator deploy               starts it, too",
        )
    return found


def _furnished(spec: Spec, clients: "Clients") -> Spec:
    from orchestrator.adapters.sandbox import furnish

    target = spec.target
    role = furnish(clients, bucket=str(target.bucket), role=str(target.role), region=str(target.region))
    return replace(spec, target=replace(target, role=role))


def _edge(login: tuple["Clients", "Account"], target: Target, endpoint: str, manner: Manner) -> Edge:
    from orchestrator.adapters import apimodel, images
    from orchestrator.adapters.autoscaling import ApplicationAutoscaling
    from orchestrator.adapters.clock import SystemClock
    from orchestrator.adapters.cloudwatch import CloudWatch
    from orchestrator.adapters.journal import S3Journal
    from orchestrator.adapters.logs import CloudWatchLogs
    from orchestrator.adapters.processes import LocalProcesses
    from orchestrator.adapters.runtime import SageMakerRuntime
    from orchestrator.adapters.sagemaker import SageMaker
    from orchestrator.adapters.slot import S3Slot
    from orchestrator.adapters.store.s3 import S3Store

    clients, account = login
    # The local cloud has neither the key nor the account that the spec may name for a real one.
    kms_key, owner = (None, None) if target.is_local else (target.kms_key, target.bucket_owner)
    store = S3Store(clients, str(target.bucket), kms_key=kms_key, owner=owner)
    sagemaker = SageMaker(clients)
    interval = _LOCAL_INTERVAL_SECONDS if target.is_local else Patience().interval_seconds
    return Edge(
        cloud=sagemaker,
        inventory=sagemaker,
        limits=apimodel,
        account=account,
        autoscaling=ApplicationAutoscaling(clients),
        alarms=CloudWatch(clients),
        store=store,
        journal=S3Journal(store, S3Slot(store.bucket, head_key(endpoint)), endpoint),
        lock=S3Slot(store.bucket, lock_key(endpoint)),
        runtime=SageMakerRuntime(clients),
        logs=CloudWatchLogs(clients),
        images=images,
        clock=manner.clock(SystemClock()),
        patience=Patience(interval, manner.deadline_seconds),
        processes=LocalProcesses(),
    )
