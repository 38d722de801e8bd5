"""The composition root: which adapter stands behind which port. The only module that imports adapters."""

import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.cli.options import Options
from orchestrator.core import golden
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.golden import Case
from orchestrator.core.spec import Spec, Target
from orchestrator.localcloud import defaults, lifecycle
from orchestrator.usecases.edge import Edge, Patience
from orchestrator.usecases.plan import needed

if TYPE_CHECKING:
    from orchestrator.adapters.aws import Address, Clients
    from orchestrator.adapters.specfile import Resolved
    from orchestrator.core.checkpoint import Checkpoint
    from orchestrator.core.ports import Load
    from orchestrator.usecases.build import Build, Packaging
    from orchestrator.usecases.inspect import InspectedArchive
    from orchestrator.usecases.verify import Verified

_LOCAL_INTERVAL_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Project:
    """A spec and the outside world of its environment."""

    spec: Spec
    edge: Edge


def resolve(options: Options) -> "Resolved":
    """Read the spec for the environment that was asked for.

    Raises:
        SpecError: If the spec is wrong.
    """
    from orchestrator.adapters import specfile

    flags = {} if options.region is None else {"region": options.region}
    return specfile.read(Path(options.config), options.env, flags=flags, environ=os.environ)


def spec_schema() -> str:
    """Return the JSON Schema of the spec."""
    from orchestrator.adapters import specfile

    return specfile.schema_text()


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


def golden_cases(spec: Spec) -> tuple[Case, ...]:
    """Return the project's golden cases."""
    from orchestrator.adapters import sources

    if spec.golden.cases is None:
        return ()
    found = sources.golden_files(spec.root, spec.golden.cases)
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


def download(options: Options, url: str, into: str) -> None:
    """Fetch an artifact from the environment's S3, and unpack it to the new folder ``into``.

    Raises:
        NotFoundError: If nothing is there.
        ArtifactError: If it is damaged, or a name in it breaks a rule.
    """
    from orchestrator.adapters import artifacts, aws

    spec = resolve(options).spec
    is_ours = not spec.target.is_local and url.startswith(f"s3://{spec.target.bucket}/")
    clients = aws.clients(_address(spec, options, start_local=False))
    artifacts.fetch(clients, url, into, owner=spec.target.bucket_owner if is_ours else None)


def open_project(
    options: Options,
    *,
    endpoint: str | None = None,
    start_local: bool = False,
    deadline_seconds: float = 3600.0,
) -> Project:
    """Read the spec and connect to its environment.

    Args:
        options: What was asked for.
        endpoint: Whose journal to open, if not the project's own.
        start_local: Whether to start the local cloud if it is not running.
        deadline_seconds: How long a change may take before we stop watching it.

    Raises:
        SpecError: If the spec is wrong, or lacks a setting the environment needs.
        DeniedError: If there are no credentials.
        OrchestratorError: If the local cloud is needed and not running.
    """
    spec = resolve(options).spec
    bucket = needed(spec.target.bucket, "bucket", spec)
    from orchestrator.adapters import aws

    clients = aws.clients(_address(spec, options, start_local=start_local))
    if spec.target.is_local:
        spec = _furnished(spec, clients)
    interval = _LOCAL_INTERVAL_SECONDS if spec.target.is_local else Patience().interval_seconds
    patience = Patience(interval, deadline_seconds)
    return Project(spec, _edge(clients, bucket, spec.target, endpoint or spec.name, patience))


def _address(spec: Spec, options: Options, *, start_local: bool) -> "Address":
    from orchestrator.adapters.aws import Address

    target = spec.target
    if not target.is_local:
        return Address(region=target.region, profile=options.profile, assume_role=target.assume_role)
    credentials = (defaults.ACCESS_KEY, defaults.SECRET_KEY)
    url = _local_url(start=start_local)
    return Address(region=target.region, endpoint_url=url, credentials=credentials)


def _local_url(*, start: bool) -> str:
    state_dir = lifecycle.default_state_dir(os.environ)
    found = lifecycle.start(state_dir) if start else lifecycle.running(state_dir)
    if found is None:
        raise OrchestratorError(
            "the local cloud is not running",
            hint="orchestrator local-cloud start\norchestrator deploy               starts it, too",
        )
    return found.url


def _furnished(spec: Spec, clients: "Clients") -> Spec:
    from orchestrator.adapters.sandbox import furnish

    target = spec.target
    role = furnish(clients, bucket=str(target.bucket), role=str(target.role), region=str(target.region))
    return replace(spec, target=replace(target, role=role))


def _edge(clients: "Clients", bucket: str, target: Target, endpoint: str, patience: Patience) -> Edge:
    from orchestrator.adapters import images
    from orchestrator.adapters.clock import SystemClock
    from orchestrator.adapters.journal import S3Journal
    from orchestrator.adapters.logs import CloudWatchLogs
    from orchestrator.adapters.runtime import SageMakerRuntime
    from orchestrator.adapters.sagemaker import SageMaker
    from orchestrator.adapters.store.s3 import S3Store

    # The local cloud has neither the key nor the account that the spec may name for a real one.
    kms_key, owner = (None, None) if target.is_local else (target.kms_key, target.bucket_owner)
    store = S3Store(clients, bucket, kms_key=kms_key, owner=owner)
    return Edge(
        cloud=SageMaker(clients),
        store=store,
        journal=S3Journal(store, endpoint),
        runtime=SageMakerRuntime(clients),
        logs=CloudWatchLogs(clients),
        images=images,
        clock=SystemClock(),
        patience=patience,
    )
