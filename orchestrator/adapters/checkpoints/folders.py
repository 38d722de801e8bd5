"""Folders as ``save_pretrained`` of transformers and sentence-transformers writes them.

Into an archive go the weights and what a tokenizer or a configuration consists of, by name. Nothing else
does: such folders also hold Python files, pickles, and the weights of other frameworks.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.adapters.checkpoints import documents
from orchestrator.core.archive import Member
from orchestrator.core.errors import ArtifactError

CONFIG = "config.json"
_COMPANIONS = frozenset(
    {
        CONFIG,
        "added_tokens.json",
        "config_sentence_transformers.json",
        "generation_config.json",
        "merges.txt",
        "modules.json",
        "preprocessor_config.json",
        "processor_config.json",
        "sentence_bert_config.json",
        "sentencepiece.bpe.model",
        "special_tokens_map.json",
        "spiece.model",
        "tokenizer.json",
        "tokenizer.model",
        "tokenizer_config.json",
        "vocab.json",
        "vocab.txt",
    }
)
_PART = re.compile(r"[0-9]+_[A-Za-z]+")
"""How sentence-transformers names the folders of its modules, such as ``1_Pooling``."""
_CODE = (".py", ".pkl", ".pickle", ".joblib", ".bin", ".pt", ".pth", ".so")
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Folder:
    """What of a folder goes to the root of an archive beside the weights, and what there is to know of it."""

    companions: tuple[Member, ...]
    written_by: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def read(path: str, weights: tuple[str, ...]) -> Folder:
    """Look through the folder at ``path``, whose weights lie in the files ``weights``.

    Raises:
        ArtifactError: If its configuration cannot be read.
    """
    folder = Path(path)
    try:
        config = documents.read(str(folder / CONFIG))
    except (ValueError, OSError) as error:
        raise ArtifactError(
            f"'{folder / CONFIG}' cannot be read: {error}",
            hint="save the folder again: model.save_pretrained(folder)",
        ) from error
    version = config.get("transformers_version")
    written_by = (("transformers", version[:80]),) if isinstance(version, str) else ()
    return Folder(tuple(_companions(folder)), written_by, tuple(_notes(folder, config, weights)))


def _companions(folder: Path) -> Iterator[Member]:
    for path in sorted(folder.iterdir()):
        if path.name in _COMPANIONS and path.is_file():
            yield Member(path.name, _inside(folder, path))
        elif _PART.fullmatch(path.name) and (path / CONFIG).is_file():
            yield Member(f"{path.name}/{CONFIG}", _inside(folder, path / CONFIG))


def _inside(folder: Path, path: Path) -> str:
    """Return ``path``, if a stranger's folder does not make us pack a file of somebody else's by a link.

    Hugging Face's own cache keeps the files of ``models--X/snapshots/Y`` as links to ``models--X/blobs``.
    """
    target, own = path.resolve(), folder.resolve()
    if not any(target.is_relative_to(place) for place in (own, own.parent.parent / "blobs")):
        raise ArtifactError(
            f"'{path}' is a link that leads out of the model's folder",
            details=[("leads to", str(target))],
            hint="put the file itself into the folder",
        )
    return str(path)


def _notes(folder: Path, config: dict[str, object], weights: tuple[str, ...]) -> Iterator[str]:
    if "auto_map" in config:
        yield f"{CONFIG} names code of its own under 'auto_map', which is neither packaged nor run"
    used = {Path(file).name for file in weights}
    left = sorted(path.name for path in folder.iterdir() if path.suffix in _CODE and path.name not in used)
    if left:
        rest = f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
        yield f"not packaged, because it is code or may carry it: {', '.join(left[:_SHOWN])}{rest}"
