"""Which form of model a file or folder is: what it is declared to be, and what its bytes say, have to agree.

Nothing is run, and no more is read than a file's first bytes, a zip file's directory or a pickle.
"""

import mmap
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from orchestrator.adapters.checkpoints import documents, sniffing, zips
from orchestrator.adapters.checkpoints.opcodes import walk
from orchestrator.core.checkpoint import BY_SUFFIX, INDEX_SUFFIX, Format
from orchestrator.core.errors import ArtifactError, Detail

_FOLDERS = frozenset({Format.HUGGING_FACE, Format.SHARDED, Format.SAFETENSORS})
_SUPPORTED = (
    ".safetensors; what torch.save wrote as .pt, .pth, .bin or .ckpt; TorchScript; .pt2 of torch.export; "
    "a Hugging Face folder"
)
_SAVE = "in your training code: torch.save(model.state_dict(), 'model.pt')"
_SHARED_OBJECT = re.compile(r"\.(so(\.[0-9]+)*|dll|dylib|pyd)$", re.IGNORECASE)
_EXPORTED = re.compile(r"archive_format|serialized_exported_program\.json|models/[^/]+\.json")
_PICKLES_OF = re.compile(r"\b(joblib|sklearn|xgboost|lightgbm)\.")


class Layout(StrEnum):
    """How the tensors lie."""

    FILE = "file"
    ZIP = "zip"
    LEGACY = "legacy"
    FOLDER = "folder"


@dataclass(frozen=True, slots=True)
class Classified:
    """What a path holds.

    Attributes:
        format: ``STATE_DICT`` stands for all that ``torch.save`` writes, whole modules included: what lies in
            its pickle is for others to tell.
        layout: How the tensors lie.
        weights: The file that holds the tensors, or names the files that do; the path itself, or one below.
    """

    format: Format
    layout: Layout
    weights: str


def classify(path: str, format_: str = "auto") -> Classified:
    """Return which form of model the file or folder at ``path`` is.

    Args:
        path: The file or folder.
        format_: ``auto``, or one of `Format`, which it then has to be.

    Raises:
        ArtifactError: If it is absent or unreadable, no model, or not what its name or ``format_`` says.
    """
    declared = None if format_ == "auto" else Format(format_)
    try:
        if Path(path).is_dir():
            return _folder(path, declared)
        if not Path(path).is_file():
            raise ArtifactError(
                f"there is no model file '{path}'",
                details=[("rule", "model.path in orchestrator.toml names the file with the trained weights")],
            )
        return _file(path, declared)
    except OSError as error:
        raise ArtifactError(f"'{path}' cannot be read: {error.strerror}") from error


def check_declared(path: str, declared: str, found: Format) -> None:
    """Check that what lies in a pickle, which `classify` does not tell, is what the spec says.

    Raises:
        ArtifactError: If it is something else.
    """
    if declared not in {"auto", found}:
        raise _refused(path, f"by the spec it is {declared}, by its content {found}")


def _refused(path: str, why: str, *, hint: str = _SAVE, details: tuple[Detail, ...] = ()) -> ArtifactError:
    return ArtifactError(
        f"'{path}' is no model that can be packaged: {why}",
        details=[("supported", _SUPPORTED), *details],
        hint=hint,
    )


def _file(path: str, declared: Format | None) -> Classified:
    with Path(path).open("rb") as file:
        head = file.read(sniffing.HEAD_BYTES)
    suffix = INDEX_SUFFIX if path.endswith(INDEX_SUFFIX) else Path(path).suffix.lower()
    possible = BY_SUFFIX.get(suffix, frozenset({declared} if declared else ()))
    # A safetensors file begins with a number, which may happen to look like somebody else's mark.
    if not sniffing.looks_like_safetensors(head) and (known := sniffing.foreign(head)):
        what, step = known
        raise _refused(path, what, hint=step)
    if not possible:
        raise _refused(path, f"files named '*{suffix}' are not supported", hint=_SAVE)
    if declared and declared not in possible:
        raise _refused(path, f"the spec says {declared}, which files named '*{suffix}' are not")
    if Format.SAFETENSORS in possible:
        return _safetensors(path, head)
    if Format.SHARDED in possible:
        return Classified(Format.SHARDED, Layout.FOLDER, path)
    return _agreed(path, _saved(path, head), possible & ({declared} if declared else possible))


def _safetensors(path: str, head: bytes) -> Classified:
    if head.startswith(sniffing.ZIP_HEAD) or sniffing.looks_like_pickle(head):
        raise _refused(
            path, "it is a file of torch.save or another pickle, and no safetensors", hint=_rename(path)
        )
    size, length = Path(path).stat().st_size, int.from_bytes(head[:8], "little")
    if len(head) < 8 or length > size - 8:  # noqa: PLR2004 - the length of the length
        raise _refused(path, f"it is cut off: its header claims {length} bytes, the file has {size}")
    if not sniffing.looks_like_safetensors(head):
        raise _refused(path, "it has no safetensors header")
    return Classified(Format.SAFETENSORS, Layout.FILE, path)


