"""Random pickles and damaged files: what the walk lets pass, no unpickler takes for another name.

``ORCHESTRATOR_FUZZ`` multiplies how much is tried: 100 for the nightly run. The seed is in a failure's text.
"""

import contextlib
import io
import os
import pickle
import random
import time
from pathlib import Path
from typing import BinaryIO

from orchestrator.adapters.checkpoints import examine
from orchestrator.adapters.checkpoints.opcodes import is_allowed, walk
from orchestrator.core.checkpoint import Checkpoint
from orchestrator.core.errors import ArtifactError
from tests.security.assembling import Part, torch_legacy, torch_zip, zipped
from tests.security.corpus import files
from tests.security.judging import code_in
from tests.security.streams import stream

EFFORT = int(os.environ.get("ORCHESTRATOR_FUZZ", "1"))
ACCEPTED = 2_000 * EFFORT
DAMAGED = 2_000 * EFFORT
SLOWEST_SECONDS = 5.0
PLAIN_UNPICKLER: type[pickle.Unpickler] = vars(pickle)["_Unpickler"]


class Inert:
    """Takes everything and does nothing; stands in for whatever a pickle imports."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __call__(self, *_: object) -> "Inert":
        return self


def names_seen(
    unpickler: type[pickle.Unpickler], file: BinaryIO, size: int, *, once: bool
) -> set[tuple[str, str]]:
    """Return the names that an unpickler would import from all pickles of a file; nothing is imported.

    Args:
        unpickler: CPython's, written in C or in Python.
        file: The pickles.
        size: Of the file, in bytes.
        once: Whether each pickle gets an unpickler of its own.
    """
    names: set[tuple[str, str]] = set()

    def find_class(_: object, module: str, name: str) -> object:
        names.add((module, name))
        return Inert()

    watched = type("Watched", (unpickler,), {"find_class": find_class})
    reader = watched(file)
    with contextlib.suppress(Exception):  # a stream that makes no sense ends here; its names are seen by then
        while file.tell() < size:
            if once:
                reader = watched(file)
            reader.load()
    return names


def names_seen_by_all(content: bytes) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for unpickler in (pickle.Unpickler, PLAIN_UNPICKLER):
        for once in (True, False):
            found |= names_seen(unpickler, io.BytesIO(content), len(content), once=once)
            # This one can be peeked into, which makes the unpickler written in C read another way.
            peeked = io.BufferedReader(io.BytesIO(content))
            found |= names_seen(unpickler, peeked, len(content), once=once)
    return found


def off_list(names: set[tuple[str, str]]) -> set[tuple[str, str]]:
    return {pair for pair in names if not is_allowed(*pair)}


def test_no_unpickler_sees_a_name_off_the_list_in_what_is_clean() -> None:
    seed = random.randrange(2**32)  # noqa: S311 - chance is for variety here
    chance = random.Random(seed)  # noqa: S311 - likewise
    accepted = dangerous = 0
    while accepted < ACCEPTED:
        content = stream(chance)
        if walk(content, persistent_ids=False):
            # Not by the one written in C: out of step with the stream, it takes a text for the number of a
            # slot in its memo, and allocates gigabytes of them.
            names = names_seen(PLAIN_UNPICKLER, io.BytesIO(content), len(content), once=True)
            dangerous += bool(off_list(names))
        else:
            accepted += 1
            assert not off_list(names_seen_by_all(content)), f"seed {seed}: {content!r}"

    # Otherwise the streams would be too tame to tell anything.
    assert dangerous > ACCEPTED // 20


def damaged(chance: random.Random, content: bytes, other: bytes) -> bytes:
    at, length = chance.randrange(len(content) + 1), chance.randrange(1, 9)
    match chance.randrange(6):
        case 0:
            return content[:at]
        case 1:
            return content[:at] + content[at + length :]
        case 2:
            return content[:at] + chance.randbytes(length) + content[at:]
        case 3:
            return content[:at] + other[chance.randrange(len(other) + 1) :]
        case 4:
            return content[:at] + content[:at][-length:] * 3 + content[at:]
        case _:
            return content[:at] + chance.randbytes(length) + content[at + length :]


def inspected(path: Path) -> Checkpoint:
    """Read all of a file that `inspect` reads: the tensors of every format, and headers of safetensors."""
    return examine(str(path), "auto")


def test_damaged_files_are_judged_or_refused_and_never_run(tmp_path: Path) -> None:
    seed = random.randrange(2**32)  # noqa: S311 - chance is for variety here
    chance = random.Random(seed)  # noqa: S311 - likewise
    marker = tmp_path / "ran"
    honest = torch_zip(b"\x80\x02}.", Part("archive/data/0", bytes(64)))
    safetensors = (
        b"\x3a\0\0\0\0\0\0\0" + b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'.ljust(58) + b"\1"
    )
    seeds = list(files(str(marker)).items())
    plain = [("plain.pt", honest), ("old.pt", torch_legacy(b"\x80\x02}.")), ("x.safetensors", safetensors)]
    plain.append(
        ("packed.pt2", zipped([Part("p/archive_format", b"pt2"), Part("p/a", b"x" * 900, method=8)]))
    )
    for _ in range(DAMAGED):
        title, content = chance.choice(plain if chance.random() < 0.5 else seeds)
        for _ in range(chance.randrange(1, 4)):
            content = damaged(chance, content, chance.choice(seeds)[1])
        path = tmp_path / f"model{Path(title).suffix}"
        path.write_bytes(content)
        begun = time.monotonic()
        for look in (code_in, inspected):
            try:
                look(path)
            except ArtifactError:
                pass
            except Exception as error:
                raise AssertionError(f"seed {seed}: {title}: {content!r}") from error
        assert time.monotonic() - begun < SLOWEST_SECONDS, f"seed {seed}"
        path.unlink()

    assert not list(tmp_path.iterdir())
