"""The composition root of `bootstrapping`, as `wiring` is of everything else: adapters are chosen here."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.adapters import bundled, files
from orchestrator.adapters.clock import SystemClock
from orchestrator.adapters.spec import reading, writing
from orchestrator.adapters.stacks import CloudFormation
from orchestrator.api import wiring
from orchestrator.api.selection import Manner, Selection
from orchestrator.core.errors import OrchestratorError, RefusedError
from orchestrator.core.spec import Spec
from orchestrator.usecases.edge import Patience
from orchestrator.usecases.settling import Onlooker, Site

_READABLE = 0o644
# CloudFormation needs minutes; who looks every 5 s is not slowed down by its limits.
_INTERVAL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Connected:
    """An account and region that was logged in to.

    Attributes:
        caller: The ARN of whoever we are there.
    """

    site: Site
    caller: str
    region: str


def read(selection: Selection, environ: Mapping[str, str] = os.environ) -> Spec:
    """Read the spec for an environment that it need not have a table for.

    Args:
        selection: Which spec, environment and endpoint.
        environ: The variables that count; without any, and without settings, what the file itself says.

    Raises:
        SpecError: If the spec is wrong.
    """
    return reading.read(
        Path(selection.path),
        selection.env,
        endpoint=selection.endpoint,
        flags=dict(selection.settings),
        environ=environ,
        may_be_new=True,
    ).spec


def connect(spec: Spec, profile: str | None, manner: Manner, onlooker: Onlooker) -> Connected:
    """Log in to the spec's environment as ourselves: the role to take on may be what is about to be made.

    Raises:
        DeniedError: If there are no credentials.
        SpecError: If nobody says which region.
    """
    target = replace(spec.target, assume_role=None)
    clients, account = wiring.login(target, profile, start_local=manner.start_local)
    site = Site(
        CloudFormation(clients),
        manner.clock(SystemClock()),
        onlooker,
        Patience(_INTERVAL_SECONDS, manner.deadline_seconds),
    )
    return Connected(site, account.identity(), str(clients("cloudformation").meta.region_name))


def write_files(folder: str, contents: Mapping[str, str], *, replaces: bool) -> tuple[str, ...]:
    """Write files that anybody may read to a folder, which is made if it is not there; return their paths.

    Args:
        folder: Where.
        contents: The files' texts, by name.
        replaces: Whether files with other contents may be replaced.

    Raises:
        RefusedError: If some would be, and may not.
        OrchestratorError: If one cannot be written.
    """
    paths = {str(Path(folder) / name): text for name, text in contents.items()}
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        others = [path for path, text in paths.items() if _is_another(Path(path), text)]
    except OSError as error:
        raise OrchestratorError(f"making '{folder}': {error.strerror or error}") from error
    if others and not replaces:
        raise RefusedError(
            f"'{folder}' has files of these names with something else in them",
            details=[("files", ", ".join(others)), ("state", "nothing was written")],
            hint="orchestrator bootstrap --emit DIR --overwrite          replace them",
        )
    for path, text in paths.items():
        files.write(path, text.encode("utf-8"), mode=_READABLE)
    return tuple(paths)


def _is_another(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() != text.encode("utf-8")


template = bundled.infra
spec_text = writing.read
own_settings = writing.settings
environments = writing.environments
with_settings = writing.with_settings
write_spec = writing.write
