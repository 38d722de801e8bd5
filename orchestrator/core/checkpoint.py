"""What a file or folder of a trained model holds, as far as it can be told without running any of it."""

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.core.archive import Member


class Format(StrEnum):
    """The forms in which trained PyTorch models come."""

    SAFETENSORS = "safetensors"
    SHARDED = "sharded-safetensors"
    STATE_DICT = "state-dict"
    MODULE = "module"
    TORCHSCRIPT = "torchscript"
    EXPORTED = "exported"
    HUGGING_FACE = "hugging-face"


INDEX_SUFFIX = ".safetensors.index.json"
_SAVED = frozenset({Format.STATE_DICT, Format.MODULE, Format.TORCHSCRIPT, Format.EXPORTED})
BY_SUFFIX = {
    ".safetensors": frozenset({Format.SAFETENSORS}),
    INDEX_SUFFIX: frozenset({Format.SHARDED}),
    ".pt2": frozenset({Format.EXPORTED}),
    ".jit": frozenset({Format.TORCHSCRIPT}),
    **dict.fromkeys((".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".joblib"), _SAVED),
}
"""What a file may be whose name, in lower case, ends so."""


class Kind(StrEnum):
    """How a model lies in an archive, and so how the runtime loads it."""

    SAFETENSORS = "safetensors"
    TORCHSCRIPT = "torchscript"
    EXPORTED = "exported"
    HUGGING_FACE = "hugging-face"


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor; ``dtype`` is spelled as PyTorch does, without ``torch.``."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Code:
    """A place in the file that makes whoever loads it run something.

    Attributes:
        where: The member, and where it matters the byte, such as ``archive/data.pkl`` at 17.
        what: What it would do, such as ``calls posix.system``.
    """

    where: str
    what: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What one model file or folder holds.

    Attributes:
        path: As it was given.
        size_bytes: On disk, all files together.
        tensors: In the order of the file; of the state dict that packaging would take.
        keys: Where state dicts lie inside a checkpoint, as ``model.state_dict_key`` names them; empty where
            the tensors lie at the top, or the format has no such thing.
        written_by: What wrote it, as pairs such as ``("torch", "2.13.0")``; only what the file itself says.
        code: Where it carries code; empty if it is data only.
        packaging: One sentence: what `package` would do with it.
        notes: Other facts worth knowing, one line each, such as tied tensors or a stripped prefix.
    """

    path: str
    format: Format
    size_bytes: int
    tensors: tuple[Tensor, ...] = ()
    keys: tuple[str, ...] = ()
    written_by: tuple[tuple[str, str], ...] = ()
    code: tuple[Code, ...] = ()
    packaging: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Weights:
    """What of a model goes to the root of an archive.

    Attributes:
        kind: What the runtime has to load it with.
        members: The weights, and what belongs to them, such as a tokenizer.
        format: What they were read from.
        written_by: As in `Checkpoint`.
    """

    kind: Kind
    members: tuple[Member, ...]
    format: Format
    written_by: tuple[tuple[str, str], ...] = ()
