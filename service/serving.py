"""The server's process, or the process that minds several: where it listens, and what signals do."""

import argparse
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

import uvicorn

from models_store import interrupt, temporary, threads
from models_store.called_as import called_as
from service import settings as configuration
from service.http import listening
from service.process import logs
from service.workers import Workers

_METRICS = ".seedlings-metrics-"  # the folder of several workers


def serve(arguments: Sequence[str], loaded: Callable[[], None]) -> int:
    """Run the service until it is told to stop. Returns the exit status.

    `loaded` is called when all that is slow is imported, before the server takes signals for itself.
    """
    threads.let_sleep(os.environ)
    parser = argparse.ArgumentParser(
        prog=called_as("serve", "service"),
        description="Tells the species of plant seedlings on photos, over HTTP."
        f" '{called_as('predict', 'service predict')} --help': without a server.",
        epilog="environment variables, with their defaults:\n" + configuration.described(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", help="address to listen on, before SEEDLINGS_HOST")
    parser.add_argument("--port", help="port to listen on, before SEEDLINGS_PORT")
    options = parser.parse_args(arguments)
    for name, value in (("HOST", options.host), ("PORT", options.port)):
        if value is not None:
            os.environ[configuration.PREFIX + name] = value
    try:
        settings = configuration.from_environment(os.environ)
        listening.check(settings)
    except configuration.BadSetting as error:
        print(f"seedlings: {error}", file=sys.stderr)
        return 2
    except listening.PortRefused as error:
        print(f"seedlings: {error}", file=sys.stderr)
        return 1
    logs.configure(settings.log_format, settings.log_level)
    for sentence in configuration.warnings(os.environ):
        logging.getLogger(__name__).warning("%s", sentence)

    def end(status: int) -> NoReturn:
        if settings.workers == 1:  # torch may be loading a model still
            interrupt.at_once(status)
        sys.exit(status)  # the parent of several workers has no model, but a folder to remove

    # Once the server has closed in good order, it hands the signal on to whoever was there before: that is success.
    signal.signal(signal.SIGTERM, lambda *_: end(0))
    with contextlib.ExitStack() as stack:
        if settings.workers > 1:
            directory = settings.metrics_dir or stack.enter_context(temporary.work_folder(_METRICS))
            try:
                _share_metrics(Path(directory))
            except OSError as error:
                print(f"seedlings: SEEDLINGS_METRICS_DIR: {error.strerror}: {directory}; name a folder to write to", file=sys.stderr)
                return 1
        for sentence in configuration.advice(settings):
            logging.getLogger(__name__).warning("%s", sentence)
        config, listeners = _listening(settings)
        if settings.workers == 1:
            config.load_app()
        loaded()
        signal.signal(signal.SIGINT, lambda *_: end(interrupt.STATUS))
        return interrupt.STATUS if _serve(config, listeners) == signal.SIGINT else 0


def _share_metrics(directory: Path) -> None:
    """Have the workers keep their metrics in `directory`; the client library wants to know before it is imported."""
    directory.mkdir(parents=True, exist_ok=True)
    for left in directory.glob("*.db"):  # of an earlier run
        left.unlink()
    os.environ[configuration.PREFIX + "METRICS_DIR"] = os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)


def _listening(settings: configuration.Settings) -> tuple[uvicorn.Config, list[socket.socket]]:
    config = uvicorn.Config(
        "service.app:from_environment",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        server_header=False,
        http="service.http.connection:Connection",
        ws="none",  # there are none here
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,  # grace was given before, while the probes still answered
    )
    return config, listening.handles(config.bind_socket())


def _serve(config: uvicorn.Config, listeners: list[socket.socket]) -> int | None:
    """Run the server. Returns the signal that ended it, where it minds several workers; else a signal ends this process."""
    heard, sender = socket.socketpair()
    with heard, sender:
        for end in (heard, sender):
            end.setblocking(False)
        signal.set_wakeup_fd(sender.fileno())  # uvicorn takes signals for itself there, and does not hand them on
        _run(config, listeners)
        signal.set_wakeup_fd(-1)
        with contextlib.suppress(BlockingIOError):
            return heard.recv(1)[0]
    return None


def _run(config: uvicorn.Config, listeners: list[socket.socket]) -> None:
    if config.workers > 1:
        workers = Workers(config, listeners)
        workers.run()
        if workers.failed:
            sys.exit(1)
        return
    server = uvicorn.Server(config)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=listeners)
    if not server.started:
        sys.exit(1)
