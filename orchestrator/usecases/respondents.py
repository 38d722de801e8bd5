"""Whom golden cases can be asked: the project, an archive, a live endpoint."""

import contextlib
import posixpath
from collections.abc import Iterator, Sequence

from orchestrator.core.archive import MANIFEST, Member
from orchestrator.core.errors import (
    ArtifactError,
    ConflictError,
    MixedError,
    NotFoundError,
    SpecError,
    StillMovingError,
    UnhealthyError,
)
from orchestrator.core.manifest import parse_manifest
from orchestrator.core.packaging import Served
from orchestrator.core.ports import Transfer
from orchestrator.core.resources import Endpoint, EndpointConfig, EndpointStatus
from orchestrator.core.results import Kind, Subject
from orchestrator.core.revision import Revision
from orchestrator.core.spec import Spec
from orchestrator.usecases import asking, status
from orchestrator.usecases.build import Packaging, build
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.silence import SilentTransfer
from orchestrator.usecases.testing import Respondent, Variant

_SERVING = frozenset({EndpointStatus.IN_SERVICE, EndpointStatus.SYSTEM_UPDATING})


@contextlib.contextmanager
def project_served(spec: Spec, packaging: Packaging, transfer: Transfer) -> Iterator[Respondent]:
    """Build the project and serve it on this machine; no archive is written.

    Raises:
        OrchestratorError: As `orchestrator.usecases.build.build` does, or if the model does not load.
    """
    with (
        build(spec, packaging, transfer) as made,
        packaging.trial.serving(made.members) as served,
    ):
        yield _here(Subject(Kind.LOCAL, spec.name, made.identity), served, made.warnings)


@contextlib.contextmanager
def archive_served(path: str, packaging: Packaging) -> Iterator[Respondent]:
    """Serve an archive on this machine, which may be somebody else's: its code runs here.

    Raises:
        ArtifactError: If it is damaged, is not what its manifest says, or its model does not load.
    """
    with packaging.archives.unpacked(path) as folder, folder_served(folder, path, packaging) as respondent:
        yield respondent


@contextlib.contextmanager
def folder_served(folder: str, name: str, packaging: Packaging) -> Iterator[Respondent]:
    """Serve what an archive has been unpacked to.

    Args:
        folder: Where that is.
        name: What to call it.
        packaging: The outside.

    Raises:
        ArtifactError: If it is not what its manifest says, or its model does not load.
    """
    listed = Member(MANIFEST, posixpath.join(folder, MANIFEST))
    try:
        manifest = parse_manifest(packaging.sources.text(listed).encode())
    except ArtifactError as error:
        error.add_detail("archive", name, first=True)
        raise
    members = [Member(file.path, posixpath.join(folder, file.path)) for file in manifest.files]
    for file, member in zip(manifest.files, members, strict=True):
        if packaging.archives.digest(member, SilentTransfer().moved) != file:
            raise ArtifactError(
                f"'{name}' is not what its manifest says",
                details=[("found", f"'{file.path}' has changed")],
                hint="get it again, or build it again: orchestrator package",
            )
    with packaging.trial.serving((*members, listed)) as served:
        yield _here(Subject(Kind.ARCHIVE, name, manifest.identity), served)


def _here(subject: Subject, served: Served, notes: Sequence[str] = ()) -> Respondent:
    return Respondent(
        subject,
        lambda case, _: served.answer(case),
        error_behind=served.error_behind,
        notes=tuple(notes),
    )


