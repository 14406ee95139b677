"""`python -m service`: run the service; `python -m service predict`: classify photos."""

import argparse
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import uvicorn
from uvicorn.supervisors import Multiprocess

from service import settings as configuration
from service.http.listening import for_probes, handles
from service.process import cores, logs

INTERRUPTED = 128 + signal.SIGINT


# The commands import what they need themselves: the process that minds several workers holds no model, and need not hold torch.
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command named first, or `serve`. Returns the exit status: 0 success, 1 failure, 2 a wrong call, 130 interrupted."""
    arguments = sys.argv[1:] if arguments is None else arguments
    commands = {"serve": serve, "predict": predict, "openapi": openapi}
    try:
        if arguments and (command := commands.get(arguments[0])):
            return command(arguments[1:])
        return serve(arguments)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def predict(arguments: Sequence[str]) -> int:
    """Classify photos without a server. Returns the exit status."""
    cores.let_threads_sleep(os.environ)
    from service.cli import predict as command

    return command.main(arguments)


def openapi(_: Sequence[str]) -> int:
    """Print the OpenAPI document. Returns the exit status."""
    from service.app import create_app

    print(json.dumps(create_app(configuration.Settings()).openapi(), indent=1, ensure_ascii=False))
    return 0


def serve(arguments: Sequence[str]) -> int:
    """Run the service until it is told to stop. Returns the exit status."""
    cores.let_threads_sleep(os.environ)
    parser = argparse.ArgumentParser(
        prog="python -m service",
        description="Tells the species of plant seedlings on photos, over HTTP. 'python -m service predict --help': without a server.",
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
    except configuration.BadSetting as error:
        print(f"seedlings: {error}", file=sys.stderr)
        return 2
    logs.configure(settings.log_format, settings.log_level)
    for sentence in configuration.warnings(os.environ):
        logging.getLogger(__name__).warning("%s", sentence)
    if settings.probe_port:  # the processes of the service listen there themselves
        try:
            for_probes(settings).close()
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            print(f"seedlings: SEEDLINGS_PROBE_PORT: {reason}: {settings.probe_port}; choose another port", file=sys.stderr)
            return 1
    # Once the server has closed in good order, it hands the signal on to whoever was there before: that is success.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(INTERRUPTED))
    with contextlib.ExitStack() as stack:
        if settings.workers > 1:
            directory = settings.metrics_dir or stack.enter_context(tempfile.TemporaryDirectory(prefix="seedlings-metrics-"))
            _share_metrics(Path(directory))
        return INTERRUPTED if _serve(settings) == signal.SIGINT else 0


def _share_metrics(directory: Path) -> None:
    """Have the workers keep their metrics in `directory`; the client library wants to know before it is imported."""
    directory.mkdir(parents=True, exist_ok=True)
    for left in directory.glob("*.db"):  # of an earlier run
        left.unlink()
    os.environ[configuration.PREFIX + "METRICS_DIR"] = os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)


def _serve(settings: configuration.Settings) -> int | None:
    """Run the server. Returns the signal that ended it, where it minds several workers; else a signal ends this process."""
    heard, sender = socket.socketpair()
    with heard, sender:
        for end in (heard, sender):
            end.setblocking(False)
        signal.set_wakeup_fd(sender.fileno())  # uvicorn takes signals for itself there, and does not hand them on
        _run(settings)
        signal.set_wakeup_fd(-1)
        with contextlib.suppress(BlockingIOError):
            return heard.recv(1)[0]
    return None


def _run(settings: configuration.Settings) -> None:
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
    listeners = handles(config.bind_socket())
    if settings.workers > 1:
        Multiprocess(config, sockets=listeners).run()
        return
    config.load_app()
    server = uvicorn.Server(config)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=listeners)
    if not server.started:
        sys.exit(1)


if __name__ == "__main__":
    sys.exit(main())
