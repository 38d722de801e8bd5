"""What of a model goes into an archive: its tensors as safetensors, and what belongs to them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from orchestrator.adapters.checkpoints import (
    conversion,
    describing,
    folders,
    loading,
    reading,
    statedicts,
    torchfiles,
)
from orchestrator.adapters.checkpoints.classify import Classified, check_declared, classify
from orchestrator.adapters.checkpoints.reading import Found
from orchestrator.core.archive import SHARDS, WEIGHTS, Member
from orchestrator.core.checkpoint import Code, Format, Kind, Weights
from orchestrator.core.errors import RefusedError, SpecError
from orchestrator.core.spec import ModelSpec

_CODE = {
    Format.MODULE: "a pickled object, which runs code when it is loaded",
    Format.TORCHSCRIPT: "a TorchScript program",
    Format.EXPORTED: "a program of torch.export, which unpickles parts of itself when it is loaded",
}
_MAX_SHOWN = 5


@contextlib.contextmanager
def weights(model: ModelSpec, root: str) -> Iterator[Weights]:
    """Yield what of the model goes into an archive; its content can be read as long as this is open.

    Args:
        model: What the spec says of it.
        root: The folder that ``model.path`` is relative to.

    Raises:
        ArtifactError: If it is absent, damaged, ambiguous or of a form that is not supported.
        SpecError: If the spec lacks the class that its weights belong to, or has a key without effect.
        RefusedError: If it carries code that would have to run and the spec does not allow that.
        MissingExtraError: If what it takes to read it is not installed.
    """
    path = str(Path(root) / model.path)
    classified = classify(path, model.format)
    _check_key(model, classified.format)
    match classified.format:
        case Format.SAFETENSORS | Format.SHARDED:
            found = reading.from_safetensors(classified.weights)
            yield _data(model, classified.format, path, found)
        case Format.HUGGING_FACE:
            yield _folder(model, path, classified.weights)
        case Format.STATE_DICT | Format.MODULE:
            with _saved(model, path, root, classified) as found_weights:
                yield found_weights
        case Format.TORCHSCRIPT:
            if not model.allow_code:
                raise _not_allowed(path, Format.TORCHSCRIPT, describing.torchscript(path).code)
            with loading.torchscript(path) as program:
                yield program
        case Format.EXPORTED:
            if not model.allow_code:
                raise _not_allowed(path, Format.EXPORTED, describing.exported(path).code)
            with loading.exported(path) as program:
                yield program


def _check_key(model: ModelSpec, format_: Format) -> None:
    # A key that has no effect would be a silent lie.
    if model.state_dict_key is not None and format_ is not Format.STATE_DICT:
        raise SpecError(
            f"model.state_dict_key has no effect with a model of the format '{format_}'",
            details=[("rule", "it says where in a checkpoint of torch.save the weights lie")],
            hint="take the key out of orchestrator.toml",
        )


def _check_class(model: ModelSpec) -> None:
    if model.class_ is None:
        raise SpecError(
            f"model.class is needed: of '{model.path}' only the weights are packaged",
            details=[("rule", "weights are put into an instance of the class that they were trained with")],
            hint="in orchestrator.toml: [model] class = 'src/net.py:Net'",
        )


def _saved(
    model: ModelSpec, path: str, root: str, classified: Classified
) -> contextlib.AbstractContextManager[Weights]:
    file = torchfiles.read(path, classified.layout)
    key = model.state_dict_key
    is_code = statedicts.needs_loading(file.value, key)
    check_declared(path, model.format, Format.MODULE if is_code else Format.STATE_DICT)
    if is_code:
        if not model.allow_code:
            raise _not_allowed(path, Format.MODULE, file.code)
        return _loaded(model, path, root, statedicts.choose_module(path, file.value, key))
    state = statedicts.choose(path, file.value, key)
    found = reading.from_torch(file, [state], layout=classified.layout)
    return contextlib.nullcontext(_data(model, Format.STATE_DICT, path, found))


@contextlib.contextmanager
def _loaded(model: ModelSpec, path: str, root: str, key: str) -> Iterator[Weights]:
    _check_class(model)
    with loading.module(path, root, key) as converted:
        # The file's code may have written it, so that it is a stranger's, too.
        found = reading.from_safetensors(converted)
        yield Weights(Kind.SAFETENSORS, _members(model, path, found), Format.MODULE)


def _not_allowed(path: str, format_: Format, code: tuple[Code, ...]) -> RefusedError:
    shown = "; ".join(f"{found.where} {found.what}" for found in code[:_MAX_SHOWN])
    more = f" and {len(code) - _MAX_SHOWN} more" if len(code) > _MAX_SHOWN else ""
    return RefusedError(
        f"'{path}' is {_CODE[format_]}",
        details=[*([("code", f"{shown}{more}")] if code else []), ("state", "nothing of it has been run")],
        hint="save the weights alone: torch.save(model.state_dict(), 'model.pt')\n"
        "or, if you trust who made the file, in orchestrator.toml: [model] allow_code = true",
    )


def _data(model: ModelSpec, format_: Format, path: str, found: Found) -> Weights:
    _check_class(model)
    return Weights(Kind.SAFETENSORS, _members(model, path, found), format_, found.written_by)


def _folder(model: ModelSpec, path: str, file: str) -> Weights:
    found = reading.in_folder(file)
    folder = folders.read(path, found.files)
    kind = Kind.HUGGING_FACE if model.class_ is None else Kind.SAFETENSORS
    members = (*_members(model, path, found), *folder.companions)
    return Weights(kind, members, Format.HUGGING_FACE, (*folder.written_by, *found.written_by))


def _members(model: ModelSpec, path: str, found: Found) -> tuple[Member, ...]:
    reading.check_plain(path, found)
    prefix = statedicts.stripped(path, found.names, model.strip_prefix)
    if prefix or not found.is_safetensors:
        bare = reading.without(found, prefix)
        return (Member(WEIGHTS, conversion.converted(path, bare.tensors)),)
    if len(found.files) == 1:
        return (Member(WEIGHTS, found.files[0]),)
    index, *shards = found.files
    return (Member(SHARDS, index), *(Member(Path(shard).name, shard) for shard in shards))
