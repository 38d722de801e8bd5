"""The project on disk: the spec, and whether what it names is there and fits the container."""

import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from orchestrator.core import findings, golden, policy, requirements
from orchestrator.core.checkpoint import Checkpoint, Format, Kind, Weights
from orchestrator.core.checkup import Group
from orchestrator.core.containers import Profile
from orchestrator.core.errors import ArtifactError, OrchestratorError, RefusedError, SpecError
from orchestrator.core.health import Finding, Severity
from orchestrator.core.policy import Rule
from orchestrator.core.premises import Machine
from orchestrator.core.requirements import Requirement, Requirements
from orchestrator.core.spec import Spec
from orchestrator.core.versions import admits, release
from orchestrator.usecases.build import Packaging, outline
from orchestrator.usecases.examining.code import of_code
from orchestrator.usecases.examining.table import Check

_OF_REQUIREMENTS = {Rule.REPLACED_TORCH, Rule.UNPINNED_REQUIREMENTS, Rule.SECRETS, Rule.HASHES}
_OF_IMAGE = {Rule.END_OF_PATCH, Rule.NEWER_TORCH}
_KINDS = {
    Format.TORCHSCRIPT: Kind.TORCHSCRIPT,
    Format.EXPORTED: Kind.EXPORTED,
    Format.HUGGING_FACE: Kind.HUGGING_FACE,
}
# What `orchestrator inspect` says of what packaging would do with a model.
_CONSENT, _REFUSED = "model.allow_code", "refused: "
_PYTHON = re.compile(r"""python_(?:full_)?version\s*(===|==|~=|!=|<=|>=|<|>)\s*["']([\d.]+)["']""")


@dataclass(frozen=True, slots=True)
class Bench:
    """A project and the tools to look at it.

    Attributes:
        golden_files: Returns the name and the content of each file that matches a pattern below a folder.
        examined: Returns what the model holds; large files are read once for all checks.
    """

    spec: Spec
    packaging: Packaging
    golden_files: Callable[[str, str], Sequence[tuple[str, bytes]]]
    machine: Machine
    examined: Callable[[], Checkpoint]


@dataclass(frozen=True, slots=True)
class Written:
    """The spec as a file, and everything that is wrong with it."""

    path: str
    problems: Callable[[], Sequence[SpecError]]


def of_spec(written: Written) -> Iterator[Finding]:
    """Yield every error of the spec, each with the key that was probably meant."""
    name = posixpath.basename(written.path)
    for error in written.problems():
        told = dict(error.details)
        what = str(error).removeprefix(f"{name}: ")
        usual = "orchestrator config schema          every key there is, with its type"
        if meant := told.get("meant"):
            what, usual = f"{what}; {meant} was probably meant", f"write {meant}"
        elif rule := told.get("rule"):
            what = f"{what}; the rule: {rule}"
        yield Finding(Severity.ERROR, f"spec {name}", what, error.hint or usual)


def _model(bench: Bench) -> Iterator[Finding]:
    model, subject = bench.spec.model, f"model {bench.spec.model.path}"
    try:
        seen = bench.examined()
    except ArtifactError as error:
        yield Finding(Severity.ERROR, subject, str(error), error.hint or "correct model.path")
        return
    where = "".join(f" ({one.where})" for one in seen.code[:1])
    if _CONSENT in seen.packaging and not model.allow_code:
        what = f"it carries code{where}, and packaging refuses that"
        fix = "save its state_dict with safetensors, or set model.allow_code = true"
        yield Finding(Severity.ERROR, subject, what, fix)
    elif seen.packaging.startswith(_REFUSED):
        fix = "orchestrator inspect --help          shows how to look into it"
        yield Finding(Severity.ERROR, subject, f"packaging: {seen.packaging}", fix)
    elif len(seen.keys) > 1 and model.state_dict_key is None:
        what = "it holds several state dicts, and model.state_dict_key names none"
        yield Finding(Severity.ERROR, subject, what, f"set it to one of {', '.join(seen.keys)}")


def _code(bench: Bench) -> Iterator[Finding]:
    yield from of_code(bench.spec, bench.packaging.sources, bench.machine)


def _files(bench: Bench) -> Iterator[Finding]:
    spec = bench.spec
    tokenizer = dict(spec.entrypoint.options).get("tokenizer")
    asked: list[tuple[str, list[str], list[str]]] = [
        ("package.include", [], [pattern]) for pattern in spec.package.include
    ]
    if isinstance(tokenizer, str):
        asked.append(("entrypoint.tokenizer", [tokenizer], []))
    if spec.target.prices is not None:
        asked.append(("prices", [spec.target.prices], []))
    for key, paths, patterns in asked:
        try:
            bench.packaging.sources.collect(spec.root, paths, patterns)
        except ArtifactError as error:
            subject = f"{key} {(*paths, *patterns)[0]}"
            yield Finding(
                Severity.ERROR, subject, str(error), error.hint or "correct the key, or add the file"
            )
            return
    yield from _archive(bench)


def _archive(bench: Bench) -> Iterator[Finding]:
    """Yield why packaging would refuse the files, or the keys, that an archive is made of."""
    if any(one.severity is Severity.ERROR for check in (_code, _requirements) for one in check(bench)):
        return
    if bench.spec.model.class_ is None and any(_model(bench)):  # how it would lie in the archive is not known
        return
    try:
        outline(bench.spec, _weights(bench).kind, bench.packaging)
    except (ArtifactError, RefusedError, SpecError) as error:
        yield Finding(Severity.ERROR, "archive", str(error), error.hint or "correct the key, or the file")


