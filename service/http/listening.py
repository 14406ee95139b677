"""Where connections come in."""

import socket

from service.settings import Settings

HANDLES = 32


def handles(listener: socket.socket) -> list[socket.socket]:
    """The listening socket and copies of its handle, each of which the server accepts at.

    uvloop accepts one connection at each handle in a round of its loop. In a flood a round is some milliseconds long, and a probe
    waits behind all connections that came before it.
    """
    return [listener, *(listener.dup() for _ in range(HANDLES - 1))]


def for_probes(settings: Settings) -> socket.socket:
    """A listening socket at the port for probes, which several workers share. Raises OSError where the port is taken."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    return socket.create_server((settings.host, settings.probe_port or 0), family=family, reuse_port=settings.workers > 1)
