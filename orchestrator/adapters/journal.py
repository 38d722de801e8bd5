"""The journal of one endpoint, in S3: one object per entry, consecutive keys, each written only once.

Two deployers can never both write the same number: S3 refuses the second (``If-None-Match: *``).
"""

from collections.abc import Mapping

from orchestrator.adapters.store.s3 import S3Store
from orchestrator.core import journal, names
from orchestrator.core.errors import ConflictError


class S3Journal:
    """The `Journal` port on a bucket. Remembers the last entry it has read or written."""

    def __init__(self, store: S3Store, endpoint: str) -> None:
        self._store = store
        self._endpoint = endpoint
        self._head: tuple[int, str] | None = None

    def entries(self) -> tuple[journal.Entry, ...]:
        """Return the whole journal, its chain verified.

        Raises:
            ConflictError: If an entry is damaged or missing.
        """
        keys = self._store.keys(names.journal_prefix(self._endpoint))
        encoded = [self._store.read(key) for key in keys]
        decoded = journal.decode(self._endpoint, encoded)
        self._head = (len(encoded), journal.digest(encoded[-1]) if encoded else journal.GENESIS)
        return decoded

    def append(self, kind: str, facts: Mapping[str, object], *, by: str, at: str) -> journal.Entry:
        """Write the next entry.

        Raises:
            ConflictError: If somebody else has written that number since we last looked.
        """
        if self._head is None:
            self.entries()
        number, previous = self._head or (0, journal.GENESIS)
        entry = journal.Entry(number + 1, previous, at, by, kind, facts)
        encoded = journal.encode(entry)
        key = names.journal_key(self._endpoint, entry.number)
        if not self._store.put_once(key, encoded) and self._store.read(key) != encoded:
            raise ConflictError(
                f"somebody else is changing endpoint '{self._endpoint}'",
                details=[("journal", f"entry {entry.number} was written by another hand")],
                hint=f"orchestrator history {self._endpoint}          who, and what",
            )
        self._head = (entry.number, journal.digest(encoded))
        return entry
