"""The writing side of one connection: what is on its way, and the end of those who do not take it."""

import asyncio
import fcntl
import socket
import struct
import termios

_INT = struct.Struct("i")
_AT_ONCE = struct.pack("ii", 1, 0)


class Outlet:
    """What is written to a transport, and whether it is taken.

    Attributes:
        written: How many bytes were ever written.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self.written = 0
        self._transport = transport
        self._socket: socket.socket = transport.get_extra_info("socket")
        self._drained: asyncio.Future[None] | None = None

    def write(self, content: bytes) -> None:
        """Send ``content`` as soon as the other side takes it."""
        self.written += len(content)
        self._transport.write(content)

    async def drain(self) -> None:
        """Wait until the other side has taken most of what was written."""
        if self._drained is not None:
            await self._drained

    def pause(self) -> None:
        """Let whoever writes wait: the other side does not take what was written."""
        self._drained = asyncio.get_running_loop().create_future()

    def resume(self) -> None:
        """Let whoever writes go on."""
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    def unsent(self) -> int:
        """Return how many bytes are still to be taken.

        The system's own queue counts once it is full: it is emptied in large steps, and a slow reader who is
        served well would seem to take nothing for minutes.
        """
        size = self._transport.get_write_buffer_size()
        if size:
            queued = fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, bytes(_INT.size))
            size += _INT.unpack(queued)[0]
        return size

    def drop(self) -> None:
        """End the connection, and throw away what was not taken: else the system would go on offering it."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self._transport.abort()
