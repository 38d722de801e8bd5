"""Make `model.tar.gz` of a project, and try it before it takes the place of an earlier one."""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.core import journal
from orchestrator.core.golden import Case, Response, to_bytes
from orchestrator.core.manifest import Manifest
from orchestrator.core.ports import Transfer
from orchestrator.core.spec import Spec
from orchestrator.usecases.build import Build, Packaging, build, try_out


@dataclass(frozen=True, slots=True)
class PackagedArchive:
    """An archive that has been written and tried.

    Attributes:
        path: Where it lies.
        answers: What the model has answered to the golden cases, in their order; empty if it was not asked
            again.
        unchanged: Whether it was there already, made of the same files and tried with the same cases.
        warnings: As in `Build`.
    """

    path: str
    manifest: Manifest
    answers: tuple[Response, ...] = ()
    unchanged: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """The digest of the manifest's files: the archive's name in the cloud."""
        return self.manifest.identity


def package(
    spec: Spec, packaging: Packaging, out: str, transfer: Transfer, cases: Sequence[Case] = ()
) -> PackagedArchive:
    """Write the project's archive to ``out`` once its model has loaded as the container will load it.

    Args:
        spec: The project.
        packaging: The outside.
        out: The archive's path. An archive that is there stays unless the new one loads and answers rightly.
        transfer: Watches the bytes.
        cases: Golden cases to ask the model.

    Raises:
        ArtifactError: If a file is missing or unfit, or the model does not load.
        RefusedError: If a file carries code or holds a secret, the policy refuses the container, or the model
            fails a golden case.
        SpecError: If a value of the spec cannot be written into the entry point.
        MissingExtraError: If torch is not installed.
    """
    with build(spec, packaging, transfer) as made:
        facts = _facts(made, cases, spec.golden.atol)
        if packaging.builds.standing(out, made.identity, facts):
            return PackagedArchive(out, made.manifest, unchanged=True, warnings=made.warnings)
        answers = try_out(made, packaging, cases, spec.golden.atol)
        transfer.started("packing", None)
        with packaging.archives.draft(out) as draft:
            packaging.archives.write(draft, packaging.archives.stream(made.members, made.files))
        transfer.finished()
        packaging.builds.remember(out, made.identity, facts)
    return PackagedArchive(out, made.manifest, answers, warnings=made.warnings)


def _facts(made: Build, cases: Sequence[Case], atol: float) -> dict[str, str]:
    """Return what an archive depends on besides its files: what it was tried with, what built it."""
    return {
        "golden": journal.digest(to_bytes(tuple(cases))),
        "atol": repr(atol),
        "manifest": journal.digest(made.manifest.to_bytes()),
    }