@contextlib.contextmanager
def endpoint_serving(
    name: str, environment: str, edge: Edge, variant: Variant = None
) -> Iterator[Respondent]:
    """Yield the live endpoint, with what its answers have to carry if the journal knows what serves.

    Args:
        name: The endpoint's.
        environment: What to call where it is.
        edge: Where it is.
        variant: The one to ask; all that serve its revision's model, if none is named.

    Raises:
        NotFoundError: If there is no such endpoint.
        StillMovingError: If it moves, so that two revisions may answer.
        UnhealthyError: If it serves nothing.
        MixedError: If a way back has failed, so that two revisions answer.
        SpecError: If it has no such variant.
        ConflictError: At the end, if it has been changed meanwhile.
    """
    seen = edge.cloud.endpoint(name, tags=False)
    if seen is None:
        raise NotFoundError(f"there is no endpoint '{name}'", hint="orchestrator deploy          create it")
    _check_serving(seen)
    config = edge.inventory.config(seen.config, tags=False)
    if config is None:
        raise NotFoundError(
            f"endpoint config '{seen.config}', which endpoint '{name}' serves, is gone",
            hint=f"orchestrator doctor {name}          what else is wrong with it",
        )
    brought = status.brought_by(status.history(edge), seen)
    yield _answering(seen, config, None if brought is None else brought.revision, environment, edge, variant)
    now = edge.cloud.endpoint(name, tags=False)
    if now is None or now.config != seen.config or now.status not in _SERVING:
        state = "it is gone" if now is None else f"it is {now.status} on '{now.config}'"
        raise ConflictError(
            f"endpoint '{name}' was changed while it was asked",
            details=[("state", f"{state}; it served '{seen.config}' when the first case was asked")],
            hint="ask again once it has settled",
        )


def _check_serving(seen: Endpoint) -> None:
    name, state = seen.name, ("state", f"it is {seen.status} on '{seen.config}'")
    if seen.status in _SERVING:
        return
    if seen.status is EndpointStatus.UPDATE_ROLLBACK_FAILED:
        raise MixedError(
            f"endpoint '{name}' serves two revisions side by side, and either may answer",
            details=[state],
            hint=f"orchestrator status {name}",
        )
    if not seen.status.settled:
        raise StillMovingError(
            f"endpoint '{name}' is moving, and two revisions may answer",
            details=[state],
            hint=f"orchestrator resume --endpoint {name}          waits until it has arrived",
        )
    raise UnhealthyError(
        f"endpoint '{name}' serves nothing", details=[state], hint=f"orchestrator logs {name}"
    )


def _answering(
    seen: Endpoint,
    config: EndpointConfig,
    revision: Revision | None,
    environment: str,
    edge: Edge,
    variant: Variant,
) -> Respondent:
    is_async = config.async_inference is not None
    known = revision if revision is not None and revision.artifact else None
    variants, is_ours = _variants(config, known, variant)
    fingerprint = known.fingerprint if known is not None and is_ours and not is_async else ""
    subject = Subject(
        Kind.REMOTE,
        seen.name,
        identity=known.artifact if known is not None and is_ours else "",
        revision=seen.config,
        environment=environment,
        fingerprint=fingerprint,
    )
    return Respondent(
        subject,
        lambda case, chosen: asking.answer(seen.name, case.request, chosen, edge, is_async=is_async),
        variants,
        notes=_notes(known, is_ours=is_ours, is_async=is_async),
    )


def _variants(
    config: EndpointConfig, known: Revision | None, named: Variant
) -> tuple[tuple[Variant, ...], bool]:
    """Return which variants to ask, and whether all of them serve the revision's own model."""
    models = {variant.name: variant.model for variant in config.variants}
    if named is not None:
        if config.async_inference is not None:
            raise SpecError("an asynchronous request can't choose its variant", hint="leave the variant out")
        if named not in models:
            known_names = ("known", ", ".join(models))
            raise SpecError(f"the endpoint has no variant '{named}'", details=[known_names])
        return (named,), known is not None and models[named] == known.model.name
    ours = [name for name, model in models.items() if known is None or model == known.model.name]
    if len(models) == 1 or config.async_inference is not None:
        return (None,), len(ours) == len(models)
    # If none serves it, all are asked: nothing asked would be nothing wrong.
    return tuple(ours or models), bool(ours)


def _notes(known: Revision | None, *, is_ours: bool, is_async: bool) -> tuple[str, ...]:
    if known is None:
        return ("no fingerprint is known: the journal does not say which archive serves",)
    if not is_ours:
        return ("no fingerprint is known: the variant serves another model than the revision's own",)
    if is_async:
        return ("asynchronous answers carry no fingerprint: that the revision gave them is AWS's word",)
    return ()
