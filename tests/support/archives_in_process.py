"""Load an archive in this process, as a worker does in its own, and forget it afterwards."""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.serving.contract import Fidelity
from orchestrator.serving.messages import Assignment, Headers, Part, Request, Response
from orchestrator.serving.worker.handler import Handler
from orchestrator.serving.worker.importing import STAND_INS, enter

_STAND_INS = ("sagemaker_inference", "sagemaker_pytorch_serving_container", "ts", "serving")


@dataclass
class Loading:
    """What loads archives.

    Attributes:
        root: Where they are unpacked.
        parts: What has been streamed so far.
    """

    root: Path
    parts: list[Part] = field(default_factory=list)

    def __call__(
        self,
        files: dict[str, str] | str,
        *,
        module: str = "inference",
        accept: str = "application/json",
        fidelity: Fidelity = Fidelity.HELPFUL,
        multi_model: bool = False,
    ) -> "Loaded":
        """Write the files, or the one entry point, and load them."""
        files = {"code/inference.py": files} if isinstance(files, str) else files
        for name, source in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source)
        assignment = Assignment(
            root=str(self.root),
            folder=str(self.root),
            model_dir=str(self.link),
            module=module,
            default_accept=accept,
            fidelity=fidelity,
            multi_model=multi_model,
        )
        enter(assignment)
        return Loaded(Handler.load(assignment), self.parts)

    @property
    def link(self) -> Path:
        """The link to the model folder, which is made when it is first asked for."""
        link = self.root.parent / "models" / ("0" * 32) / "model"
        if not link.is_symlink():
            link.parent.mkdir(parents=True)
            link.symlink_to(self.root)
        return link


@dataclass(frozen=True)
class Loaded:
    """An archive that has been loaded."""

    handler: Handler
    parts: list[Part]

    def ask(self, body: bytes | str = b"", *headers: tuple[str, str], query: str = "") -> Response:
        """Return the answer to one request."""
        content = body.encode() if isinstance(body, str) else body
        [response] = self.ask_all([Request(tuple(headers), content, "request-1", query)])
        return response

    def csv(self, body: str = "", *headers: tuple[str, str]) -> Response:
        """Return the answer to a body that arrives as text."""
        return self.ask(body, ("Content-Type", "text/csv"), *headers)

    def ask_all(self, requests: Sequence[Request]) -> list[Response]:
        """Return the answers to a batch."""
        return self.handler.answer_all(requests, self.parts.append)


def header(headers: Headers, name: str) -> str | None:
    """Return a header by its name in any case."""
    return next((value for known, value in headers if known.lower() == name.lower()), None)


@contextlib.contextmanager
def loading(folder: Path) -> Iterator[Loading]:
    """Give something that loads archives below ``folder``; on the way out, undo what `enter` has done."""
    path, modules, inherited = list(sys.path), dict(sys.modules), os.environ.get("PYTHONPATH")
    place, arguments = Path.cwd(), sys.argv
    root = folder / "root"
    root.mkdir()
    try:
        yield Loading(root)
    finally:
        os.chdir(place)
        sys.argv = arguments
        sys.path[:] = path
        sys.path_importer_cache.clear()
        for name in set(sys.modules) - set(modules):
            origin = str(getattr(sys.modules[name], "__file__", None))
            if origin.startswith((str(folder), str(STAND_INS))) or name.partition(".")[0] in _STAND_INS:
                del sys.modules[name]
        sys.modules.update(modules)
        os.environ.pop("PYTHONPATH", None)
        os.environ.update({} if inherited is None else {"PYTHONPATH": inherited})
