"""Models that are data: which tensors they hold, whatever form they come in, with none of them read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from orchestrator.adapters.checkpoints import conversion, safetensors, statedicts, torchfiles
from orchestrator.adapters.checkpoints.classify import Layout, classify
from orchestrator.adapters.checkpoints.rebuilding import Tensor, Unknown
from orchestrator.adapters.checkpoints.statedicts import StateDict
from orchestrator.adapters.checkpoints.tensors import Located
from orchestrator.adapters.checkpoints.torchfiles import TorchFile
from orchestrator.core.checkpoint import INDEX_SUFFIX, Code

MAX_TENSORS = 160_000
"""About as many as the header of a safetensors file has room for (`safetensors.MAX_HEADER_BYTES`)."""
_SHOWN = 8
_MAX_TEXT = 200
_MAX_BITS = 256
_LIGHTNING = "pytorch-lightning_version"
_HYPER_PARAMETERS = "hyper_parameters"


@dataclass(frozen=True, slots=True)
class Found:
    """The tensors of one model.

    Attributes:
        files: The paths of those that hold tensors.
        strange: Why some, by name, are no tensors that could be packaged.
        is_safetensors: Whether the files could be packaged as they are.
        keys, written_by, code, notes: As in `orchestrator.core.checkpoint.Checkpoint`.
    """

    files: tuple[str, ...]
    tensors: Mapping[str, Located]
    strange: Mapping[str, str] = field(default_factory=dict)
    is_safetensors: bool = False
    keys: tuple[str, ...] = ()
    written_by: tuple[tuple[str, str], ...] = ()
    code: tuple[Code, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all tensors, the strange ones last."""
        return (*self.tensors, *self.strange)

    @property
    def size_bytes(self) -> int:
        """How large the files are, all together."""
        return sum(Path(file).stat().st_size for file in self.files)


def from_safetensors(path: str) -> Found:
    """Read the header of a safetensors file, or those of all shards that an index names.

    Raises:
        ArtifactError: If one is damaged.
    """
    is_index = path.endswith(".json")
    header = safetensors.read_sharded(path) if is_index else safetensors.read(path)
    written_by = tuple((key[:_MAX_TEXT], text[:_MAX_TEXT]) for key, text in header.metadata.items())
    files = (path, *header.files) if is_index else header.files
    return Found(files, header.tensors, is_safetensors=True, written_by=written_by)


def from_torch(file: TorchFile, states: Iterable[StateDict], *, layout: Layout) -> Found:
    """Look up the tensors of one or several state dicts of a file; of several by their whole path.

    Raises:
        ArtifactError: If one of them is not in the file as a whole, or they are too many.
    """
    states = tuple(states)
    if (count := sum(len(state.tensors) for state in states)) > MAX_TENSORS:
        raise conversion.refused(file.path, f"it has {count} tensors, at most {MAX_TENSORS} are packaged")
    tensors: dict[str, Located] = {}
    strange: dict[str, str] = {}
    for state in states:
        prefix = f"{state.key}." if len(states) > 1 else ""
        for name, tensor in state.tensors.items():
            if isinstance(tensor, Tensor):
                tensors[prefix + name] = file.located(name, tensor)
            else:
                strange[prefix + name] = tensor.what
    return Found(
        files=(file.path,),
        tensors=tensors,
        strange=strange,
        keys=tuple(state.key for state in states if state.key),
        written_by=_lightning(file.value),
        code=file.code,
        notes=tuple(_notes(file, states, tensors, layout)),
    )


