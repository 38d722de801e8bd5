"""What a pickle describes, read without importing or calling anything that it names.

The opcodes of the pickle protocol build plain values on a stack, and ask for names and for calls now and
then (CPython, ``Lib/pickletools.py``). Here the first are built, and the others stay descriptions. That is
enough to see every tensor of a checkpoint, whatever else lies in it: an optimizer, callbacks, a namespace.

There is nothing to allow or to deny, because nothing can happen; `opcodes` tells what would.
"""

import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, cast

from orchestrator.adapters.checkpoints.opcodes import MAX_OPCODES
from orchestrator.adapters.checkpoints.rebuilding import (
    Key,
    Name,
    Storage,
    Unknown,
    UnreadableError,
    call,
    stored,
)
from orchestrator.adapters.checkpoints.tape import Pickle, Tape

_MAX_KEY = 2**61 - 1
"""Integers beyond it can be made to collide in a dict without end (CPython, ``Python/pyhash.c``)."""

_LITERALS = frozenset(
    {
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
        "BYTEARRAY8",
        "UNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE",
        "BINUNICODE8",
        "FLOAT",
        "BINFLOAT",
    }
)
_FRESH: dict[str, Callable[[], object]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_DICT": dict,
    "EMPTY_SET": lambda: Unknown("builtins", "set"),
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


@dataclass(frozen=True, slots=True)
class Read:
    """What one pickle describes.

    Attributes:
        storages: All that it refers to, by their key.
        end: Where the next byte after the pickle is.
    """

    value: object
    storages: Mapping[str, Storage]
    end: int


def read(pickle: Pickle, position: int = 0) -> Read:
    """Return what the pickle at ``position`` describes.

    Plain values are themselves, but a key that is neither text, a small integer, truth value nor ``None`` is
    a `Key`; tensors, names and all the rest are the classes of `rebuilding`.

    Raises:
        UnreadableError: If it is no whole pickle, or breaks a limit.
    """
    machine = _Machine()
    tape = Tape(pickle, position)
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(cast("IO[bytes]", tape))):
            if count >= MAX_OPCODES:
                raise UnreadableError(f"it has more than {MAX_OPCODES} opcodes")
            machine.step(opcode.name, argument)
        return Read(machine.result(), machine.storages, tape.tell())
    except (IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise UnreadableError(f"it is no whole pickle: {error}") from error


class _Machine:
    """A stack machine for one pickle; `mark` begins a new stack, as in CPython's own."""

    def __init__(self) -> None:
        self._stack: list[object] = []
        self._below: list[list[object]] = []
        self._memo: dict[int, object] = {}
        self.storages: dict[str, Storage] = {}

    def result(self) -> object:
        return self._stack.pop()

    def step(self, name: str, argument: object) -> None:
        if name in _LITERALS:
            self._stack.append(argument)
        elif fresh := _FRESH.get(name):
            self._stack.append(fresh())
        elif length := _TUPLES.get(name):
            self._stack.append(tuple(reversed([self._stack.pop() for _ in range(length)])))
        elif act := _ACTS.get(name):
            act(self, argument)
        else:
            raise UnreadableError(f"it uses {name}, which torch.save does not write")

    def ignore(self, _: object) -> None:
        """Do nothing: the opcode says how the pickle is written, not what is in it."""

    def mark(self, _: object) -> None:
        self._below.append(self._stack)
        self._stack = []

    def _marked(self) -> list[object]:
        marked, self._stack = self._stack, self._below.pop()
        return marked

    def pop(self, _: object) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._marked()

    def pop_mark(self, _: object) -> None:
        self._marked()

    def duplicate(self, _: object) -> None:
        self._stack.append(self._stack[-1])

    def memoize(self, argument: object) -> None:
        index = len(self._memo) if argument is None else cast("int", argument)
        self._memo[index] = self._stack[-1]

    def recall(self, argument: object) -> None:
        self._stack.append(self._memo[cast("int", argument)])

    def build_tuple(self, _: object) -> None:
        marked = self._marked()
        self._stack.append(tuple(marked))

    def build_list(self, _: object) -> None:
        marked = self._marked()
        self._stack.append(marked)

    def build_dict(self, _: object) -> None:
        marked = self._marked()
        self._stack.append({})
        self._put(marked)

    def build_frozenset(self, _: object) -> None:
        marked = self._marked()
        self._stack.append(Unknown("builtins", "frozenset", tuple(marked)))

    def append(self, _: object) -> None:
        self._extend([self._stack.pop()])

    def appends(self, _: object) -> None:
        self._extend(self._marked())

    def _extend(self, values: list[object]) -> None:
        if isinstance(self._stack[-1], list):
            self._stack[-1].extend(values)

    def set_item(self, _: object) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._put([key, value])

    def set_items(self, _: object) -> None:
        self._put(self._marked())

    def _put(self, flat: list[object]) -> None:
        target = self._stack[-1]
        items = target.items if isinstance(target, Unknown) else target
        if isinstance(items, dict):
            pairs = iter(flat)
            items.update((_key(key), value) for key, value in zip(pairs, pairs, strict=True))

    def name(self, argument: object) -> None:
        module, _, name = str(argument).partition(" ")
        self._stack.append(Name(module, name))

    def name_from_stack(self, _: object) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if not isinstance(module, str) or not isinstance(name, str):
            raise UnreadableError("it names a class by something that is not text")
        self._stack.append(Name(module, name))

    def extension(self, argument: object) -> None:
        self._stack.append(Name("copyreg", f"extension {argument}"))

    def reduce(self, _: object) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        self._stack.append(call(function, arguments))

    def new_with_keywords(self, _: object) -> None:
        _keywords, arguments, class_ = self._stack.pop(), self._stack.pop(), self._stack.pop()
        self._stack.append(call(class_, arguments))

    def instance(self, argument: object) -> None:
        marked = self._marked()
        self.name(argument)
        self._stack.append(call(self._stack.pop(), tuple(marked)))

    def build_object(self, _: object) -> None:
        class_, *arguments = self._marked()
        self._stack.append(call(class_, tuple(arguments)))

    def build(self, _: object) -> None:
        state = self._stack.pop()
        if isinstance(self._stack[-1], Unknown):
            self._stack[-1].state = state

    def persistent(self, argument: object) -> None:
        found = stored(self._stack.pop() if argument is None else argument)
        if isinstance(found, Storage):
            self.storages[found.key] = found
        self._stack.append(found)


_ACTS: dict[str, Callable[[_Machine, object], None]] = {
    "PROTO": _Machine.ignore,
    "FRAME": _Machine.ignore,
    "STOP": _Machine.ignore,
    "MARK": _Machine.mark,
    "POP": _Machine.pop,
    "POP_MARK": _Machine.pop_mark,
    "DUP": _Machine.duplicate,
    "MEMOIZE": _Machine.memoize,
    "PUT": _Machine.memoize,
    "BINPUT": _Machine.memoize,
    "LONG_BINPUT": _Machine.memoize,
    "GET": _Machine.recall,
    "BINGET": _Machine.recall,
    "LONG_BINGET": _Machine.recall,
    "TUPLE": _Machine.build_tuple,
    "LIST": _Machine.build_list,
    "DICT": _Machine.build_dict,
    "FROZENSET": _Machine.build_frozenset,
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "ADDITEMS": _Machine.appends,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "GLOBAL": _Machine.name,
    "STACK_GLOBAL": _Machine.name_from_stack,
    "EXT1": _Machine.extension,
    "EXT2": _Machine.extension,
    "EXT4": _Machine.extension,
    "REDUCE": _Machine.reduce,
    "NEWOBJ": _Machine.reduce,
    "NEWOBJ_EX": _Machine.new_with_keywords,
    "INST": _Machine.instance,
    "OBJ": _Machine.build_object,
    "BUILD": _Machine.build,
    "PERSID": _Machine.persistent,
    "BINPERSID": _Machine.persistent,
}


def _key(key: object) -> object:
    is_plain = key is None or isinstance(key, str) or (isinstance(key, int) and abs(key) <= _MAX_KEY)
    return key if is_plain else Key(key)
