"""Notice that files have changed, however an editor writes them.

The operating system's events only say when to look: what counts is whether the files themselves differ from
those that were seen before. So a change between two looks is not lost, also where there are no events, as on
many network file systems, and what happens beside the files is no change.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Collection, Iterator, Mapping
from pathlib import Path

from watchfiles import awatch

Marks = Mapping[Path, tuple[int, int, int]]
"""Of each file that is there: its inode, its size and when it was written, in nanoseconds."""

_LOOK_MILLISECONDS = 500
_STEP_MILLISECONDS = 20
_BURST_MILLISECONDS = 100
_PEACE_SECONDS = 0.1
# A file that is written all the time, such as a log, must not keep others from being served.
_PEACE_ROUNDS = 5
_SKIPPED_FOLDERS = frozenset({"__pycache__"})
_SKIPPED_ENDS = (".pyc", ".swp", "~")


def marks(watched: Collection[Path]) -> Marks:
    """Return what tells the files of ``watched``, and those in its folders, from later ones.

    In folders, hidden files and what Python and editors leave beside files do not count.
    """
    found: dict[Path, tuple[int, int, int]] = {}
    for path in watched:
        for file in _files(path):
            # It may go at any moment.
            with contextlib.suppress(OSError):
                status = file.stat()
                found[file] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return found


async def changed(watched: Collection[Path], since: Marks) -> Collection[Path]:
    """Wait until the files of ``watched`` differ from those of ``since`` and are left in peace again.

    Returns:
        Those that differ, sorted.
    """
    async with contextlib.aclosing(_occasions(watched)) as occasions:
        async for _ in occasions:
            if (now := await asyncio.to_thread(marks, watched)) != since:
                now = await _settled(watched, now)
                if different := sorted(path for path in {*since, *now} if since.get(path) != now.get(path)):
                    return different
    raise AssertionError("there is always another occasion to look")


async def _settled(watched: Collection[Path], now: Marks) -> Marks:
    """Wait until nothing changes any more: an editor may empty a file first, and then write it."""
    for _ in range(_PEACE_ROUNDS):
        await asyncio.sleep(_PEACE_SECONDS)
        before, now = now, await asyncio.to_thread(marks, watched)
        if now == before:
            break
    return now


async def _occasions(watched: Collection[Path]) -> AsyncGenerator[None]:
    """Yield at once, whenever something may have changed, and every now and then."""
    yield
    folders = await asyncio.to_thread(_folders, watched)
    while True:
        # What has happened before the system watches the folders is seen at the first look after.
        events = awatch(
            *folders,
            watch_filter=None,
            recursive=False,
            step=_STEP_MILLISECONDS,
            debounce=_BURST_MILLISECONDS,
            rust_timeout=_LOOK_MILLISECONDS,
            yield_on_timeout=True,
        )
        # The system's limit of watches may be reached, or a folder be gone again: then only looking is left.
        with contextlib.suppress(OSError):
            async with contextlib.aclosing(events):
                async for _ in events:
                    yield
        await asyncio.sleep(_LOOK_MILLISECONDS / 1000)
        yield


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
    for folder, _, names in _walk(path):
        yield from (folder / name for name in names if _counts(name))


def _folders(watched: Collection[Path]) -> set[Path]:
    """Return the folders in which something happens when a file of ``watched`` comes, changes or goes."""
    found = set[Path]()
    for path in watched:
        # A link is watched where it lies, and where it leads to.
        places = [place for place in (path.absolute(), path.resolve()) if not place.is_dir()]
        found.update(next(parent for parent in place.parents if parent.is_dir()) for place in places)
        found.update(folder for folder, _, _ in _walk(path))
    return found


def _walk(path: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    for folder, inner, names in os.walk(path):
        inner[:] = [name for name in inner if _counts(name)]
        yield Path(folder), inner, names


def _counts(name: str) -> bool:
    return not (name.startswith(".") or name.endswith(_SKIPPED_ENDS) or name in _SKIPPED_FOLDERS)
