"""What moto holds, on disk: it keeps nothing by itself.

Each service that is kept has a file, a pickle of its backends, written whole or not at all some moments
after a change: see `pickling`.

The files of S3's objects are there at once, and stay until no snapshot refers to them any more.
"""

import asyncio
import contextlib
import itertools
import json
import pickle
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import moto
from moto.backends import get_backend
from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.s3.models import s3_backends

from orchestrator.core.errors import ConflictError
from orchestrator.localcloud.behind.pickling import Reading, written
from orchestrator.localcloud.objects.answering import WRITING
from orchestrator.localcloud.objects.content import Store

KEPT = (
    "applicationautoscaling",
    "cloudwatch",
    "dynamodb",
    "ec2",
    "ecr",
    "events",
    "iam",
    "kms",
    "logs",
    "s3",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
    "stepfunctions",
    "sts",
)
"""moto's services that outlive a restart, by moto's names."""

# The large ones; what others hold may change by requests to any service.
_CHANGED_BY = {"ec2": {"ec2", "autoscaling", "elasticloadbalancing", "rds"}}
_ANYTHING = {"", *_CHANGED_BY["ec2"]}
_FORMAT = 1
_PAUSE_SECONDS = 0.4
# However long writing takes, requests get most of the time.
_PAUSES_PER_WRITE = 10
_TRIES = 20
# What pickle raises of what it does not know.
_UNWRITABLE = (pickle.PicklingError, TypeError, AttributeError)
_UNREADABLE = (pickle.UnpicklingError, EOFError, TypeError, AttributeError, ValueError, KeyError, IndexError)
_HINT = "orchestrator local-cloud start --state ANOTHER_FOLDER          or delete that one"


class Memory:
    """Keeps moto's backends, and the files of S3's objects.

    Args:
        store: Where the files of objects are.
        folder: Where the rest is kept, or ``None`` if nothing outlives this process.
        asked: The services, by the names that requests are signed with, that were asked for something; those
            that are saved are taken out.
    """

    def __init__(self, store: Store, folder: Path | None, asked: set[str]) -> None:
        self._store = store
        self._folder = folder
        self._asked = asked
        self._written: dict[str, bytes] = {}
        self._saving: asyncio.Task[None] | None = None
        self._writing = threading.Lock()
        if folder is not None:
            store.defer()

    def restore(self) -> None:
        """Fill moto with what was kept, and delete what nothing refers to.

        Raises:
            ConflictError: If another version has written it, or it is damaged.
        """
        if self._folder is None:
            self._store.clear()
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        reading = Reading(self._store)
        for path in sorted(self._folder.glob("*.pickle")):
            if path.stem in KEPT:
                self._written[path.stem] = content = path.read_bytes()
                _check_version(content, self._folder)
                try:
                    _fill(path.stem, reading.read(content.partition(b"\n")[2]))
                except _UNREADABLE as error:
                    raise ConflictError(f"'{path}' cannot be read: {error}", hint=_HINT) from error
        lost = sum(not file.path.is_file() for file in reading.files.values())
        if lost:
            raise ConflictError(
                f"of the files of objects in '{self._store.folder}' {lost} are missing", hint=_HINT
            )
        for account, partition, backend in list(s3_backends.iter_backends()):
            for name in backend.buckets:  # type: ignore[attr-defined]  # of S3
                s3_backends.bucket_accounts[name] = (partition, account)
        self._store.keep_only(reading.files)

    def begin(self) -> None:
        """Save every now and then from now on; does nothing if nothing is kept."""
        if self._folder is not None and self._saving is None:
            self._saving = asyncio.create_task(self._save_often())

    async def _save_often(self) -> None:
        while True:
            began = time.monotonic()
            try:
                await asyncio.to_thread(self.save)
            except (OSError, RuntimeError) as error:  # a full disk, or never a moment without a change
                traceback.print_exception(error)
                # Whatever it was: all of it is tried again.
                self._asked |= _ANYTHING
            took = time.monotonic() - began
            await asyncio.sleep(max(_PAUSE_SECONDS, _PAUSES_PER_WRITE * took))

    def save(self) -> None:
        """Write what has changed since it was last written; does nothing if nothing is kept."""
        if self._folder is None or not self._asked:
            return
        with self._writing:
            # Before the look: what is asked for meanwhile is saved next time.
            asked = set(self._asked)
            self._asked.difference_update(asked)
            discarded, has_all = self._store.discarded(), True
            in_use: Any = vars(BackendDict)["_instances"]
            for backends in list(in_use):
                name = backends.backend.__module__.split(".")[1]
                if name in KEPT and asked & _CHANGED_BY.get(name, asked):
                    try:
                        self._write(name, _snapshot(name, backends))
                    except _UNWRITABLE as error:  # the others are written all the same
                        traceback.print_exception(error)
                        has_all = False
            # What was written last may still refer to them.
            for path in discarded if has_all else ():
                path.unlink(missing_ok=True)

    def _write(self, name: str, content: bytes) -> None:
        if self._folder is None or self._written.get(name) == content:
            return
        draft = self._folder / f"{name}.draft"
        draft.touch(mode=0o600)
        draft.write_bytes(content)
        draft.replace(self._folder / f"{name}.pickle")
        self._written[name] = content

    def reset(self) -> None:
        """Empty moto and delete everything that was kept."""
        with self._writing:
            BackendDict.reset()
            reset_model_data()
            self._written.clear()
            self._store.clear()
            if self._folder is not None:
                for path in itertools.chain(self._folder.glob("*.pickle"), self._folder.glob("*.draft")):
                    path.unlink(missing_ok=True)

    async def close(self) -> None:
        """Save a last time, or delete the files if nothing is kept."""
        if self._saving is not None:
            self._saving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._saving
            self._saving = None
        if self._folder is None:
            await asyncio.to_thread(self._store.clear)
        else:
            # Whoever has its answer may be faster than the note that it has asked.
            self._asked |= _ANYTHING
            await asyncio.to_thread(self.save)


