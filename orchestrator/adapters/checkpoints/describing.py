"""What TorchScript and exported programs hold, told from their members' names and content; none is run."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.adapters.checkpoints import symbols, zips
from orchestrator.adapters.checkpoints.dtypes import BY_NAME, DType
from orchestrator.adapters.checkpoints.rebuilding import Tensor, Unknown, UnreadableError
from orchestrator.adapters.checkpoints.tensors import MAX_DIMENSIONS, MAX_LENGTH
from orchestrator.core import checkpoint
from orchestrator.core.checkpoint import Checkpoint, Code, Format
from orchestrator.core.errors import ArtifactError

_MAX_DEPTH = 64
_MAX_VERSION = 80
_EXPORTED_JSON = re.compile(r"models/[^/]+\.json|serialized_exported_program\.json")
_NATIVE = re.compile(r"\.(so(\.\d+)*|dylib|dll|o|cubin|cpp|cu)$", re.IGNORECASE)
_OWN = re.compile(r"(torch\.ops\.(aten|prims|higher_order)\.|_operator\.|math\.|torch\._?sym_)\w")
_CALLS = "calls "
_PICKLED = re.compile(r"\.(pt|pkl|pickle)$", re.IGNORECASE)
# The numbers of torch._export.serde.schema.ScalarType.
_SCALAR_TYPES = {
    1: "uint8",
    2: "int8",
    3: "int16",
    4: "int32",
    5: "int64",
    6: "float16",
    7: "float32",
    8: "float64",
    9: "complex32",
    10: "complex64",
    11: "complex128",
    12: "bool",
    13: "bfloat16",
    28: "uint16",
    29: "float8_e4m3fn",
    30: "float8_e5m2",
    31: "float8_e4m3fnuz",
    32: "float8_e5m2fnuz",
    33: "float8_e8m0fnu",
    34: "uint32",
    35: "uint64",
}
# What each kind of input of a program says its tensor is called (torch._export.serde.schema.InputSpec).
_NAMES = {
    "parameter": "parameter_name",
    "buffer": "buffer_name",
    "tensor_constant": "tensor_constant_name",
}


def torchscript(path: str) -> Checkpoint:
    """Return what the TorchScript program in ``path`` holds.

    Raises:
        ArtifactError: If it is damaged.
    """
    members = zips.members(path, program=True)
    found: list[tuple[str, Tensor]] = []
    seen: set[int] = set()
    for pickle in ("data.pkl", "constants.pkl"):
        if pickle in members.entries:
            prefix = "" if pickle == "data.pkl" else "constants."
            found += _tensors(_unpickled(members, pickle), prefix, seen)
    return Checkpoint(
        path=path,
        format=Format.TORCHSCRIPT,
        size_bytes=Path(path).stat().st_size,
        tensors=tuple(_shown(name, tensor.dtype, tensor.shape) for name, tensor in found),
        code=tuple(
            Code(f"{members.root}/{name}", "is TorchScript, which runs when it is loaded or called")
            for name in sorted(members.entries)
            if name.startswith("code/") and name.endswith(".py")
        ),
        packaging="needs model.allow_code = true; it is loaded once, to test it, and packaged as it is",
        notes=("nothing of it is unpickled: torch.jit.load knows the types of TorchScript only",),
    )


def _unpickled(members: zips.ZipMembers, name: str) -> object:
    try:
        return symbols.read(members.read(name)).value
    except UnreadableError as error:
        raise ArtifactError(f"'{members.path}' is damaged: '{members.root}/{name}': {error}") from error


def _tensors(value: object, prefix: str, seen: set[int], depth: int = 0) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors in what a TorchScript pickle describes: the attributes of objects of objects.

    What is there under two names is one object. It is shown by the first, for a few lists that hold one
    another could be unfolded without end.
    """
    if isinstance(value, Tensor):
        yield prefix.removesuffix("."), value
        return
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, Unknown):
        value = value.state
    if depth >= _MAX_DEPTH or not isinstance(value, dict | list | tuple):
        return
    entries = value.items() if isinstance(value, dict) else enumerate(value)
    for name, part in entries:
        yield from _tensors(part, f"{prefix}{name}.", seen, depth + 1)


def _shown(name: str, dtype: DType, shape: tuple[int, ...]) -> checkpoint.Tensor:
    return checkpoint.Tensor(name, dtype.name, shape, math.prod(shape) * dtype.item_bytes)