def _rename(path: str) -> str:
    return f"if that is what it should be: mv '{path}' '{Path(path).with_suffix('.pt')}'"


def _saved(path: str, head: bytes) -> Classified:
    if head.startswith(sniffing.ZIP_HEAD):
        return Classified(_zip(path), Layout.ZIP, path)
    if sniffing.looks_like_legacy(head):
        return Classified(Format.STATE_DICT, Layout.LEGACY, path)
    if sniffing.looks_like_safetensors(head) and not sniffing.looks_like_pickle(head):
        hint = f"mv '{path}' '{Path(path).with_suffix('.safetensors')}'"
        raise _refused(path, "it looks like a safetensors file under another name", hint=hint)
    raise _pickle(path, head)


def _pickle(path: str, head: bytes) -> ArtifactError:
    """Return why a file is refused that torch.save did not write: it is another's pickle, or none at all."""
    with Path(path).open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        view = memoryview(mapped)
        findings = walk(view, persistent_ids=False)
        view.release()
    if not sniffing.looks_like_pickle(head) and any("is no pickle" in finding.what for finding in findings):
        return _refused(path, "its bytes are those of no known format, or it is damaged")
    library = next((m[1] for finding in findings if (m := _PICKLES_OF.search(finding.what))), None)
    details = tuple(("carries", f"{finding.what}, at byte {finding.offset}") for finding in findings[:3])
    whose = f"a pickle of {library}" if library else "a pickle that torch.save did not write"
    return _refused(path, f"it is {whose}, which runs code when it is loaded", details=details)


def _zip(path: str) -> Format:
    found = zips.members(path, program=True)
    is_script = "constants.pkl" in found.entries and any(name.startswith("code/") for name in found.entries)
    is_exported = any(_EXPORTED.fullmatch(name) for name in found.entries)
    if is_script and is_exported:
        raise _refused(path, "it is TorchScript and an exported program in one file")
    for name in found.entries:
        if _SHARED_OBJECT.search(name):
            raise _refused(
                path, f"it has a native library inside, {name!r}, which would run when it is loaded"
            )
    if is_script:
        return Format.TORCHSCRIPT
    if is_exported:
        return Format.EXPORTED
    if all(name.endswith(".npy") for name in found.entries):
        raise _refused(path, "it is a file of NumPy arrays (.npz)")
    zips.members(path)
    return Format.STATE_DICT


def _agreed(path: str, found: Classified, possible: frozenset[Format]) -> Classified:
    is_saved_object = found.format is Format.STATE_DICT and Format.MODULE in possible
    if found.format not in possible and not is_saved_object:
        expected = " or ".join(sorted(possible))
        raise _refused(path, f"by its name or by the spec it is {expected}, by its bytes {found.format}")
    return found


def _folder(path: str, declared: Format | None) -> Classified:
    names = sorted(entry.name for entry in Path(path).iterdir() if entry.is_file())
    if "saved_model.pb" in names:
        raise _refused(path, "it is a TensorFlow SavedModel")
    format_ = declared or _folder_format(names)
    weights = _folder_weights(names, format_)
    if format_ not in _FOLDERS or len(weights) != 1:
        raise _refused(
            path, _folder_problem(format_, weights), hint="name one model file, or a complete folder"
        )
    if format_ is Format.HUGGING_FACE and not _is_hugging_face(Path(path, "config.json")):
        raise _refused(path, "the folder has no 'config.json' that holds a JSON object")
    if format_ is Format.SAFETENSORS:
        weights_file = str(Path(path, weights[0]))
        return _file(weights_file, declared)
    return Classified(format_, Layout.FOLDER, str(Path(path, weights[0])))


def _folder_format(names: list[str]) -> Format:
    if "config.json" in names:
        return Format.HUGGING_FACE
    return Format.SHARDED if any(name.endswith(INDEX_SUFFIX) for name in names) else Format.SAFETENSORS


def _folder_weights(names: list[str], format_: Format) -> list[str]:
    """Return the files that could name or hold the weights, of the best kind that is there."""
    indexes = [name for name in names if name.endswith(INDEX_SUFFIX)]
    files = [name for name in names if name.endswith(".safetensors")]
    match format_:
        case Format.SHARDED:
            return indexes
        case Format.SAFETENSORS:
            return files
    pickled = ("pytorch_model.bin", "pytorch_model.bin.index.json")
    for kind in (
        ["model.safetensors"],
        ["model" + INDEX_SUFFIX],
        indexes,
        files,
        *([name] for name in pickled),
    ):
        if present := [name for name in kind if name in names]:
            return present
    return []


def _folder_problem(format_: Format, weights: list[str]) -> str:
    if format_ not in _FOLDERS:
        return f"it is a folder, and {format_} is a file"
    if weights:
        return f"the folder has several files of weights: {', '.join(weights[:5])}"
    return "the folder has no model in it"


def _is_hugging_face(config: Path) -> bool:
    try:
        documents.read(str(config))
    except (ValueError, OSError):
        return False
    return True
