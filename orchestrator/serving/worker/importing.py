"""Where a worker works, and in which order it finds modules, as in the container.

Measured on toolkit 2.0.25 with TorchServe 0.12: the toolkit's own folder comes first, then ``code``, the
model folder and the folder of the link to it, then everything else. The stand-ins come last of all, so that a
real toolkit that is installed is the one that is imported.
"""

import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from importlib.machinery import FrozenImporter
from pathlib import Path

from orchestrator.serving.contract import CODE_FOLDER
from orchestrator.serving.messages import Assignment
from orchestrator.serving.traps import TrapError

STAND_INS = Path(__file__).parent.parent / "stand_ins"
"""What stands in for packages that the container has and this machine may not have."""

ARGUMENTS = (
    str(STAND_INS / "ts/model_service_worker.py"),
    *("--sock-type", "unix", "--sock-name", "/tmp/.ts.sock.9000"),  # noqa: S108 - a word, and no file
    *("--metrics-config", str(STAND_INS / "ts/configs/metrics.yaml")),
)
"""What `sys.argv` is in TorchServe's worker: an entry point that parses it when imported ends there, too."""

_TOOLKIT = "sagemaker_pytorch_serving_container"
_OURS = "orchestrator"

SHADOWED = frozenset(
    {
        "default_pytorch_inference_handler",
        "handler_service",
        "serving",
        "torchserve",
        "ts_environment",
        "ts_parameters",
    }
)
"""The modules in the toolkit's own folder."""

_NAMES = """
    __future__ _asyncio _bisect _blake2 _bz2 _compat_pickle _compression _contextvars _csv _ctypes
    _datetime _decimal _elementtree _hashlib _heapq _json _lzma _markupbase _multiprocessing _opcode
    _pickle _posixshmem _posixsubprocess _queue _random _sha512 _socket _ssl _struct _typing _uuid
    _weakrefset argparse array ast asyncio base64 binascii bisect bz2 calendar cmath collections
    concurrent configparser contextlib contextvars copy copyreg csv ctypes dataclasses datetime decimal
    difflib dis email encodings enum fcntl fileinput fnmatch functools getpass gettext glob grp gzip
    hashlib heapq hmac html http importlib inspect ipaddress json keyword linecache locale logging lzma
    math mimetypes mmap multiprocessing numbers opcode operator pathlib pickle pickletools pkgutil
    platform plistlib pprint pydoc pyexpat queue quopri random re reprlib resource secrets select
    selectors shlex shutil signal socket ssl string struct subprocess sysconfig tarfile tempfile termios
    textwrap threading timeit token tokenize traceback types typing unittest urllib uuid warnings
    weakref xml zipfile zlib
"""

IMPORTED_AT_START = frozenset(_NAMES.split())
"""Modules of the standard library that the container imports, and that a file in ``code`` takes the place of.

The top-level names in `sys.modules` of the processes ``serve``, ``torchserve`` and the worker, without those
that are built in or frozen, which no file precedes. Toolkit 2.0.25, TorchServe 0.12, Python 3.11.
"""


def enter(assignment: Assignment) -> None:
    """Make this process work in the model folder, and import what lies there before anything else.

    Raises:
        TrapError: If a file there takes the place of a module that the container needs to start.
    """
    root, folder = Path(assignment.root), Path(assignment.folder)
    own = list(dict.fromkeys([*top_level_modules(root / CODE_FOLDER), *top_level_modules(folder)]))
    for name in own:
        if name in IMPORTED_AT_START:
            raise TrapError("standard-library-shadowed", f"'{name}' in the archive")
    os.chdir(folder)
    sys.argv = [*ARGUMENTS]
    _open(assignment)
    _yield_names(own)


def top_level_modules(folder: Path) -> list[str]:
    """Return the names of the modules and packages that can be imported from ``folder``, sorted."""
    return sorted(_names(folder)) if folder.is_dir() else []


def _names(folder: Path) -> Iterator[str]:
    for path in folder.iterdir():
        if path.suffix == ".py":
            yield path.stem
        elif (path / "__init__.py").is_file():
            yield path.name


def _open(assignment: Assignment) -> None:
    toolkit, code = str(_toolkit()), str(Path(assignment.root) / CODE_FOLDER)
    link = str(Path(assignment.model_dir).parent)
    first = (
        [toolkit, assignment.folder, link]
        if assignment.multi_model
        else [toolkit, code, assignment.folder, link]
    )
    inherited = os.environ.get("PYTHONPATH", "")
    sys.path[:0] = first
    linked_code = os.path.join(assignment.model_dir, CODE_FOLDER)  # noqa: PTH118 - the toolkit's way, for its text
    if assignment.multi_model:
        sys.path.append(linked_code)
    sys.path.append(str(STAND_INS))
    # `default_handler_service.py` puts the link's code folder first; TorchServe has set the rest.
    os.environ["PYTHONPATH"] = os.pathsep.join([linked_code, *first, inherited])


def _toolkit() -> Path:
    found = importlib.util.find_spec(_TOOLKIT)
    places = found.submodule_search_locations if found is not None else None
    return Path(places[0]) if places else STAND_INS / _TOOLKIT


def _yield_names(own: list[str]) -> None:
    """Forget modules of other origin that have the name of one of the archive's ``own``.

    This process has imported more than the container's worker has: without this, ``import orchestrator`` or
    ``import colorsys`` would give the archive's code another module than the one beside it.
    """
    if _OURS in own:
        # What stands in imports ours, and has to do so before it cannot.
        for path in sorted(STAND_INS.glob("*/**/*.py")):
            parts = path.relative_to(STAND_INS).with_suffix("").parts
            importlib.import_module(".".join(part for part in parts if part != "__init__"))
    for name in own:
        if (
            name == "__main__"
            or name in sys.builtin_module_names
            or FrozenImporter.find_spec(name) is not None
        ):
            continue  # no file precedes these
        for loaded in [loaded for loaded in sys.modules if loaded == name or loaded.startswith(f"{name}.")]:
            del sys.modules[loaded]
