"""What the checkpoint readers say of a file, as one value."""

from pathlib import Path

from orchestrator.adapters.checkpoints.classify import Layout, classify
from orchestrator.adapters.checkpoints.opcodes import Finding, walk
from orchestrator.adapters.checkpoints.zips import members
from orchestrator.core.checkpoint import Format


def code_in(path: Path) -> tuple[str, ...]:
    """What a file would run if it were loaded; empty if it holds plain tensors.

    Raises:
        ArtifactError: If it is refused outright.
    """
    found = classify(str(path))
    if found.format in {Format.TORCHSCRIPT, Format.EXPORTED}:
        return (f"is {found.format}",)
    findings: tuple[Finding, ...] = ()
    if found.layout is Layout.ZIP:
        findings = walk(members(found.weights).read("data.pkl"), persistent_ids=True)
    elif found.layout is Layout.LEGACY:
        findings = walk(Path(found.weights).read_bytes(), persistent_ids=True, legacy=True)
    return tuple(finding.what for finding in findings)
