"""The operators that an exported program may call: those that compute, and nothing else.

Default-deny: PyTorch's own tensor operators (namespaces ``aten`` and ``prims``), and the Python functions
that `torch.export` puts into graphs to compute with sizes (``_SYM_OPS``, torch/_export/serde/serialize.py).

Under the same names PyTorch has the built-in functions of TorchScript, which save files, set seeds and format
texts (torch/csrc/jit/runtime/register_prim_ops.cpp). They are told by what they lack: a kernel.
"""

import math
import operator
import re
from collections.abc import Callable
from typing import Any

import torch

from .errors import ModelError

_NAMESPACES = ("aten", "prims")
_DENIED = frozenset({"from_file", "_print"})
"""The ones of ``aten`` that reach outside the process: a file is mapped or made, stdout is written to."""
_UNCHECKED = ("sparse", "nested")
"""In the names of operators on layouts that are not served, of which some do not check their indices."""

_OVERLOAD = type(torch.ops.aten.add.Tensor)
_TENSOR_OPERATOR = re.compile(r"(\w+)\.(\w+)\.(\w+)", re.ASCII)
_PYTHON: dict[str, Callable[..., Any]] = {
    "math.ceil": math.ceil,
    "math.floor": math.floor,
    "math.trunc": math.trunc,
    **{
        f"operator.{function.__name__}": function
        for function in (
            operator.abs,
            operator.add,
            operator.and_,
            operator.eq,
            operator.floordiv,
            operator.ge,
            operator.getitem,
            operator.gt,
            operator.le,
            operator.lshift,
            operator.lt,
            operator.mod,
            operator.mul,
            operator.ne,
            operator.neg,
            operator.or_,
            operator.pos,
            operator.pow,
            operator.rshift,
            operator.sub,
            operator.truediv,
        )
    },
    **{
        f"torch.{function.__name__}": function
        for function in (
            torch.sym_float,
            torch.sym_int,
            torch.sym_ite,
            torch.sym_max,
            torch.sym_min,
            torch.sym_not,
        )
    },
    "torch._sym_sqrt": math.sqrt,
}


def find(target: str) -> Callable[..., Any]:
    """Return the operator that a graph calls ``target``.

    >>> find("operator.add")(2, 3), find("aten.relu.default")
    (5, <OpOverload(op='aten.relu', overload='default')>)

    Raises:
        ModelError: If it is none that programs may call, or this version of PyTorch does not have it.
    """
    if target in _PYTHON:
        return _PYTHON[target]
    parts = _TENSOR_OPERATOR.fullmatch(target)
    if parts is None or parts[1] not in _NAMESPACES or _is_denied(parts[2]):
        raise ModelError(f"the program calls {target!r}, which is no operator that programs may call")
    packet = getattr(getattr(torch.ops, parts[1]), parts[2], None)
    overload = getattr(packet, parts[3], None)
    if not isinstance(overload, _OVERLOAD):
        raise ModelError(f"the program calls {target!r}, which PyTorch {torch.__version__} does not have")
    if not torch._C._dispatch_has_kernel(overload._name):  # noqa: SLF001 - nothing public tells it
        raise ModelError(f"the program calls {target!r}, which is TorchScript's and no tensor operator")
    return overload


def _is_denied(name: str) -> bool:
    return name in _DENIED or any(word in name for word in _UNCHECKED)
