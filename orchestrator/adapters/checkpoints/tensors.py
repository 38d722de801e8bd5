"""Where the bytes of a tensor lie, whatever kind of file they are in."""

import math
from dataclasses import dataclass

from orchestrator.adapters.checkpoints.dtypes import DType
from orchestrator.core import checkpoint

MAX_NAME_BYTES = 255
MAX_DIMENSIONS = 64
"""As many as numpy's arrays have (``NPY_MAXDIMS``), which is more than any model needs."""
MAX_LENGTH = 2**63 - 1
"""Of a dimension, a stride or an offset: torch keeps them in signed 64-bit integers."""
_METADATA = "__metadata__"


@dataclass(frozen=True, slots=True)
class Located:
    """One tensor in a file.

    Attributes:
        path: The file.
        offset: Of its first element, in bytes from the beginning of the file.
        strides: How many elements lie between neighbours, by dimension. They may be 0, and tensors may share
            elements.
    """

    dtype: DType
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    path: str
    offset: int

    @property
    def size_bytes(self) -> int:
        """How many bytes its elements have, one after another."""
        return math.prod(self.shape) * self.dtype.item_bytes

    @property
    def span_bytes(self) -> int:
        """How many bytes lie between its first and behind its last element, as it is stored."""
        return span(self.shape, self.strides) * self.dtype.item_bytes

    @property
    def is_contiguous(self) -> bool:
        """Whether its elements lie one after another, the last dimension first."""
        pairs = zip(self.shape, self.strides, contiguous(self.shape), strict=True)
        return not self.size_bytes or all(length == 1 or have == want for length, have, want in pairs)

    def described(self, name: str) -> checkpoint.Tensor:
        """Return it as `inspect` shows it."""
        return checkpoint.Tensor(name, self.dtype.name, self.shape, self.size_bytes)


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the strides of a tensor whose elements lie one after another.

    >>> contiguous((2, 3, 4))
    (12, 4, 1)
    """
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def span(shape: tuple[int, ...], strides: tuple[int, ...]) -> int:
    """Return how many elements lie between the first and behind the last element of a tensor.

    >>> span((2, 3), (3, 1)), span((2, 2), (1, 4)), span((1000,), (0,)), span((0, 9), (9, 1)), span((), ())
    (6, 6, 1, 0, 1)
    """
    if 0 in shape:
        return 0
    return sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True)) + 1


def is_possible(shape: tuple[int, ...], item_bytes: int) -> bool:
    """Tell whether PyTorch can make a tensor of that shape: even of an empty one it computes the strides.

    >>> is_possible((0, 2**60), 4), is_possible((0, 2**62), 4)
    (True, False)
    """
    return math.prod(length or 1 for length in shape) * item_bytes <= MAX_LENGTH


def name_problem(name: str) -> str:
    """Return why the runtime would not read a tensor called ``name``; empty if it would.

    >>> name_problem("conv.weight"), name_problem("a" * 256)
    ('', 'a name has at most 255 bytes')
    """
    if len(name.encode("utf-8", "replace")) > MAX_NAME_BYTES:
        return f"a name has at most {MAX_NAME_BYTES} bytes"
    if not name.isprintable():
        return "a name has no control characters"
    return f"the safetensors format keeps '{_METADATA}' for itself" if name == _METADATA else ""