def exported(path: str) -> Checkpoint:
    """Return what the program in ``path`` holds, which `torch.export.save` wrote.

    Raises:
        ArtifactError: If it is damaged.
    """
    members = zips.members(path, program=True)
    program = _program(members)
    version = program.get("torch_version")
    return Checkpoint(
        path=path,
        format=Format.EXPORTED,
        size_bytes=Path(path).stat().st_size,
        tensors=_weights(path, program),
        written_by=(("torch", version[:_MAX_VERSION]),) if isinstance(version, str) else (),
        code=(
            *(
                Code(f"{members.root}/{name}".lstrip("/"), what)
                for name in sorted(members.entries)
                if (what := _danger(name))
            ),
            *(
                Code("graph", f"{_CALLS}{target}, which is no operator of PyTorch")
                for target in sorted(set(_targets(program)))
                if not _OWN.match(target)
            ),
        ),
        packaging=(
            "needs model.allow_code = true; it is loaded once, in a child process, and its graph and tensors "
            "are packaged as data"
        ),
    )


def check_packable(described: Checkpoint) -> None:
    """Check that an exported program brings no compiled code, and calls no operators but PyTorch's own.

    Raises:
        ArtifactError: Naming what it brings or calls.
    """
    foreign = [code.what for code in described.code if code.what.startswith(_CALLS)]
    if foreign:
        raise ArtifactError(
            f"'{described.path}' cannot be packaged: it {foreign[0]}",
            details=[("rule", "a program is packaged as data, which calls PyTorch's own operators only")],
            hint="export a model without that operator, or package its weights and its class instead",
        )
    native = [code.where for code in described.code if _NATIVE.search(code.where)]
    if native:
        raise ArtifactError(
            f"'{described.path}' cannot be packaged: it holds compiled code, '{native[0]}'",
            details=[
                ("rule", "a program is packaged as data; compiled code is bound to the machine that made it")
            ],
            hint="save the program before it is compiled: torch.export.save(program, 'model.pt2')",
        )


def _danger(name: str) -> str:
    if _NATIVE.search(name):
        return "is compiled code, or the source of it"
    return "is a pickle, which torch.export.load unpickles" if _PICKLED.search(name) else ""


def _targets(program: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the graph calls, and the graphs in it."""
    left: list[object] = [program]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            if {"target", "inputs"} <= value.keys():
                yield str(value["target"])
            left += value.values()
        elif isinstance(value, list):
            left += value


def _program(members: zips.ZipMembers) -> dict[str, Any]:
    names = sorted(name for name in members.entries if _EXPORTED_JSON.fullmatch(name))
    if len(names) != 1:
        holds = f"the programs {', '.join(names)}" if names else "no program"
        raise ArtifactError(
            f"'{members.path}' cannot be packaged: it holds {holds}, not one",
            hint="save each program to a file of its own: torch.export.save(program, 'model.pt2')",
        )
    try:
        program: dict[str, Any] = json.loads(members.read(names[0]))
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"'{members.path}' is damaged: '{names[0]}' is not JSON: {error}") from error
    if not isinstance(program, dict):
        raise ArtifactError(f"'{members.path}' is damaged: '{names[0]}' does not describe a program")
    return program


def _weights(path: str, program: Mapping[str, Any]) -> tuple[checkpoint.Tensor, ...]:
    try:
        graph = program["graph_module"]
        values = graph["graph"]["tensor_values"]
        named = [
            (spec[_NAMES[kind]], values[spec["arg"]["name"]])
            for entry in graph["signature"]["input_specs"]
            for kind, spec in entry.items()
            if kind in _NAMES
        ]
        return tuple(
            _shown(
                str(name),
                BY_NAME[_SCALAR_TYPES[meta["dtype"]]],
                _shape(meta["sizes"]),
            )
            for name, meta in named
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"'{path}' is damaged: its program is not described as PyTorch does") from error


def _shape(sizes: list[dict[str, Any]]) -> tuple[int, ...]:
    shape = tuple(size["as_int"] for size in sizes)
    lengths = [one for one in shape if type(one) is int and 0 <= one <= MAX_LENGTH]
    if len(lengths) != len(shape) or len(shape) > MAX_DIMENSIONS:
        raise ValueError("no tensor has such a shape")
    return shape
