"""Put together what an archive is to hold: the model, the project's files, the entry point, the manifest.

Nothing is written: the members are read when the archive is tried, written or sent.
"""

import contextlib
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.core import archive, findings, policy, requirements
from orchestrator.core.archive import Member
from orchestrator.core.checkpoint import Kind, Weights
from orchestrator.core.errors import ArtifactError, RefusedError
from orchestrator.core.gates import GoldenEvidence, GoldenGate, Refused, judge
from orchestrator.core.golden import Case, Response
from orchestrator.core.manifest import File, Manifest, manifest_of
from orchestrator.core.packaging import Archives, Builds, Checkpoints, Generator, Sources, Trial
from orchestrator.core.ports import Transfer
from orchestrator.core.spec import Spec
from orchestrator.usecases.silence import SilentTransfer

_TOKENIZER = "tokenizer"


@dataclass(frozen=True, slots=True)
class Packaging:
    """The outside of packaging.

    Attributes:
        today: The date, in ISO's form: images come to the end of their patches.
    """

    checkpoints: Checkpoints
    sources: Sources
    generator: Generator
    archives: Archives
    trial: Trial
    builds: Builds
    today: str


@dataclass(frozen=True, slots=True)
class Build:
    """What an archive is to hold; it can be read as long as `build` is open.

    Attributes:
        members: Every file, the manifest included.
        files: What each of them is, by size and digest.
        weights: How the model lies in it.
        warnings: What the spec's policy has to say and lets pass, one line each.
        notes: What is worth knowing besides, likewise.
    """

    members: tuple[Member, ...]
    files: tuple[File, ...]
    manifest: Manifest
    weights: Weights
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """The digest of the manifest's files: the archive's name in the cloud."""
        return self.manifest.identity


@contextlib.contextmanager
def build(spec: Spec, packaging: Packaging, transfer: Transfer) -> Iterator[Build]:
    """Yield what the project's archive is to hold.

    Args:
        spec: The project.
        packaging: The outside.
        transfer: Watches the files being hashed.

    Raises:
        ArtifactError: If a file is missing or unfit.
        RefusedError: If a file carries code or holds a secret, or the policy refuses the container.
        SpecError: If a value of the spec cannot be written into the entry point.
        MissingExtraError: If what it takes to read the model is not installed.
    """
    project = tuple(_project(spec, packaging.sources))
    with packaging.checkpoints.weights(spec.model, spec.root) as weights:
        _keep_secrets((*weights.members, *project), packaging.archives)
        judgement = _judged(spec, weights, project, packaging)
        own = (*packaging.generator.entry_point(spec, weights.kind), *packaging.generator.runtime())
        members = (*weights.members, *project, *own)
        files = _digests(members, packaging.archives, transfer)
        manifest = manifest_of(files, packaging.generator.versions(), spec.model.license)
        archive.check_layout([file.path for file in files])
        listed = Member(archive.MANIFEST, manifest.to_bytes())
        whole = (*files, packaging.archives.digest(listed, SilentTransfer().moved))
        warnings, notes = _lines(judgement.warnings), _lines(judgement.notes)
        yield Build((*members, listed), whole, manifest, weights, warnings, notes)


def try_out(made: Build, packaging: Packaging, cases: Sequence[Case], atol: float) -> tuple[Response, ...]:
    """Let a local endpoint load the build, as the container will, and return its answers to ``cases``.

    Raises:
        ArtifactError: If the model does not load.
        RefusedError: If it fails a golden case.
    """
    answers = packaging.trial.run(made.members, cases)
    check_golden(cases, answers, atol)
    return answers


@contextlib.contextmanager
def built(spec: Spec, packaging: Packaging, cases: Sequence[Case], transfer: Transfer) -> Iterator[Build]:
    """Build the project and try it; nothing outside this machine is asked.

    Raises:
        ArtifactError: If the project makes no archive whose model loads.
        RefusedError: If it fails a golden case, or what `build` refuses.
    """
    with build(spec, packaging, transfer) as made:
        try_out(made, packaging, cases, spec.golden.atol)
        yield made


def judged(spec: Spec, weights: Weights, packaging: Packaging) -> policy.Judgement:
    """Return what the policy says of the spec's target, for an archive that was built for another endpoint.

    Raises:
        RefusedError: If it refuses something.
    """
    return _judged(spec, weights, tuple(_project(spec, packaging.sources)), packaging)


def outline(spec: Spec, kind: Kind, packaging: Packaging) -> tuple[str, ...]:
    """Return where the project's files would lie in the archive; the model is not looked at.

    Raises:
        ArtifactError: If a file is missing or unfit.
        RefusedError: If one holds a secret.
        SpecError: If a value of the spec cannot be written into the entry point.
    """
    members = tuple(_project(spec, packaging.sources))
    _keep_secrets(members, packaging.archives)
    packaging.generator.entry_point(spec, kind)
    return tuple(member.path for member in members)


def _project(spec: Spec, sources: Sources) -> Iterator[Member]:
    """Yield the user's files at their places in the archive."""
    asked = (spec.model.class_, spec.entrypoint.preprocess, spec.entrypoint.postprocess)
    referred = {reference.path for reference in asked if reference is not None}
    tokenizer = dict(spec.entrypoint.options).get(_TOKENIZER)
    read = sorted({*referred, *([tokenizer] if isinstance(tokenizer, str) else [])})
    for member in sources.collect(spec.root, read, spec.package.include):
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


def _keep_secrets(members: Sequence[Member], archives: Archives) -> None:
    for member in members:
        if kind := archives.secret_in(member):
            raise RefusedError(
                f"'{member.path.removeprefix(f'{archive.CODE}/')}' is kept out of the archive: {kind}",
                details=[("rule", "whoever can read the artifact would have the secret")],
                hint="narrow package.include, and let the model read it from Secrets Manager when it runs",
            )


def _judged(
    spec: Spec, weights: Weights, project: Sequence[Member], packaging: Packaging
) -> policy.Judgement:
    """Return what the policy says of the container and of what is to be installed there.

    Raises:
        RefusedError: If it refuses something.
    """
    listed = [member for member in project if member.path == archive.REQUIREMENTS]
    wanted = [
        requirements.parse(packaging.sources.text(member), str(spec.package.requirements or member.path))
        for member in listed
    ]
    found = findings.find(
        spec.target,
        findings.profile_of(spec.target),
        weights,
        wanted[0] if wanted else requirements.Requirements(),
        today=packaging.today,
        tried_with=dict(packaging.generator.versions()).get("torch"),
    )
    judged = policy.judge(found, spec.policy)
    if judged.refusals:
        raise policy.refused(judged.refusals, spec.target)
    return judged


def _lines(found: Sequence[policy.Finding]) -> tuple[str, ...]:
    return tuple(finding.line for finding in found)


def _digests(members: Sequence[Member], archives: Archives, transfer: Transfer) -> list[File]:
    transfer.started("hashing", None)
    files = [archives.digest(member, transfer.moved) for member in members]
    transfer.finished()
    return files


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
