"""Where connections come in."""

import socket

HANDLES = 32


def handles(listener: socket.socket) -> list[socket.socket]:
    """The listening socket and copies of its handle, each of which the server accepts at.

    uvloop accepts one connection at each handle in a round of its loop. In a flood a round is some milliseconds long, and a probe
    waits behind all connections that came before it.
    """
    return [listener, *(listener.dup() for _ in range(HANDLES - 1))]
