"""The probes once more, on a port of their own: a server and an event loop in a thread, which no flood of the service's port delays."""

import logging
import threading

import uvicorn
from starlette.types import ASGIApp

from service.http.connection import Connection
from service.http.listening import for_probes
from service.settings import Settings

log = logging.getLogger(__name__)
MAX_CONNECTIONS = 64  # of this port; a handful ask here, and file handles are everybody's
_PATIENCE_S = 5.0  # for the thread to end


class Probes:
    """Answers `app` at `settings.probe_port`, from `start` until `close`."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._settings = settings
        self._server = uvicorn.Server(
            uvicorn.Config(
                app, http=Connection, ws="none", server_header=False, log_config=None, access_log=False, timeout_graceful_shutdown=1
            )
        )
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen from now on. Raises OSError where the port is taken."""
        listener = for_probes(self._settings)
        self._thread = threading.Thread(target=self._server.run, args=([listener],), name="probes", daemon=True)
        self._thread.start()
        log.info("probes are answered on port %d", self._settings.probe_port)

    def close(self) -> None:
        """End the server and its thread."""
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(_PATIENCE_S)
