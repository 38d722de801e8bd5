"""JSON files beside and inside of models, read strictly: they come from strangers."""

import json
from pathlib import Path
from typing import BinaryIO

MAX_BYTES = 64 * 1024 * 1024


def parse(text: bytes) -> dict[str, object]:
    """Return the JSON object that ``text`` is.

    Raises:
        ValueError: If it is none, or a key occurs twice in it.
    """
    try:
        value = json.loads(text.decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 - what is wrong is the file's content
    return value


def read(path: str) -> dict[str, object]:
    """Return the JSON object in the file at ``path``.

    Raises:
        ValueError: If it is none, or has more than `MAX_BYTES`.
        OSError: If it cannot be read.
    """
    with opened(path) as file:
        text = file.read(MAX_BYTES + 1)
    if len(text) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES} bytes")
    return parse(text)


def opened(path: str) -> BinaryIO:
    """Open a file that a folder of a stranger's names, for reading.

    Raises:
        OSError: If there is none, or it is no regular file: one would wait for ever at a named pipe.
    """
    if Path(path).exists() and not Path(path).is_file():
        raise OSError(f"'{path}' is no regular file")
    return Path(path).open("rb")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise ValueError("a name occurs twice")
    return unique
