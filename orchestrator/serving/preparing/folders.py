"""Where a worker finds its model: the folder TorchServe would take, behind a link like the container's."""

import contextlib
import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """An unpacked archive.

    Attributes:
        root: What ``/opt/ml/model`` is in the container.
        folder: ``root``, or the only thing in it if that is a folder: TorchServe's `ModelArchive` takes it
            for the model then. Hidden entries count.
    """

    root: Path
    folder: Path

    @property
    def is_nested(self) -> bool:
        """Whether the model folder is not the archive's root: the trap ``one-root-folder``."""
        return self.folder != self.root

    @classmethod
    def of(cls, root: Path) -> "ModelFolder":
        """Look which folder TorchServe would take."""
        whole = root.resolve()
        entries = list(whole.iterdir())
        alone = len(entries) == 1 and entries[0].is_dir()
        return cls(whole, entries[0] if alone else whole)


@contextlib.contextmanager
def linked(folder: Path) -> Iterator[Path]:
    """Yield a link to ``folder`` as the container hands it to `model_fn`: ``/tmp/models/<32 hex>/model``.

    It ends with the block; ``folder`` stays.
    """
    with tempfile.TemporaryDirectory(prefix="orchestrator-") as temporary:
        link = Path(temporary, "models", secrets.token_hex(16), folder.name)
        link.parent.mkdir(parents=True)
        link.symlink_to(folder, target_is_directory=True)
        yield link
