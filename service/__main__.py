"""`python -m service`: run the service."""

import argparse
import os
import sys
from collections.abc import Sequence

import uvicorn

from service import settings as configuration


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to stop. Returns the exit status: 0 stopped, 2 a wrong call."""
    parser = argparse.ArgumentParser(
        prog="python -m service",
        description="Tells the species of plant seedlings on photos, over HTTP.",
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
    uvicorn.run(
        "service.app:from_environment",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
