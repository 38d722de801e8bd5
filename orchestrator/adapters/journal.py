"""The journal of one endpoint, in S3: one object per entry, consecutive keys, each written only once.

Two deployers can never both write the same number: S3 refuses the second (``If-None-Match: *``). After each
entry its head is written, an object of its own.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from orchestrator.core import heads, journal, names
from orchestrator.core.errors import ConflictError
from orchestrator.core.journal import Entry, Head
from orchestrator.core.ports import Slot, Store

AT_ONCE = 8
"""How many entries are read at a time: our clients keep 50 connections for all endpoints that are at work."""

_ATTEMPTS = 5


class S3Journal:
    """The `Journal` port on a bucket. Remembers the last entry it has read or written."""

    def __init__(self, store: Store, slot: Slot, endpoint: str, *, at_once: int = AT_ONCE) -> None:
        """Open the journal of ``endpoint``; nothing is read yet.

        Args:
            store: Where its entries lie.
            slot: Where its head lies, under `names.head_key`.
            endpoint: Its name.
            at_once: How many entries to read at a time; one needs no thread.
        """
        self._store = store
        self._endpoint = endpoint
        self._slot = slot
        self._at_once = at_once
        self._last: Head | None = None
        self._tag: str | None = None
        self._unsure: tuple[Entry, bytes] | None = None

    def entries(self) -> tuple[Entry, ...]:
        """Return the whole journal, its chain and its head verified.

        Raises:
            ConflictError: If an entry or the head is damaged or missing.
        """
        # The head first: what is written between the two reads makes it lag behind, which is legal.
        head = self.head()
        decoded = journal.decode(self._endpoint, self._encoded())
        self._last = heads.replay(self._endpoint, decoded, head)[-1]
        self._unsure = None
        return decoded

    def head(self) -> Head | None:
        """Return the journal's head, in one call; ``None`` if nothing was ever written.

        Raises:
            ConflictError: If it is damaged.
        """
        found = self._slot.read()
        self._tag = None if found is None else found.tag
        return None if found is None else heads.decode_head(self._endpoint, found.content)

    def append(self, kind: str, facts: Mapping[str, object], *, by: str, at: str) -> Entry:
        """Write the next entry, and then the head.

        Raises:
            ConflictError: If somebody else has written that number since we last looked.
        """
        if self._last is None:
            self.entries()
        if self._unsure is not None:
            self._write(*self._unsure)  # its answer was lost: it is there, or it has to be
        last = self._last or heads.BEGINNING
        if last.number == 0 and self._tag is None:
            # So that a journal with entries and without a head is never whole.
            self._write_head(heads.BEGINNING)
        entry = Entry(last.number + 1, last.digest, at, by, kind, facts)
        self._write(entry, journal.encode(entry))
        return entry

    def _encoded(self) -> list[bytes]:
        keys = self._store.keys(names.journal_prefix(self._endpoint))
        if self._at_once == 1:
            return [self._store.read(key) for key in keys]
        with ThreadPoolExecutor(self._at_once) as pool:
            return list(pool.map(self._store.read, keys))

    def _write(self, entry: Entry, encoded: bytes) -> None:
        key = names.journal_key(self._endpoint, entry.number)
        self._unsure = (entry, encoded)
        if not self._store.put_once(key, encoded) and self._store.read(key) != encoded:
            raise ConflictError(
                f"somebody else is changing endpoint '{self._endpoint}'",
                details=[("journal", f"entry {entry.number} was written by another hand")],
                hint=f"orchestrator history {self._endpoint}          who, and what",
            )
        self._unsure = None
        self._last = heads.advance(self._last or heads.BEGINNING, entry, encoded)
        self._write_head(self._last)

    def _write_head(self, head: Head) -> None:
        """Write the head, unless it is further already: somebody may have gone on from our entry."""
        content = heads.encode_head(self._endpoint, head)
        for _ in range(_ATTEMPTS):
            tag = self._slot.write(content, over=self._tag)
            if tag is not None:
                self._tag = tag
                return
            found = self.head()
            if found is not None and found.number >= head.number:
                return
        raise ConflictError(
            f"somebody else is changing endpoint '{self._endpoint}'",
            details=[("journal", f"its head is written by another hand after entry {head.number}")],
            hint=f"orchestrator history {self._endpoint}          who, and what",
        )
