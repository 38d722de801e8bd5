"""What a pickle of PyTorch stands for: tensors and storages as descriptions, everything else by its name.

``torch.save`` writes a tensor as a call of one of the functions in ``torch/_utils.py`` and its storage as a
persistent id (``torch/serialization.py``). The calls whose meaning is known are read here; no other one is
made either, and becomes an `Unknown`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.adapters.checkpoints.dtypes import BY_NAME, BY_STORAGE, DType
from orchestrator.adapters.checkpoints.tensors import MAX_DIMENSIONS, MAX_LENGTH, span


class UnreadableError(Exception):
    """It is no pickle that a PyTorch program writes; says why."""


@dataclass(frozen=True, slots=True)
class Name:
    """A class, function or constant that the pickle names."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False, repr=False, slots=True)
class Unknown:
    """What a call would return that is not made.

    Attributes:
        arguments: What it would be called with.
        items: What would be set by key: an unknown mapping is still a mapping.
        state: What it would be told of itself, such as its attributes.
    """

    module: str
    name: str
    arguments: object = ()
    items: dict[object, object] = field(default_factory=dict)
    state: object = None

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Key:
    """A key of a dict that is not looked up by its value: that would hash what a stranger wrote."""

    value: object


@dataclass(frozen=True, slots=True)
class Storage:
    """A block of bytes beside the pickle.

    Attributes:
        key: Its name.
        start_bytes: Where in the block it begins; not 0 only for views in files of torch before 0.4.
    """

    key: str
    dtype: DType
    start_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor on a storage; ``offset``, as ``strides``, counts elements."""

    storage: Storage
    dtype: DType
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def end_bytes(self) -> int:
        """How many bytes its storage has at least; none if it is empty, wherever it would begin."""
        if 0 in self.shape:
            return 0
        last = self.offset + span(self.shape, self.strides)
        return self.storage.start_bytes + last * self.dtype.item_bytes


@dataclass(frozen=True, slots=True)
class StrangeTensor:
    """A tensor that is more, or less, than elements in memory; ``what`` says how."""

    what: str


def stored(persistent_id: object) -> object:
    """Return the storage that a persistent id names.

    Raises:
        UnreadableError: If it is none that ``torch.save`` writes.
    """
    match persistent_id:
        case ("storage", Name(_, name), str(key), _, int(), *rest) if name in BY_STORAGE:
            dtype = BY_STORAGE[name]
            match rest:
                case [] | [None]:
                    return Storage(key, dtype)
                case [(_, int(offset), int())] if 0 <= offset <= MAX_LENGTH:
                    return Storage(key, dtype, offset * dtype.item_bytes)
        case ("storage", Name(_, name), str(key), _, int(), *_) if name.endswith("Storage"):
            return Unknown("torch", name, (key,))
        case (
            "module",
            Name() as class_,
            *_,
        ):  # the legacy form of a module writes its class's source beside it
            return class_
    raise UnreadableError("it refers to something outside of it that is no storage of torch")


def call(function: object, arguments: object) -> object:
    """Return what calling ``function`` would give: a tensor, a plain value, or an `Unknown`.

    Raises:
        UnreadableError: If it would rebuild a tensor, but not with these arguments.
    """
    match function:
        case Name(module, name):
            if rebuild := _MEANT.get((module, name)):
                return rebuild(arguments)
            if module == "torch._utils" and name in _STRANGE:
                return StrangeTensor(_STRANGE[name])
            return Unknown(module, name, arguments)
        case Unknown():
            return Unknown(function.module, f"{function.name}()", arguments)
    return Unknown("builtins", type(function).__name__, arguments)


def _tensor_v2(arguments: object) -> object:
    match arguments:
        case (Storage() as storage, int(offset), tuple(shape), tuple(strides), *rest):
            return _tensor(storage, storage.dtype, offset, (shape, strides), rest[2:])
        case (Unknown(name=name), *_) if name.endswith("Storage"):
            return StrangeTensor(f"of the dtype '{name.removesuffix('Storage').lower()}'")
    raise _wrong("tensor")


def _tensor_v3(arguments: object) -> object:
    match arguments:
        case (
            Storage() as storage,
            int(offset),
            tuple(shape),
            tuple(strides),
            _,
            _,
            Name("torch", name),
            *rest,
        ):
            if name not in BY_NAME:
                return StrangeTensor(f"of the dtype '{name}'")
            return _tensor(storage, BY_NAME[name], offset, (shape, strides), rest)
    raise _wrong("tensor")


def _tensor(
    storage: Storage, dtype: DType, offset: int, layout: tuple[tuple[object, ...], ...], rest: list[object]
) -> object:
    shape, strides = map(_lengths, layout)
    if len(shape) != len(strides) or not 0 <= offset <= MAX_LENGTH:
        raise _wrong("tensor")
    if any(isinstance(bits, dict) and any(bits.values()) for bits in rest):
        return StrangeTensor("conjugated or negated, which its elements do not show")
    return Tensor(storage, dtype, offset, shape, strides)


def _lengths(values: tuple[object, ...]) -> tuple[int, ...]:
    lengths = tuple(value for value in values if type(value) is int and 0 <= value <= MAX_LENGTH)
    if len(lengths) != len(values) or len(values) > MAX_DIMENSIONS:
        raise _wrong("tensor")
    return lengths


def _first(arguments: object) -> object:
    # A parameter is the tensor it is given; hooks and attributes are nothing to a state dict.
    match arguments:
        case (Tensor() | StrangeTensor() as tensor, *_):
            return tensor
    raise _wrong("parameter")


def _from_type(arguments: object) -> object:
    match arguments:
        case (function, Name(module, name), inner, _):
            if module in {"torch", "torch.nn.parameter"} and name in {"Tensor", "Parameter", "Buffer"}:
                return call(function, inner)
            return StrangeTensor(f"of the class '{module}.{name}'")
    raise _wrong("tensor")


def _size(arguments: object) -> object:
    match arguments:
        case (tuple() | list() as lengths,):
            return tuple(lengths)
    return ()


def _mapping(arguments: object) -> object:
    # Python 2 wrote an OrderedDict as a call with a list of pairs, later versions set items one by one.
    match arguments:
        case (list(pairs),):
            return dict(map(_pair, pairs))
    return {}


def _bytes(arguments: object) -> object:
    # What protocol 2, which torch.save writes, has for bytes.
    match arguments:
        case (str(text), "latin1"):
            return text.encode("latin1")
    return Unknown("_codecs", "encode", arguments)


def _pair(pair: object) -> tuple[object, object]:
    match pair:
        case [key, value]:
            return (key if isinstance(key, str) else Key(key)), value
    raise _wrong("mapping")


def _wrong(what: str) -> UnreadableError:
    return UnreadableError(f"it describes a {what} wrongly")


_MEANT: dict[tuple[str, str], Callable[[object], object]] = {
    ("torch._utils", "_rebuild_tensor"): _tensor_v2,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor_v2,
    ("torch._utils", "_rebuild_tensor_v3"): _tensor_v3,
    ("torch._utils", "_rebuild_parameter"): _first,
    ("torch._utils", "_rebuild_parameter_with_state"): _first,
    ("torch._tensor", "_rebuild_from_type_v2"): _from_type,
    ("torch", "Size"): _size,
    ("_codecs", "encode"): _bytes,
    ("collections", "OrderedDict"): _mapping,
    ("collections", "defaultdict"): _mapping,
    ("builtins", "dict"): _mapping,
}
_STRANGE = {
    "_rebuild_sparse_tensor": "sparse",
    "_rebuild_sparse_csr_tensor": "sparse",
    "_rebuild_nested_tensor": "nested",
    "_rebuild_qtensor": "quantized",
    "_rebuild_meta_tensor_no_storage": "without content: it was saved from the device 'meta'",
    "_rebuild_wrapper_subclass": "of a class of its own",
    "_rebuild_device_tensor_from_numpy": "from a device that keeps it in an array of numpy",
    "_rebuild_device_tensor_from_cpu_tensor": "from a device that saves copies",
    "_rebuild_xla_tensor": "from a device that keeps it in an array of numpy",
}