def _golden(bench: Bench) -> Iterator[Finding]:
    pattern = bench.spec.golden.cases
    if pattern is None:
        return
    try:
        files = bench.golden_files(bench.spec.root, pattern)
    except ArtifactError as error:
        yield Finding(Severity.ERROR, f"golden.cases {pattern}", str(error), error.hint or "correct the key")
        return
    for name, content in files:
        try:
            case = golden.parse(name, content)
            if absent := _unknown_label(case.expected, bench.spec):
                what = f"it expects the label '{absent}', and entrypoint.labels has none of that name"
                yield Finding(Severity.ERROR, f"golden case {name}", what, "correct it, or entrypoint.labels")
        except SpecError as error:
            rule = next((fact for label, fact in error.details if label == "rule"), "")
            yield Finding(Severity.ERROR, f"golden case {name}", str(error), f"write it as {rule}")


def _unknown_label(expected: object, spec: Spec) -> str:
    """Return a label that a golden case expects and that the spec does not have; empty if there is none."""
    labels = dict(spec.entrypoint.options).get("labels")
    if not isinstance(labels, list) or not isinstance(expected, dict) or spec.entrypoint.postprocess:
        return ""
    rows = expected.get("predictions")
    for row in (expected, *(rows if isinstance(rows, list) else ())):
        label = row.get("label") if isinstance(row, dict) else None
        if isinstance(label, str) and label not in map(str, labels):
            return label
    return ""


def _container(bench: Bench) -> Iterator[Finding]:
    profile = findings.profile_of(bench.spec.target)
    skipped = _OF_IMAGE if bench.spec.target.is_local else set()
    subject = f"container profile '{profile.name}'" if profile else "container.image"
    for one, severity in _judged(bench, profile, Requirements()):
        if one.rule not in _OF_REQUIREMENTS | skipped:
            yield Finding(severity, subject, one.text, one.hint)


def _requirements(bench: Bench) -> Iterator[Finding]:
    path = bench.spec.package.requirements
    if path is None:
        return
    subject, sources = f"requirements {path}", bench.packaging.sources
    try:
        (member,) = (one for one in sources.collect(bench.spec.root, [path], ()) if one.path == path)
        wanted = requirements.parse(sources.text(member), path)
    except ArtifactError as error:
        yield Finding(Severity.ERROR, subject, str(error), error.hint or "correct package.requirements")
        return
    profile = findings.profile_of(bench.spec.target)
    for one, severity in _judged(bench, profile, wanted):
        if one.rule in _OF_REQUIREMENTS:
            yield Finding(severity, subject, one.text, one.hint)
    if profile is not None:
        for item in wanted.wanted:
            yield from _unfit(item, profile, bench.machine, subject)


def _judged(
    bench: Bench, profile: Profile | None, wanted: Requirements
) -> Iterator[tuple[policy.Finding, Severity]]:
    """Yield what packaging would say, by the spec's own policy; what asks for nothing is left out."""
    found = findings.find(
        bench.spec.target,
        profile,
        _weights(bench),
        wanted,
        today=bench.packaging.today,
        tried_with=dict(bench.packaging.generator.versions()).get("torch"),
    )
    judged = policy.judge(found, bench.spec.policy)
    yield from ((one, Severity.ERROR) for one in judged.refusals)
    yield from ((one, Severity.WARNING) for one in judged.warnings)


def _weights(bench: Bench) -> Weights:
    """Return what is known of the model's writer; nothing where the file cannot be read."""
    nothing = Weights(Kind.SAFETENSORS, (), Format.SAFETENSORS)
    try:
        seen = bench.examined()
    except OrchestratorError:
        return nothing
    kind = _KINDS.get(seen.format, Kind.SAFETENSORS)
    return replace(nothing, kind=kind, format=seen.format, written_by=seen.written_by)


def _unfit(item: Requirement, profile: Profile, machine: Machine, subject: str) -> Iterator[Finding]:
    """Yield that a requirement is not for the container's Python, as far as this machine knows."""
    where = f"'{item.text}' (line {item.line})"
    version = f"{profile.python}.0"
    conditions = _PYTHON.findall(item.marker or "")
    only = " or " not in (item.marker or "")
    if conditions and only and not all(admits([one], version) for one in conditions):
        what = f"{where} is not installed in the container, whose Python is {profile.python}"
        yield Finding(Severity.WARNING, subject, what, "take it out, or correct its marker")
        return
    here = machine.package(item.name) if item.name else None
    if here is None or not here.requires_python or not _names_version(item, here.version):
        return
    bounds = requirements.parse(f"python{here.requires_python}").wanted[0].specifiers
    if release(version) and not admits(bounds, version):
        what = f"{where} needs Python {here.requires_python}, and the container has {profile.python}"
        yield Finding(Severity.ERROR, subject, what, "pin a version that is for the container's Python")


def _names_version(item: Requirement, version: str) -> bool:
    return item.pinned and release(version) is not None and admits(item.specifiers, version)


_ERROR, _WARNING = Severity.ERROR, Severity.WARNING
_PROJECT = Group.PROJECT


SPEC = Check("spec", _PROJECT, "the spec: every key, type and contradiction", _ERROR, of_spec)
CHECKS = (
    Check("model", _PROJECT, "the model file: there, readable, without code", _ERROR, _model),
    Check("code", _PROJECT, "the class and functions that the spec names, not run", _ERROR, _code),
    Check(
        "files", _PROJECT, "globs and files that the spec names, and what no archive may hold", _ERROR, _files
    ),
    Check(
        "golden",
        _PROJECT,
        "whether each golden case can be read, and expects labels of the spec",
        _ERROR,
        _golden,
    ),
    Check("container", _PROJECT, "the container profile: patches, torch, contract", _ERROR, _container),
    Check(
        "requirements",
        _PROJECT,
        "the requirements: pins, secrets, what the container runs on, its Python",
        _ERROR,
        _requirements,
    ),
)
