"""What `model.tar.gz` holds: where its members lie, and the rules that they keep.

Knows names and sizes; `orchestrator.core.manifest` knows digests, `orchestrator.adapters.archives` bytes.

The container puts `code/` first on ``sys.path`` and looks for the weights beside it
(``sagemaker_pytorch_serving_container/transformer.py``). Writer and reader keep the same rules, so that
nothing is written that could not be read.
"""

import sys
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

from orchestrator.core.errors import ArtifactError

CODE = "code"
MANIFEST = f"{CODE}/manifest.json"
ENTRY_POINT = f"{CODE}/predict.py"
FALLBACK = f"{CODE}/inference.py"
REQUIREMENTS = f"{CODE}/requirements.txt"
RUNTIME = f"{CODE}/orchestrator_runtime"
WEIGHTS = "model.safetensors"
SHARDS = f"{WEIGHTS}.index.json"
SCRIPT = "model.pt"
PROGRAM = "exported.json"

MAX_ENTRIES = 10_000
MAX_SIZE_BYTES = 20 * 1024**3
MAX_RATIO = 200
FREE_SIZE_BYTES = 16 * 1024**2
"""What an archive may unpack to whatever its compressed size is: small files often compress well."""
MAX_DEPTH = 16
MAX_PATH_BYTES = 1024
MAX_COMPONENT_BYTES = 255
MAX_MANIFEST_BYTES = 16 * 1024**2

_ROOT_FILES = (
    f"'{WEIGHTS}'; or '{SHARDS}' and its shards; or '{SCRIPT}'; or '{PROGRAM}', which may have no weights"
)
_SAFETENSORS = ".safetensors"
_INNER = (".tar", ".tar.gz", ".tgz", ".zip")
_FIRST_PRINTABLE = " "
_DELETE = "\x7f"
_IMPORTED_SUFFIXES = (".py", ".pyc", ".so")
# Module names that the container's own programs import, or that our generated files have. The toolkit's
# folder comes before code/ on sys.path, so some of these would be shadowed and others would shadow.
_TAKEN = frozenset(
    {
        "default_pytorch_inference_handler",
        "handler_service",
        "inference",
        "numpy",
        "orchestrator_runtime",
        "orjson",
        "PIL",
        "predict",
        "safetensors",
        "sagemaker_inference",
        "sagemaker_pytorch_serving_container",
        "serving",
        "tokenizers",
        "torch",
        "torchserve",
        "transformers",
        "ts",
        "ts_environment",
        "ts_parameters",
    }
)


class Content(Protocol):
    """Bytes that are made while they are read, such as weights that are converted on the way."""

    @property
    def size_bytes(self) -> int:
        """How many bytes all chunks have together."""
        ...

    def chunks(self) -> Iterator[bytes | memoryview]:
        """Yield the bytes from the beginning; the same ones whenever it is called."""
        ...


@dataclass(frozen=True, slots=True)
class Member:
    """A file that goes into an archive.

    Attributes:
        path: Inside the archive, with ``/`` between folders.
        content: The path of a file on disk, the bytes themselves, or what makes them.
    """

    path: str
    content: str | bytes | Content


def check_layout(paths: Collection[str]) -> None:
    """Check that the container would find the entry point and the weights.

    TorchServe takes a lone folder at the root for the model folder itself (``ModelArchive.java``).

    Raises:
        ArtifactError: If it would not.
    """
    roots = {path.partition("/")[0] for path in paths}
    if len(roots) == 1 and not roots & set(paths):
        raise ArtifactError(
            f"the archive holds nothing but the folder '{min(roots)}'",
            details=[
                (
                    "rule",
                    "weights lie at the root, beside code/: the container takes a lone folder for the model",
                )
            ],
        )
    if missing := [path for path in (ENTRY_POINT, FALLBACK) if path not in paths]:
        raise ArtifactError(
            f"the archive has no '{missing[0]}'",
            details=_inner(paths),
            hint="build it again: orchestrator package",
        )
    if not _has_weights({path for path in paths if "/" not in path}):
        raise ArtifactError(
            "the archive has no weights at its root",
            details=[
                ("rule", _ROOT_FILES),
                *_inner(paths),
            ],
            hint="build it again: orchestrator package",
        )


def _has_weights(root: Collection[str]) -> bool:
    shards = SHARDS in root and any(path.endswith(_SAFETENSORS) for path in root)
    return shards or any(path in root for path in (WEIGHTS, PROGRAM, SCRIPT))


