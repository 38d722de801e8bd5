"""Model files made to do harm, as bytes; those that can be run leave a marker file behind when they are.

Nothing here is unpickled but by the control in ``test_checkpoints_corpus.py``, in a child process.
"""

import io
import marshal
import tarfile

from tests.security.assembling import (
    LEGACY_HEAD,
    Part,
    Raw,
    Value,
    arguments_of,
    call,
    name,
    pushed,
    text,
    torch_legacy,
    torch_zip,
    whole,
    zipped,
)
from tests.security.gadgets import GADGETS

Call = tuple[str, str, tuple[Value | Raw, ...]]


def runnable(marker: str) -> dict[str, bytes]:
    """Pickles that leave the marker behind when Python loads them, by what they do."""
    shell = f": > '{marker}'"
    pickles = {
        f"posix.system, protocol {protocol}": whole(
            call("posix", "system", shell, protocol=protocol), protocol
        )
        for protocol in range(6)
    }
    for number, (module, attribute, arguments) in enumerate(_calls(marker)):
        opcodes = call(module, attribute, *arguments, protocol=number % 6)
        pickles[f"{module}.{attribute}"] = whole(opcodes, number % 6)
    return pickles | _detours(marker) | _opcodes(shell) | _hidden(shell)


def gadgets() -> dict[str, bytes]:
    """Pickles that call names from which a way to other code is known; not all of them exist everywhere."""
    split = [gadget.rpartition(".") for gadget in GADGETS]
    return {
        f"{module}.{attribute}": whole(call(module, attribute, "x", protocol=number % 6), number % 6)
        for number, (module, _, attribute) in enumerate(split)
    }


def _calls(marker: str) -> list[Call]:
    """Names that do harm with what they are called with."""
    shell, python, touch = f": > '{marker}'", f"open({marker!r}, 'w').close()", ["touch", marker]
    nested = whole(call("posix", "system", shell))
    return [
        ("os", "system", (shell,)),
        ("subprocess", "call", (touch,)),
        ("subprocess", "check_output", (touch,)),
        ("subprocess", "getoutput", (shell,)),
        ("subprocess", "run", (touch,)),
        ("os", "spawnvp", (0, "touch", touch)),
        ("builtins", "eval", (python,)),
        ("builtins", "exec", (python,)),
        ("builtins", "open", (marker, "w")),
        ("io", "open", (marker, "w")),
        ("_io", "FileIO", (marker, "w")),
        ("codecs", "open", (marker, "w")),
        ("cProfile", "run", (python,)),
        ("profile", "run", (python,)),
        ("timeit", "timeit", ("pass", python)),
        ("timeit", "repeat", ("pass", python)),
        ("pydoc", "pipepager", ("", shell)),
        ("runpy", "_run_code", (python, Raw(b"}"))),
        ("shutil", "copyfile", ("/dev/null", marker)),
        ("pickle", "loads", (nested,)),
        ("_pickle", "loads", (nested,)),
    ]


def _detours(marker: str) -> dict[str, bytes]:
    """Names that get at another one, which is then called."""
    shell = f": > '{marker}'"
    module, system = Raw(call("builtins", "__import__", "os")), Raw(name("os", "system"))
    source = compile(f"open({marker!r}, 'w').close()", "x", "exec")
    code = Raw(call("marshal", "loads", marshal.dumps(source)))
    opcodes = {
        "builtins.getattr": call("builtins", "getattr", module, "system") + arguments_of(shell) + b"R",
        "operator.attrgetter": call("operator", "attrgetter", "system")
        + arguments_of(module)
        + b"R"
        + arguments_of(shell)
        + b"R",
        "operator.methodcaller": call("operator", "methodcaller", "system", shell)
        + arguments_of(module)
        + b"R",
        "functools.partial": call("functools", "partial", system, shell) + b")R",
        "types.FunctionType of marshal.loads": call("types", "FunctionType", code, Raw(b"}")) + b")R",
        "builtins.map": call("builtins", "list", Raw(call("builtins", "map", system, [shell]))),
        "__builtin__.eval": call("__builtin__", "eval", f"open({marker!r}, 'w')"),
    }
    return {title: whole(stream, 2) for title, stream in opcodes.items()}


def _opcodes(shell: str) -> dict[str, bytes]:
    """The same call by all the other opcodes that can make one."""
    system = name("posix", "system")
    lazily = name("builtins", "map") + arguments_of(Raw(system), [shell])
    state = b"N}" + text("x") + system + b"s\x86"
    return {
        "INST": whole(b"(" + text(shell) + b"iposix\nsystem\n", 0),
        "OBJ": whole(b"(" + system + text(shell) + b"o", 1),
        "NEWOBJ": whole(call("builtins", "list", Raw(lazily + b"\x81"))),
        "NEWOBJ_EX": whole(call("builtins", "list", Raw(lazily + b"}\x92"))),
        "BUILD": whole(call("collections", "Counter") + state + b"b0" + call("posix", "system", shell)),
    }


