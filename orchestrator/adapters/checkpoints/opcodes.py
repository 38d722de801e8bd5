"""Telling whether a pickle only builds tensors and plain values, by its opcodes and without running it.

A pickle is a program. Its opcodes are read one by one, and every name that it would import has to be on a
short list; what cannot be told is taken for harm. The rules are stricter than what an unpickler does, so
that no two unpicklers, whether written in C or in Python, and whether used once or for several pickles of
one stream, can see another name than the one that is judged here. Opcodes: CPython's ``Lib/pickletools.py``.

Knows nothing of files. Clean says that nothing of the sender's choice is run; it does not say that loading
takes little memory, as ``bytearray(10**10)`` is clean.
"""

import contextlib
import io
import pickletools
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from orchestrator.adapters.checkpoints.stack import MAX_NAME_CHARACTERS, PUTS, Frames, Strings

Stream = bytes | memoryview

MAX_OPCODES = 5_000_000
"""About ten seconds of walking; a checkpoint with 1,000 tensors has some 60,000."""
MAX_PICKLE_BYTES = 32 * 1024**2
"""What the pickles of one file may take together: those of 100,000 tensors are shorter."""
MAX_FINDINGS = 50
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
"""The first object in a file of ``torch.save`` that is no zip (``torch/serialization.py``)."""

_LEGACY_PROTOCOL = 1001
_LEGACY_PICKLES = 5  # the magic number, the protocol, the machine, the object and the keys of its storages
_STORAGES = (
    "Float Double Half BFloat16 Long Int Short Char Byte Bool QInt8 QUInt8 QInt32 ComplexFloat ComplexDouble"
)
_DTYPES = (
    "float64 float32 float16 bfloat16 float8_e4m3fn float8_e5m2 int64 int32 int16 int8 uint64 uint32 uint16 "
    "uint8 bool complex64 complex128 qint8 quint8 qint32 per_tensor_affine per_channel_affine"
)

ALLOWED: Mapping[str, frozenset[str]] = {
    "collections": frozenset({"OrderedDict", "defaultdict", "Counter"}),
    "torch": frozenset(
        {"Size", "device", *_DTYPES.split(), *(f"{element}Storage" for element in _STORAGES.split())}
    ),
    "torch._utils": frozenset(
        {
            "_rebuild_tensor_v2",
            "_rebuild_tensor_v3",
            "_rebuild_parameter",
            "_rebuild_parameter_with_state",
            "_rebuild_qtensor",
        }
    ),
    "torch.serialization": frozenset({"_get_layout"}),
    "torch.storage": frozenset({"UntypedStorage", "TypedStorage"}),
    "builtins": frozenset(
        {"set", "frozenset", "bytearray", "complex", "int", "float", "str", "list", "dict", "tuple"}
    ),
    "__builtin__": frozenset({"set", "frozenset", "bytearray", "complex"}),
    "_codecs": frozenset({"encode"}),
}
"""What a pickle of tensors may import: module -> names. Whatever arguments they get, none runs other code."""

_EXTENSIONS = frozenset({"EXT1", "EXT2", "EXT4"})
_PERSISTENT = frozenset({"PERSID", "BINPERSID"})
_JUDGED = _EXTENSIONS | _PERSISTENT | {"GLOBAL", "INST", "STACK_GLOBAL"}
_NUMBERS = frozenset({"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"})
_FRAMING = frozenset({"PROTO", "FRAME", "STOP"})


@dataclass(frozen=True, slots=True)
class Finding:
    """A place in a pickle that makes whoever loads it do more than build tensors and plain values.

    Attributes:
        offset: Of the opcode, in bytes from the beginning of the stream.
        what: What it would do, such as ``calls posix.system``; printable, one line.
    """

    offset: int
    what: str


def is_allowed(module: str, name: str) -> bool:
    """Whether a pickle of tensors may import ``name`` from ``module``."""
    return name in ALLOWED.get(module, ())


def walk(stream: Stream, *, persistent_ids: bool, legacy: bool = False) -> tuple[Finding, ...]:
    """Return what the pickles in ``stream`` do besides building tensors and plain values; empty if nothing.

    All pickles that follow one another are walked. Each name is reported once, and `MAX_FINDINGS` at most.

    Args:
        stream: The pickles; `MAX_PICKLE_BYTES` at most are read of it.
        persistent_ids: Whether the reader gives a meaning to persistent ids, as torch's does.
        legacy: Whether this is a file of ``torch.save`` that is no zip: five pickles of which the first two
            are known, then the bytes of the tensors, which are not walked.
    """
    walker = _Walker(stream, persistent_ids=persistent_ids)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # an invalid escape in a string is no more than a warning to codecs
        with contextlib.suppress(_TooManyError):
            walker.walk_legacy() if legacy else walker.walk_all()
    return walker.findings()


class _TooManyError(Exception):
    """The walk ends here: enough has been found."""