def _inner(paths: Collection[str]) -> list[tuple[str, str]]:
    """Return what to say of archives inside the archive: nobody unpacks those."""
    found = [path for path in sorted(paths) if path.lower().endswith(_INNER)]
    return [("holds", f"'{found[0]}', an archive inside the archive")] if found else []


def check_paths(files: Collection[str], folders: Collection[str] = ()) -> None:
    """Check the names of all members of an archive, before a byte of it is written anywhere.

    Raises:
        ArtifactError: Naming the first member that breaks a rule.
    """
    check_count(len(files) + len(folders))
    for path in (*files, *folders):
        if rule := broken_rule(path):
            raise _unsafe(path, rule)
    # Case-insensitive disks, and those that normalise, would write two such members to one file.
    seen: set[str] = set()
    for path in files:
        folded = _folded(path)
        if folded in seen:
            raise _unsafe(path, "no name occurs twice, not even in another case")
        seen.add(folded)
    inner = (folder for path in files for folder in _parents(_folded(path)))
    if clash := seen & {*inner, *map(_folded, folders)}:
        raise _unsafe(min(clash), "no file is also a folder")


def check_count(members: int) -> None:
    """Check how many members an archive has.

    Raises:
        ArtifactError: If it has too many.
    """
    if members > MAX_ENTRIES:
        raise ArtifactError(f"the archive has more than {MAX_ENTRIES} members")


def broken_rule(path: str) -> str:
    """Return the rule that the member name ``path`` breaks; empty if it keeps all.

    >>> broken_rule("code/predict.py"), broken_rule("../x")
    ('', "no component is empty, '.' or '..'")
    """
    components = path.split("/")
    if any(component in {"", ".", ".."} for component in components):
        return "no component is empty, '.' or '..'"
    if any(character < _FIRST_PRINTABLE or character in {_DELETE, "\\"} for character in path):
        return "no control characters and no backslash"
    try:
        lengths = [len(component.encode()) for component in components]
    except UnicodeEncodeError:
        return "names are UTF-8"
    if max(lengths) > MAX_COMPONENT_BYTES or sum(lengths) + len(lengths) - 1 > MAX_PATH_BYTES:
        return f"at most {MAX_COMPONENT_BYTES} bytes a component and {MAX_PATH_BYTES} in all"
    if len(components) > MAX_DEPTH:
        return f"at most {MAX_DEPTH} components"
    return "" if unicodedata.is_normalized("NFC", path) else "names are in Unicode's form NFC"


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", path.casefold())


def _parents(path: str) -> Iterable[str]:
    return accumulate(path.split("/")[:-1], lambda left, right: f"{left}/{right}")


def _unsafe(path: str, rule: str) -> ArtifactError:
    return ArtifactError(
        f"the archive has the unusable member {path[:MAX_COMPONENT_BYTES]!r}", details=[("rule", rule)]
    )


def check_size(size_bytes: int, compressed_bytes: int | None = None) -> None:
    """Check how much an archive holds, unpacked, against the limit and against its compressed size.

    Raises:
        ArtifactError: If it is too much: it would fill the disk of whoever unpacks it.
    """
    if size_bytes > MAX_SIZE_BYTES:
        raise ArtifactError(f"the archive holds more than {MAX_SIZE_BYTES} bytes")
    if compressed_bytes is not None and size_bytes > max(FREE_SIZE_BYTES, MAX_RATIO * compressed_bytes):
        raise ArtifactError(
            f"the archive unpacks to more than {MAX_RATIO} times its size",
            details=[
                ("rule", "an archive like that is made to fill disks, or holds almost nothing but zeros")
            ],
        )


def shadowing(path: str) -> bool:
    """Tell whether the user's file ``path`` in `code/` would hide a module of somebody else, or be hidden.

    A module named like one of the standard library keeps the whole container from starting.

    >>> shadowing("random.py"), shadowing("code/net.py"), shadowing("src/io.py"), shadowing("notes.txt")
    (True, True, False, False)
    """
    if path == MANIFEST.removeprefix(f"{CODE}/"):
        return True
    first, separator, _ = path.partition("/")
    if not separator and not first.endswith(_IMPORTED_SUFFIXES):
        return False
    return first.partition(".")[0] in _TAKEN | sys.stdlib_module_names