def _hidden(shell: str) -> dict[str, bytes]:
    """Ways to hide which name it is that is called."""
    posix, system, torch, size = (text(word) for word in ("posix", "system", "torch", "Size"))
    call_it = b"\x93" + arguments_of(shell) + b"R"
    streams = {
        "DUP between the strings": posix + system + b"20" + call_it,
        "POP, POP": posix + system + torch + size + b"00" + call_it,
        "POP_MARK": posix + system + b"(" + torch + size + b"1" + call_it,
        "strings from the memo": system + b"q\x05" + posix + b"q\x0600h\x06h\x05" + call_it,
        "memo slot written twice": torch + b"q\x000" + posix + b"q\x000h\x00" + system + call_it,
        "memo slot written after POP": posix + torch + b"0q\x000h\x00" + system + call_it,
        "MEMOIZE and PUT": text("x") + b"q\x010" + posix + b"\x940h\x01" + system + call_it,
        "SHORT_BINSTRING": b"U\x05posixU\x06system" + call_it,
        "STRING": b"S'posix'\nS'sys\\x74em'\n" + call_it,
        "UNICODE": b"Vposix\nVsys\\u0074em\n" + call_it,
        "BINUNICODE8": b"\x8d\x05" + bytes(7) + b"posix" + system + call_it,
        "dotted name": text("posixpath") + text("os.system") + call_it,
        "a name that is never used": b"N0" + posix + system + call_it + b"0N",
    }
    return {title: whole(stream, 4) for title, stream in streams.items()}


def tricks(marker: str) -> dict[str, bytes]:
    """Whole files ``name.suffix`` whose harm lies in how they are put together, by file name."""
    shell = f": > '{marker}'"
    evil, good = whole(call("posix", "system", shell)), whole(b"}")
    arrays = {f"array-{number}.pt": _array(dtype, evil) for number, dtype in enumerate(_OBJECT_DTYPES)}
    several = {
        "polyglot.pt": _polyglot(shell),
        "case.pt": zipped([Part("archive/DATA.PKL", whole(call("posix", "system", shell, protocol=0), 0))]),
        "memo-of-the-first.pt": torch_zip(_memo_of_the_first(shell)),
    }
    return several | arrays | _zips(evil, good) | _streams(evil, good) | _programs(evil, good)


def _zips(evil: bytes, good: bytes) -> dict[str, bytes]:
    honest = torch_zip(good)
    return {
        "both-cases.pt": torch_zip(good, Part("archive/DATA.PKL", evil)),
        "nested.pt": torch_zip(good, Part("archive/data/model.pt", torch_zip(evil))),
        "more.pt": torch_zip(good, Part("archive/constants.pkl", evil)),
        "code.pt": torch_zip(good, Part("archive/code/x.py", b"import os")),
        "numbered.pt": torch_zip(good, Part("archive/data/00", evil)),
        "encrypted.pt": zipped([Part("archive/data.pkl", good, flags=1)]),
        "twice.pt": torch_zip(good, Part("archive/data.pkl", evil)),
        "two-names.pt": zipped([Part("archive/data.pkl", evil, local_name="archive/data.txt")]),
        "damaged.pt": zipped([Part("archive/data.pkl", evil, crc=1)]),
        "compressed.pt": zipped([Part("archive/data.pkl", evil, method=8)]),
        "absolute.pt": zipped([Part("/archive/data.pkl", evil)]),
        "parent.pt": zipped([Part("archive/../archive/data.pkl", evil)]),
        "backslash.pt": zipped([Part("archive/data.pkl", good), Part("archive\\data.pkl", evil)]),
        "two-roots.pt": zipped([Part("archive/data.pkl", good), Part("other/data.pkl", evil)]),
        "nul.pt": torch_zip(good, Part("archive/version\0", b"")),
        "prefixed.pt": evil + honest,
        "prefixed-zip.pt": torch_zip(evil)
        + zipped([Part("archive/data.pkl", good)], shift=len(torch_zip(evil))),
        "appended.pt": honest + evil,
        "two-zips.pt": honest + torch_zip(evil),
        "comment.pt": zipped([Part("archive/data.pkl", good)], comment=torch_zip(evil)),
    }


