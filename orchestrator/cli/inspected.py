"""Put what a model file or an archive holds into words."""

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from orchestrator.cli import render
from orchestrator.cli.render import counted, size
from orchestrator.core.checkpoint import Checkpoint, Code
from orchestrator.usecases.inspect import InspectedArchive

Row = tuple[str, str]


def text(found: Checkpoint | InspectedArchive) -> str:
    """Return it as a person reads it: facts first, then a table of tensors, or of files."""
    return _archive(found) if isinstance(found, InspectedArchive) else _model(found)


def document(found: Checkpoint | InspectedArchive) -> dict[str, object]:
    """Return the same for scripts."""
    if isinstance(found, Checkpoint):
        return _model_document(found)
    return {
        "path": found.path,
        "format": "archive",
        "identity": found.identity,
        "files": [asdict(file) for file in found.files],
        "models": [_model_document(model) for model in found.models],
        "code": [asdict(code) for code in found.code],
        "problems": list(found.problems),
    }


def _model(found: Checkpoint) -> str:
    tensors = [
        (tensor.name, tensor.dtype, str(list(tensor.shape)), str(tensor.size_bytes))
        for tensor in found.tensors
    ]
    listed = f"\n\n{_table([('tensor', 'dtype', 'shape', 'bytes'), *tensors])}" if tensors else ""
    return f"{_table(_facts(found))}{listed}"


def _facts(found: Checkpoint) -> list[Row]:
    total = sum(tensor.size_bytes for tensor in found.tensors)
    return [
        ("file", found.path),
        ("format", str(found.format)),
        ("size", size(found.size_bytes)),
        ("tensors", f"{len(found.tensors)}, {size(total)}"),
        *(("written by", f"{name} {version}") for name, version in found.written_by),
        *(("state dict", key) for key in found.keys),
        *_code(found.code),
        *(("note", note) for note in found.notes),
        ("package", found.packaging),
    ]


def _archive(found: InspectedArchive) -> str:
    rows = [
        ("file", found.path),
        ("format", f"archive of {counted(len(found.files), 'file')}"),
        ("identity", found.identity or "none: see the problems"),
        *_code(_by_folder(found.code)),
        *(("problem", problem) for problem in found.problems),
    ]
    files = [(file.path, str(file.size_bytes), file.sha256[:12]) for file in found.files]
    models = "".join(f"\n\n{_model(model)}" for model in found.models)
    return f"{_table(rows)}\n\n{_table([('member', 'bytes', 'sha256'), *files])}{models}"


def _by_folder(found: Sequence[Code]) -> list[Code]:
    """Return the places with code, those in one folder that do the same as one."""
    groups: dict[tuple[str, str], list[Code]] = {}
    for code in found:
        groups.setdefault((posixpath.dirname(code.where), code.what), []).append(code)
    return [
        codes[0] if len(codes) == 1 else Code(f"{folder}/: {len(codes)} files", what)
        for (folder, what), codes in groups.items()
    ]


def _table(rows: Iterable[Sequence[str]]) -> str:
    """Return rows as text in which nothing of the file can move the cursor or colour the screen."""
    return render.table([[_plain(cell) for cell in row] for row in rows])


def _plain(text: str) -> str:
    return "".join(character if character.isprintable() else repr(character).strip("'") for character in text)


def _code(found: Sequence[Code]) -> Iterable[Row]:
    return [("code", f"{code.where}: {code.what}") for code in found] or [("code", "none")]


def _model_document(found: Checkpoint) -> dict[str, object]:
    return {**asdict(found), "format": str(found.format), "written_by": dict(found.written_by)}
