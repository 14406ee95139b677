"""Where connections come in."""

import errno
import os
import socket

from service.settings import PREFIX, BadSetting, Settings

HANDLES = 32


class PortRefused(Exception):
    """A port belongs to somebody else, or may not be listened at; the message names the setting."""


def check(settings: Settings) -> None:
    """Try whether the service can listen at its ports, before all that is slow. It does so itself, later.

    Raises BadSetting for a host that is no address of this machine, PortRefused for a port.
    """
    _check(settings.host, settings.port, "PORT")
    if settings.probe_port:
        _check(settings.host, settings.probe_port, "PROBE_PORT")


def _check(host: str, port: int, setting: str) -> None:
    advice = "name an address of this machine, such as 0.0.0.0 for all"
    try:
        with socket.socket(_family(host)) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # never SO_REUSEPORT: another service's port would pass
            tried.bind((host, port))
    except (socket.gaierror, UnicodeError):
        raise BadSetting(f"{PREFIX}HOST: no address is known for {host!r}; {advice}") from None
    except OSError as error:
        if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            raise BadSetting(f"{PREFIX}HOST: {host!r} is not of this machine; {advice}") from None
        raise PortRefused(f"{PREFIX}{setting}: {os.strerror(error.errno or 0)}: {port}; choose another port") from None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def handles(listener: socket.socket) -> list[socket.socket]:
    """The listening socket and copies of its handle, each of which the server accepts at.

    uvloop accepts one connection at each handle in a round of its loop. In a flood a round is some milliseconds long, and a probe
    waits behind all connections that came before it.
    """
    return [listener, *(listener.dup() for _ in range(HANDLES - 1))]


def for_probes(settings: Settings) -> socket.socket:
    """A listening socket at the port for probes, which several workers share. Raises OSError where the port is taken."""
    address = (settings.host, settings.probe_port or 0)
    return socket.create_server(address, family=_family(settings.host), reuse_port=settings.workers > 1)