def from_torch_shards(index: str) -> Found:
    """Look up the tensors of the ``*.bin`` files that an index of a Hugging Face folder names.

    Raises:
        ArtifactError: If one is damaged or holds no state dict, or not the tensors that the index says.
    """
    shards = safetensors.weight_map(index, ".bin")
    folder = Path(index).parent
    parts = {name: state_dict(str(folder / name), None) for name in sorted(set(shards.values()))}
    placed = [(name, parts[shard]) for name, shard in shards.items()]
    for name, part in placed:
        if name not in part.tensors and name not in part.strange:
            raise torchfiles.damaged(index, f"tensor '{name}' is not in '{shards[name]}'")
    return Found(
        files=(index, *(file for part in parts.values() for file in part.files)),
        tensors={name: part.tensors[name] for name, part in placed if name in part.tensors},
        strange={name: part.strange[name] for name, part in placed if name in part.strange},
        code=tuple(code for part in parts.values() for code in part.code),
        notes=tuple(dict.fromkeys(note for part in parts.values() for note in part.notes)),
    )


def state_dict(path: str, key: str | None) -> Found:
    """Look up the tensors of the one state dict in a file of ``torch.save``, or of that under ``key``.

    Raises:
        ArtifactError: If the file is damaged, or there is none, or several and no key.
    """
    layout = classify(path, "state-dict").layout
    file = torchfiles.read(path, layout)
    return from_torch(file, [statedicts.choose(path, file.value, key)], layout=layout)


def in_folder(weights: str) -> Found:
    """Look up the tensors of a Hugging Face folder, which lie in ``weights`` or in the files it names.

    Raises:
        ArtifactError: If a file is damaged, or is no state dict.
    """
    if weights.endswith((".safetensors", INDEX_SUFFIX)):
        return from_safetensors(weights)
    return from_torch_shards(weights) if weights.endswith(".json") else state_dict(weights, None)


def check_plain(path: str, found: Found) -> None:
    """Check that every tensor is one that can be packaged.

    Raises:
        ArtifactError: Naming the first that cannot.
    """
    for name, what in found.strange.items():
        raise conversion.refused(path, f"tensor '{name}' is {what}")


def without(found: Found, prefix: str) -> Found:
    """Take ``prefix`` off every name."""
    return replace(
        found,
        tensors={name.removeprefix(prefix): tensor for name, tensor in found.tensors.items()},
        strange={name.removeprefix(prefix): what for name, what in found.strange.items()},
    )


def _lightning(value: object) -> tuple[tuple[str, str], ...]:
    version = value.get(_LIGHTNING) if isinstance(value, dict) else None
    return (("pytorch-lightning", version[:_MAX_TEXT]),) if isinstance(version, str) else ()


def _notes(
    file: TorchFile, states: tuple[StateDict, ...], tensors: Mapping[str, Located], layout: Layout
) -> Iterable[str]:
    if layout is Layout.ZIP:
        yield "torch.save does not record its version; files in the zip form are from torch 1.6 or later"
    else:
        yield "torch.save does not record its version; this is the form of torch before 1.6"
    if others := [name for state in states for name in state.others]:
        yield f"no tensors, and left out: {_listed(map(repr, others), len(others))}"
    shared: dict[tuple[object, ...], list[str]] = {}
    for name, tensor in tensors.items():
        if tensor.size_bytes:
            shared.setdefault((tensor.offset, tensor.dtype), []).append(name)
    for names in islice((names for names in shared.values() if len(names) > 1), _SHOWN):
        yield f"these share elements, and are written out each: {_listed(map(repr, names), len(names))}"
    hyper = file.value.get(_HYPER_PARAMETERS) if isinstance(file.value, dict) else None
    items = hyper.items if isinstance(hyper, Unknown) else hyper
    if isinstance(items, dict) and items:
        shown = [f"{name} = {value!r}"[:_MAX_TEXT] for name, value in items.items() if _is_plain(name, value)]
        yield f"hyper-parameters: {_listed(shown, len(items))}"


def _is_plain(name: object, value: object) -> bool:
    # Python refuses to write out integers of more than a few thousand digits.
    is_short = not isinstance(value, int) or value.bit_length() <= _MAX_BITS
    return isinstance(name, str) and is_short and (value is None or isinstance(value, int | float | str))


def _listed(words: Iterable[str], count: int) -> str:
    shown = list(islice(words, _SHOWN))
    rest = f" and {count - len(shown)} more" if count > len(shown) else ""
    return f"{', '.join(shown)}{rest}"