def _snapshot(name: str, backends: Any) -> bytes:  # noqa: ANN401 - moto's
    """Return the backends of a service, as bytes; the same if nothing has changed."""
    for tries_left in range(_TRIES, 0, -1):
        try:
            # Writes to S3 wait; the other services' dictionaries may grow under us.
            with WRITING if name == "s3" else contextlib.nullcontext():
                states = {
                    (account, region): _state(name, backend)
                    for account, region, backend in backends.iter_backends()
                }
                content = written(states)
        except RuntimeError:  # a dictionary has changed its size
            if tries_left == 1:
                raise
        else:
            header = json.dumps({"format": _FORMAT, "moto": moto.__version__})
            return header.encode() + b"\n" + content
    raise AssertionError("the last try returns or raises")


def _state(name: str, backend: Any) -> dict[str, Any]:  # noqa: ANN401 - moto's
    # Metrics are measured anew, and by far the most there is.
    forgotten = {"metric_data", "series"} if name == "cloudwatch" else set()
    return {key: value for key, value in vars(backend).items() if key not in forgotten}


def _fill(name: str, states: Mapping[tuple[str, str], Mapping[str, Any]]) -> None:
    for (account, region), state in states.items():
        fresh: Any = vars(get_backend(name)[account][region])  # type: ignore[call-overload]  # a name of moto's
        for key, value in state.items():
            factory = getattr(fresh.get(key), "default_factory", None)
            if factory is not None and isinstance(value, dict):
                # What makes its missing values may have no name to be remembered by.
                fresh[key].clear()
                fresh[key].update(value)
            else:
                fresh[key] = value


def _check_version(content: bytes, folder: Path) -> None:
    try:
        header = json.loads(content.partition(b"\n")[0])
    except ValueError:
        header = None
    if header != {"format": _FORMAT, "moto": moto.__version__}:
        raise ConflictError(
            f"what is kept in '{folder}' was written by another version",
            hint=_HINT,
        )