class _Walker:
    """Walks the pickles of one stream, at once with a memo for each of them and with one for all."""

    def __init__(self, stream: Stream, *, persistent_ids: bool) -> None:
        self._stream = stream[:MAX_PICKLE_BYTES]
        self._file = io.BytesIO(self._stream)
        self._is_cut = len(stream) > MAX_PICKLE_BYTES
        self._persistent_ids = persistent_ids
        self._count = 0
        self._kept = Strings()
        self._found: dict[str, int] = {}

    def findings(self) -> tuple[Finding, ...]:
        return tuple(Finding(offset, what) for what, offset in self._found.items())

    def walk_all(self) -> None:
        if self._is_cut:
            self._report(MAX_PICKLE_BYTES, f"is longer than {MAX_PICKLE_BYTES} bytes")
        readings: tuple[Strings, ...] = (self._kept,)
        while True:
            self._walk_one(readings)
            if self._file.tell() >= len(self._stream):
                return
            readings = (Strings(), self._kept)

    def walk_legacy(self) -> None:
        # torch.load has a new unpickler for each of the five, so that no memo is ever kept.
        for expected in (LEGACY_MAGIC, _LEGACY_PROTOCOL):
            start = self._file.tell()
            if self._walk_one((Strings(),)) != [expected]:
                self._report(start, f"does not say {expected:#x}, as files of torch.save do here")
        for _ in range(_LEGACY_PICKLES - 2):
            self._walk_one((Strings(),))

    def _walk_one(self, readings: tuple[Strings, ...]) -> list[object]:
        """Walk one pickle; return the first few numbers it pushes, or ``None`` for what is no number."""
        frames, puts, pushed = Frames(), set[bool](), list[object]()
        self._kept.forget_stack()
        for opcode, argument, start in self._opcodes():
            if len(pushed) < _LEGACY_PICKLES and opcode not in _FRAMING:
                pushed.append(argument if opcode in _NUMBERS else None)
            if opcode in _JUDGED:
                self._judge(opcode, argument, start, readings)
            elif opcode in PUTS or opcode == "MEMOIZE":
                puts.add(opcode == "MEMOIZE")
                if len(puts) > 1:
                    # MEMOIZE counts what the memo holds, which PUT can make differ from what it seems.
                    self._report(start, "numbers its memo in two ways")
            if frames.is_broken_by(opcode, argument, start, self._file.tell()):
                self._report(start, "has a frame that does not end where its opcodes end")
            for strings in readings:
                strings.take(opcode, argument)
        return pushed

    def _opcodes(self) -> Iterator[tuple[str, object, int]]:
        opcodes = pickletools.genops(self._file)
        while True:
            start = self._file.tell()
            try:
                opcode, argument, _ = next(opcodes)
            except StopIteration:
                return
            except (ValueError, Warning) as error:
                self._report(start, f"is no pickle that can be read: {error}")
                raise _TooManyError from error
            self._count += 1
            if self._count > MAX_OPCODES:
                self._report(start, f"has more than {MAX_OPCODES} opcodes")
                raise _TooManyError
            yield opcode.name, argument, start

    def _judge(self, opcode: str, argument: object, start: int, readings: tuple[Strings, ...]) -> None:
        if opcode in {"GLOBAL", "INST"}:
            self._judge_name(self._written_name(str(argument), start), opcode, start)
        elif opcode == "STACK_GLOBAL":
            for strings in readings:
                self._judge_name(strings.name(), opcode, start)
        elif opcode in _EXTENSIONS:
            self._report(start, f"calls number {argument} of the extension registry")
        elif opcode in _PERSISTENT and not self._persistent_ids:
            self._report(start, "asks its reader for an object by a persistent id")

    def _written_name(self, argument: str, start: int) -> tuple[str, str] | None:
        """Return the two lines after the opcode, if `pickletools` and an unpickler read them alike.

        The one resolves backslashes in them, the other does not.
        """
        module, _, name = argument.partition(" ")
        lines = f"{module}\n{name}\n".encode()
        return (module, name) if self._stream[start + 1 : start + 1 + len(lines)] == lines else None

    def _judge_name(self, pair: tuple[str, str] | None, opcode: str, start: int) -> None:
        if pair is None:
            self._report(start, f"unresolved {opcode}")
        elif not is_allowed(*pair):
            module, name = pair
            is_class = name.rpartition(".")[2].lstrip("_")[:1].isupper()
            self._report(start, f"{'builds' if is_class else 'calls'} {module}.{name}")

    def _report(self, offset: int, what: str) -> None:
        if len(self._found) >= MAX_FINDINGS:
            raise _TooManyError
        self._found.setdefault(_printable(what), offset)


def _printable(text: str) -> str:
    shown = text if text.isascii() and text.isprintable() else text.encode("unicode_escape").decode()
    return shown[: 2 * MAX_NAME_CHARACTERS + 100]
