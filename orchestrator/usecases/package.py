"""Make `model.tar.gz` of a project, and try it before it takes the place of an earlier one."""

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.core import archive
from orchestrator.core.archive import Member
from orchestrator.core.errors import ArtifactError, RefusedError
from orchestrator.core.gates import GoldenEvidence, GoldenGate, Refused, judge
from orchestrator.core.golden import Case, Response
from orchestrator.core.manifest import Manifest, manifest_of
from orchestrator.core.ports import Archives, Checkpoints, Generator, Sources, Trial
from orchestrator.core.spec import Spec


@dataclass(frozen=True, slots=True)
class Packaging:
    """The outside of packaging."""

    checkpoints: Checkpoints
    sources: Sources
    generator: Generator
    archives: Archives
    trial: Trial


@dataclass(frozen=True, slots=True)
class PackagedArchive:
    """An archive that has been written and tried.

    Attributes:
        path: Where it lies.
        answers: What the model has answered to the golden cases, in their order.
    """

    path: str
    manifest: Manifest
    answers: tuple[Response, ...] = ()

    @property
    def identity(self) -> str:
        """The digest of the manifest's files: the archive's name in the cloud."""
        return self.manifest.identity


def package(spec: Spec, packaging: Packaging, out: str, cases: Sequence[Case] = ()) -> PackagedArchive:
    """Write the project's archive to ``out`` and load its model as the container will.

    Args:
        spec: The project.
        packaging: The outside.
        out: The archive's path. An archive that is there stays unless the new one loads and answers rightly.
        cases: Golden cases to ask the model.

    Raises:
        ArtifactError: If a file is missing or unfit, or the model does not load.
        SpecError: If a value of the spec cannot be written into the entry point.
        MissingExtraError: If torch is not installed.
        RefusedError: If the model fails a golden case.
    """
    project = _project(spec, packaging.sources)
    weights = posixpath.join(spec.root, spec.model.path)
    with packaging.checkpoints.weights(weights, spec.model.format) as safetensors:
        own = (*packaging.generator.entry_point(spec), *packaging.generator.runtime())
        members = (Member(archive.WEIGHTS, safetensors), *project, *own)
        files = [packaging.archives.digest(member) for member in members]
        manifest = manifest_of(files, packaging.generator.versions(), spec.model.license)
        listed = Member(archive.MANIFEST, manifest.to_bytes())
        with packaging.archives.draft(out) as draft:
            digests = (*files, packaging.archives.digest(listed))
            packaging.archives.write(draft, (*members, listed), digests)
            answers = packaging.trial.run(draft, cases)
            check_golden(cases, answers, spec.golden.atol)
    return PackagedArchive(out, manifest, answers)


def _project(spec: Spec, sources: Sources) -> Iterator[Member]:
    """Yield the user's files at their places in the archive."""
    asked = (spec.model.class_, spec.entrypoint.preprocess, spec.entrypoint.postprocess)
    referred = sorted({reference.path for reference in asked if reference is not None})
    for member in sources.collect(spec.root, referred, spec.package.include):
        if archive.shadowing(member.path):
            raise ArtifactError(
                f"'{member.path}' has a name that Python or the container needs itself",
                details=[("rule", "it would lie at the top of code/, which the container imports from")],
                hint="rename it, or move it into a folder with a name of its own, such as src/",
            )
        path = posixpath.join(archive.CODE, member.path)
        if path != archive.REQUIREMENTS or spec.package.requirements is None:
            yield Member(path, member.content)
    if spec.package.requirements is not None:
        (requirements,) = sources.collect(spec.root, [spec.package.requirements], ())
        yield Member(archive.REQUIREMENTS, requirements.content)


def check_golden(cases: Sequence[Case], responses: Sequence[Response], atol: float) -> None:
    """Let nothing through that fails its golden cases on this machine already.

    Raises:
        RefusedError: If one of the archive's own answers is wrong.
    """
    verdict = judge(GoldenGate(atol), GoldenEvidence(cases, responses))
    if isinstance(verdict, Refused):
        raise RefusedError(
            f"the archive fails {len(verdict.reasons)} of {len(cases)} golden cases on this machine",
            details=[*(("golden", reason) for reason in verdict.reasons), ("state", "nothing has changed")],
            hint="correct the model, or the golden cases if they are out of date",
        )