def _streams(evil: bytes, good: bytes) -> dict[str, bytes]:
    return {
        "second-pickle.pt": torch_zip(good + evil),
        "beyond-the-frame.pt": torch_zip(_beyond_the_frame(evil)),
        "bare.pt": evil,
        "bare0.bin": whole(evil[2:-1], 0),
        "bare.ckpt": good + evil,
        "named.safetensors": evil,
        "named-zip.safetensors": torch_zip(evil),
        "legacy-third.pt": b"".join(LEGACY_HEAD[:2]) + evil + good + good,
        "legacy-last.pt": b"".join(LEGACY_HEAD) + good + evil,
        "legacy-first.pt": LEGACY_HEAD[0][:-1] + b"0" + evil[2:] + b"".join(LEGACY_HEAD[1:]) + good + good,
        "legacy-in-tar.pt": _tar_in_legacy(evil),
        "forest.joblib": whole(call("joblib.numpy_pickle", "NumpyArrayWrapper") + evil[2:-1], 2),
        "forest.pkl": whole(call("sklearn.ensemble._forest", "RandomForestClassifier"), 2),
    }


def _programs(evil: bytes, good: bytes) -> dict[str, bytes]:
    return {
        "program.pt2": _program(Part("p/data/sample_inputs/model.pt", torch_zip(evil))),
        "library.pt2": _program(Part("p/data/aotinductor/model/a.so", b"\x7fELF")),
        "older.pt2": zipped([Part("serialized_exported_program.json", b"{}"), Part("weights.pt", evil)]),
        "script.pt": zipped(
            [
                Part("s/data.pkl", good),
                Part("s/constants.pkl", good),
                Part("s/code/__torch__.py", b"import os"),
            ]
        ),
    }


_OBJECT_DTYPES = ("'|O'", "'O'", "'object'", "'O8'", '"|O"')


def _array(spelling: str, stream: bytes) -> bytes:
    header = f"{{'descr': {spelling}, 'fortran_order': False, 'shape': (1,), }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + stream


def _program(*more: Part) -> bytes:
    return zipped([Part("p/archive_format", b"pt2"), Part("p/models/model.json", b"{}"), *more])


def _polyglot(shell: str) -> bytes:
    """A pickle that begins as a safetensors file does: a length of eight bytes, then ``{``."""
    return b"U\x06\0\0\0\0\0\0{0" + call("posix", "system", shell) + b"."


def _memo_of_the_first(shell: str) -> bytes:
    """Two pickles; the second takes its strings from the first one's memo, if the unpickler still has it."""
    first = text("posix", 4) + text("system", 4)
    # With a memo of its own, the second one finds its own strings in the first two slots.
    second = text("torch", 4) + text("Size", 4) + b"h\x00h\x01\x93" + arguments_of(shell) + b"R"
    return whole(first, 3) + whole(second, 3)


def _beyond_the_frame(evil: bytes) -> bytes:
    """A frame that goes on after STOP: one unpickler continues after STOP, another after the frame."""
    hidden = b"C" + bytes([len(evil)])
    first = b"N." + hidden
    return b"\x80\x04\x95" + len(first).to_bytes(8, "little") + first + evil + b"."


def _tar_in_legacy(evil: bytes) -> bytes:
    """A tar archive, which torch.load looks for first; its first name is the beginning of a pickle."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for title, content in (("sys_info", evil), ("pickle", evil)):
            header = tarfile.TarInfo(title)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    archive = bytearray(file.getvalue())
    start = LEGACY_HEAD[0] + LEGACY_HEAD[1] + b"\x80\x02B" + (len(archive) - 100).to_bytes(4, "little")
    archive[:100] = start.ljust(100, b"\1")
    archive[148:156] = b" " * 8
    archive[148:156] = b"%06o\0 " % sum(archive[:512])
    return bytes(archive) + b"." + whole(b"}") + whole(b"]")


def files(marker: str) -> dict[str, bytes]:
    """Every malicious file by its name: pickles in the containers of torch.save, gadgets, and tricks."""
    found = tricks(marker)
    for number, (title, stream) in enumerate((runnable(marker) | gadgets()).items()):
        found[f"{title} in a zip.pt"] = torch_zip(stream)
        if number % 3 == 0:
            found[f"{title} in an old file.pth"] = torch_legacy(stream)
        elif number % 3 == 1:
            found[f"{title}.pkl"] = stream
    found["extension.pt"] = torch_zip(whole(b"\x82\x01)R"))
    found["persistent id.pkl"] = whole(pushed("x") + b"Q")
    found["GLOBAL with an escape.pt"] = torch_zip(whole(b"ctor\\x63h\nSize\n", 2))
    return found
