"""The bytes of a pickle, handed out piece by piece."""

import mmap

from orchestrator.adapters.checkpoints.rebuilding import UnreadableError

MAX_ARGUMENT_BYTES = 64 * 1024**2
"""What one opcode may carry, such as a text."""

Pickle = bytes | mmap.mmap


class Tape:
    """What `pickletools.genops` reads from: never more at once than a limit, and nothing of what follows."""

    def __init__(self, content: Pickle, position: int) -> None:
        self._content = content
        self._position = position

    def read(self, count: int) -> bytes:
        """Return the next ``count`` bytes, or what there is of them.

        Raises:
            UnreadableError: If that is more than `MAX_ARGUMENT_BYTES`.
        """
        if count > MAX_ARGUMENT_BYTES:
            raise UnreadableError(f"it holds a value of {count} bytes, at most {MAX_ARGUMENT_BYTES} are read")
        return self._taken(self._position + count)

    def readline(self) -> bytes:
        """Return the bytes up to the next line's end; nothing if it is too far."""
        end = self._content.find(b"\n", self._position, self._position + MAX_ARGUMENT_BYTES)
        return self._taken(end + 1) if end >= 0 else b""

    def tell(self) -> int:
        """Return where in the content the next byte is."""
        return self._position

    def _taken(self, end: int) -> bytes:
        chunk = self._content[self._position : end]
        self._position += len(chunk)
        return chunk
