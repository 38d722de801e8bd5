"""Putting pickles, files of torch.save and zip files together byte by byte, as no honest writer would."""

import pickle
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

LEGACY_HEAD = tuple(
    pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
)

Value = str | int | bytes | None | list[str] | dict[str, str]


@dataclass(frozen=True)
class Raw:
    """Opcodes that leave one value on the stack."""

    opcodes: bytes


def text(value: str, protocol: int = 2) -> bytes:
    """The opcodes that push a text."""
    encoded = value.encode()
    if protocol == 0:
        return b"V" + value.encode("raw_unicode_escape") + b"\n"
    if protocol >= 4 and len(encoded) < 256:
        return b"\x8c" + bytes([len(encoded)]) + encoded + b"\x94"
    return b"X" + struct.pack("<L", len(encoded)) + encoded


def pushed(given: Value | Raw, protocol: int = 2) -> bytes:
    """The opcodes that push a value."""
    match given:
        case Raw(opcodes):
            return opcodes
        case str():
            return text(given, protocol)
        case bytes():
            return (
                b"C" + bytes([len(given)]) + given
                if len(given) < 256
                else b"B" + struct.pack("<L", len(given)) + given
            )
        case int():
            return b"I%d\n" % given
        case None:
            return b"N"
        case list():
            return b"(" + b"".join(text(item, protocol) for item in given) + b"l"
        case dict():
            pairs = (text(key, protocol) + text(item, protocol) for key, item in given.items())
            return b"(" + b"".join(pairs) + b"d"


def name(module: str, attribute: str, protocol: int = 2) -> bytes:
    """The opcodes that import a name."""
    if protocol >= 4:
        return text(module, 4) + text(attribute, 4) + b"\x93"
    return f"c{module}\n{attribute}\n".encode()


def call(module: str, attribute: str, *arguments: Value | Raw, protocol: int = 2) -> bytes:
    """The opcodes that import a name and call it."""
    return name(module, attribute, protocol) + arguments_of(*arguments, protocol=protocol) + b"R"


def arguments_of(*arguments: Value | Raw, protocol: int = 2) -> bytes:
    """The opcodes that push a tuple."""
    return b"(" + b"".join(pushed(argument, protocol) for argument in arguments) + b"t"


def whole(opcodes: bytes, protocol: int = 2) -> bytes:
    """A pickle of the opcodes, in a frame where the protocol has frames."""
    body = opcodes + b"."
    if protocol >= 4:
        body = b"\x95" + struct.pack("<Q", len(body)) + body
    return (b"\x80" + bytes([protocol]) if protocol >= 2 else b"") + body


@dataclass(frozen=True)
class Part:
    """A member of a zip file, and what its headers say of it."""

    name: str
    content: bytes
    flags: int = 0
    method: int = 0
    local_name: str = ""
    crc: int | None = None


def zipped(parts: Sequence[Part], *, shift: int = 0, comment: bytes = b"") -> bytes:
    """A zip file of the parts; its offsets are made for one that begins ``shift`` bytes further on."""
    body, directory = b"", b""
    for part in parts:
        stored = part.content
        if part.method:
            packer = zlib.compressobj(wbits=-15)
            stored = packer.compress(part.content) + packer.flush()
        crc = zlib.crc32(part.content) if part.crc is None else part.crc
        fields = (part.flags, part.method, 0, 0, crc, len(stored), len(part.content))
        local, central = (part.local_name or part.name).encode(), part.name.encode()
        offset = len(body) + shift
        body += struct.pack("<L5H3L2H", 0x04034B50, 20, *fields, len(local), 0) + local + stored
        directory += struct.pack(
            "<L6H3L5H2L", 0x02014B50, 20, 20, *fields, len(central), 0, 0, 0, 0, 0, offset
        )
        directory += central
    sizes = (len(parts), len(parts), len(directory), len(body) + shift, len(comment))
    return body + directory + struct.pack("<L4H2LH", 0x06054B50, 0, 0, *sizes) + comment


def torch_zip(stream: bytes, *more: Part) -> bytes:
    """A file of torch.save with this pickle in it."""
    return zipped([Part("archive/data.pkl", stream), Part("archive/version", b"3\n"), *more])


def torch_legacy(stream: bytes) -> bytes:
    """A file of torch.save before 1.6 with this pickle in it, and no tensors."""
    return b"".join(LEGACY_HEAD) + stream + pickle.dumps([], 2)
