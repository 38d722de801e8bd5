"""What the child process does with a file whose code the user has allowed; see `child`, which starts this.

Everything here runs code of the file's: `torch.load` without `weights_only`, and `torch.export.load`, which
unpickles as well. The results are data, and are read back with the runtime that goes into the archive.
"""

import contextlib
import copy
import importlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import save_file

from orchestrator.adapters.checkpoints import programs, statedicts
from orchestrator.core.archive import PROGRAM, WEIGHTS


class UnusableError(Exception):
    """The file was loaded, and what is in it cannot be served."""


def _module(request: Mapping[str, Any]) -> None:
    """Write the `state_dict` of a pickled module, or the one that a file holds whose code made it."""
    root = Path(request["root"])
    # As the container imports them, and as `python src/train.py` does.
    sys.path[:0] = [str(root), str(root / "src")]
    content = torch.load(request["path"], map_location="cpu", weights_only=False)
    _save(_state(content, request["key"]), Path(request["out"]))
    _read_back("weights", "read_folder", request["out"])


def _state(content: object, key: str) -> Mapping[str, Any]:
    places: dict[object, object] = {"": content}
    if key:
        places = dict(enumerate(statedicts.below(content, key)))
    elif isinstance(content, dict) and not _is_state_dict(content):
        places = content
    modules = {name: one for name, one in places.items() if isinstance(one, torch.nn.Module)}
    states = {name: one for name, one in places.items() if _is_state_dict(one)}
    if len(found := modules or states) > 1:
        raise UnusableError(f"it holds several models, {', '.join(map(repr, found))}: name one by its key")
    for module in modules.values():
        return module.state_dict()
    for state in states.values():
        return cast("dict[str, Any]", state)
    place = next(iter(places.values()), None) if key else content
    where = f" under '{key}'" if key else ""
    raise UnusableError(f"it holds {type(place).__name__}{where}, not one torch.nn.Module")


def _is_state_dict(value: object) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(name, str) and isinstance(one, torch.Tensor) for name, one in value.items())
    )


def _torchscript(request: Mapping[str, Any]) -> None:
    """Load a TorchScript program, to see that it can be."""
    with _without_pickle():
        torch.jit.load(request["path"], map_location="cpu")  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def _without_pickle() -> Iterator[None]:
    """Let nothing be unpickled by Python: the promise on which TorchScript goes into archives as it is."""
    loading = True

    def watch(event: str, _: object) -> None:
        if loading and event == "pickle.find_class":
            raise UnusableError("loading it unpickles, which a container must not do")

    sys.addaudithook(watch)  # for good: an audit hook cannot be taken out
    try:
        yield
    finally:
        loading = False


def _exported(request: Mapping[str, Any]) -> None:
    """Write an exported program as data."""
    program = torch.export.load(request["path"])
    try:
        description, tensors = programs.described(program)
    except programs.ProgramError as error:
        raise UnusableError(str(error)) from error
    out = Path(request["out"])
    if tensors:
        _save(tensors, out)
    (out / PROGRAM).write_text(json.dumps(description, allow_nan=False, separators=(",", ":")), "utf-8")
    # It is read back as the container reads it, which also refuses what programs may not call.
    kept = copy.deepcopy(_read_back("exported", "read", request["out"]))
    if program.example_inputs:
        _compare(program, kept)


def _compare(program: Any, kept: torch.nn.Module) -> None:  # noqa: ANN401 - an ExportedProgram, of torch
    """Check that the kept program answers the file's own example as the program itself does."""
    # Alike in all that makes PyTorch choose a kernel: memory of its own, and weights that nobody trains.
    original = copy.deepcopy(program.module()).requires_grad_(requires_grad=False)
    answers = []
    for module in (original, kept):
        args, kwargs = copy.deepcopy(program.example_inputs)
        torch.manual_seed(0)
        with torch.inference_mode():
            answers.append(module(*args, **kwargs))
    if not _same(*answers):
        raise UnusableError("kept as data, it answers its own example inputs differently")


def _same(left: object, right: object) -> bool:
    if isinstance(left, torch.Tensor) and isinstance(right, torch.Tensor):
        alike = left.dtype == right.dtype and left.shape == right.shape
        return alike and torch.allclose(left, right, rtol=0, atol=0, equal_nan=True)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(left == right)


def _save(tensors: Mapping[str, Any], out: Path) -> None:
    seen: set[int] = set()
    separate: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        if problem := _unsavable(tensor):
            raise UnusableError(f"its '{name}' is {problem}, which safetensors cannot hold")
        own = tensor.detach().contiguous()
        # The format has no shared memory: tied weights are written once for each of their names.
        address = own.untyped_storage().data_ptr()
        separate[name] = own.clone() if address in seen else own
        seen.add(address)
    try:
        save_file(separate, out / WEIGHTS)
    except (KeyError, ValueError) as error:
        raise UnusableError(f"its tensors cannot be written as safetensors: {error}") from error


def _unsavable(tensor: object) -> str:
    if not isinstance(tensor, torch.Tensor):
        return f"{type(tensor).__name__}, no tensor"
    if tensor.is_quantized or tensor.is_meta or tensor.layout is not torch.strided:
        return "a quantized, sparse or empty tensor"
    return ""


def _read_back(module: str, function: str, folder: str) -> Any:  # noqa: ANN401 - of a module found at run time
    """Read what was written as the container will, with the runtime that is about to be packaged."""
    read = getattr(importlib.import_module(f"orchestrator_runtime.{module}"), function)
    errors = importlib.import_module("orchestrator_runtime.errors")
    try:
        return read(folder)
    except errors.ModelError as error:
        raise UnusableError(str(error)) from error


TASKS: dict[str, Callable[[Mapping[str, Any]], None]] = {
    "exported": _exported,
    "module": _module,
    "torchscript": _torchscript,
}
"""What `loading` can ask for. Each takes the ``path`` of the file, and the folder ``out`` to write to."""
