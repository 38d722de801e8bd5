"""What a model on disk holds, for `inspect`: read, and nothing of it run."""

from dataclasses import replace
from pathlib import Path

from orchestrator.adapters.checkpoints import (
    conversion,
    describing,
    folders,
    reading,
    statedicts,
    torchfiles,
)
from orchestrator.adapters.checkpoints.classify import Classified, check_declared, classify
from orchestrator.adapters.checkpoints.reading import Found
from orchestrator.core.checkpoint import Checkpoint, Format
from orchestrator.core.errors import ArtifactError

_MODULE = (
    "refused, unless model.allow_code = true: then it is loaded once, in a process of its own, and its "
    "state_dict converted to safetensors"
)
_CONVERTED = "its tensors are converted to safetensors"
_AS_IT_IS = "packaged as it is"


def examine(path: str, format_: str) -> Checkpoint:
    """Return what the file or folder at ``path`` holds; nothing of it is run.

    Args:
        path: The file or folder.
        format_: ``auto``, or one of `orchestrator.core.checkpoint.Format`, which it then has to be.

    Raises:
        ArtifactError: If it is absent, damaged, of a form that is not supported, or not of ``format_``.
    """
    classified = classify(path, format_)
    match classified.format:
        case Format.SAFETENSORS | Format.SHARDED:
            return _described(path, classified.format, reading.from_safetensors(classified.weights))
        case Format.STATE_DICT | Format.MODULE:
            shown = _saved(path, classified)
            check_declared(path, format_, shown.format)
            return shown
        case Format.HUGGING_FACE:
            return _folder(path, classified.weights)
        case Format.TORCHSCRIPT:
            return describing.torchscript(path)
        case Format.EXPORTED:
            return describing.exported(path)


def _described(path: str, format_: Format, found: Found) -> Checkpoint:
    """Return ``found`` as it is shown, with the names that packaging would give the tensors."""
    prefix = statedicts.stripped(path, found.names, None)
    bare = reading.without(found, prefix)
    stripped = [f"the prefix '{prefix}' of all names is taken off; model.strip_prefix = '' keeps it"]
    code = (
        ["it carries code, which packaging does not run: the tensors are read without it"]
        if found.code
        else []
    )
    return Checkpoint(
        path=path,
        format=format_,
        size_bytes=found.size_bytes,
        tensors=tuple(tensor.described(name) for name, tensor in bare.tensors.items()),
        keys=found.keys,
        written_by=found.written_by,
        code=found.code,
        packaging=_packaging(path, bare, as_it_is=found.is_safetensors and not prefix),
        notes=(*found.notes, *code, *(stripped if prefix else [])),
    )


def _packaging(path: str, found: Found, *, as_it_is: bool) -> str:
    if len(found.keys) > 1:
        return f"needs model.state_dict_key: one of {', '.join(found.keys)}"
    try:
        reading.check_plain(path, found)
        conversion.converted(path, found.tensors)
    except ArtifactError as error:
        return f"refused: {error}"
    return _AS_IT_IS if as_it_is else _CONVERTED


def _saved(path: str, classified: Classified) -> Checkpoint:
    file = torchfiles.read(path, classified.layout)
    if statedicts.needs_loading(file.value, None):
        found = reading.from_torch(file, statedicts.modules(file.value), layout=classified.layout)
        shown = _described(path, Format.MODULE, found)
        which = f"needs model.state_dict_key: one of {', '.join(found.keys)}; " if len(found.keys) > 1 else ""
        return replace(shown, packaging=which + _MODULE, notes=found.notes)
    states = statedicts.find(file.value)
    found = reading.from_torch(file, states, layout=classified.layout)
    shown = _described(path, Format.STATE_DICT, found)
    if states:
        return shown
    what = statedicts.describe(file.value)
    return replace(shown, packaging=f"refused: it holds no state_dict: {what}")


def _folder(path: str, weights: str) -> Checkpoint:
    found = reading.in_folder(weights)
    folder = folders.read(path, found.files)
    shown = _described(path, Format.HUGGING_FACE, found)
    companions = [Path(member.content) for member in folder.companions if isinstance(member.content, str)]
    return replace(
        shown,
        size_bytes=shown.size_bytes + sum(file.stat().st_size for file in companions),
        written_by=(*folder.written_by, *shown.written_by),
        notes=(*shown.notes, *folder.notes),
    )
