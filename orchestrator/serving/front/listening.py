"""The address that a server listens on."""

import errno
import ipaddress
import socket

from orchestrator.core.errors import OrchestratorError, PortInUseError, SpecError

_BACKLOG = 2048


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that holds ``port`` of ``host``; port 0 is a free one.

    Raises:
        PortInUseError: If somebody else listens on it.
        SpecError: If it is no address of this machine, or a port that this user may not have.
    """
    # One that only binds does not hold the port: another could still listen first.
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        raise _refused(host, port, error) from error
    return listener


def is_loopback(listener: socket.socket) -> bool:
    """Tell whether only this machine can reach ``listener``."""
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback


def _refused(host: str, port: int, error: OSError | OverflowError) -> OrchestratorError:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return PortInUseError(
            f"port {port} of '{host}' is in use",
            hint="choose another with --port, or let --port 0 pick a free one",
        )
    return SpecError(
        f"cannot listen on port {port} of '{host}'",
        details=[("error", str(error))],
        hint="choose an address of this machine with --host, and a port from 0 to 65535 with --port",
    )
