"""`python -m service`: run the service; `python -m service predict`: classify photos."""

import contextlib
import sys
from collections.abc import Sequence

from models_store import interrupt


# The commands import what they need themselves: once an interrupt is minded, since that takes seconds. The process that minds several
# workers needs no torch.
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command named first, or `serve`. Returns the exit status: 0 success, 1 failure, 2 a wrong call, 130 interrupted."""
    arguments = sys.argv[1:] if arguments is None else arguments
    commands = {"serve": serve, "predict": predict, "openapi": openapi}
    try:
        if arguments and (command := commands.get(arguments[0])):
            return command(arguments[1:])
        return serve(arguments)
    except KeyboardInterrupt:
        print(interrupt.MESSAGE, file=sys.stderr)
        return interrupt.STATUS


def predict(arguments: Sequence[str]) -> int:
    """Classify photos without a server. Returns the exit status."""
    with contextlib.ExitStack() as loading:
        loading.enter_context(interrupt.within_a_second())
        import os

        from models_store import threads

        threads.let_sleep(os.environ)
        from service.cli import predict as command

        return command.main(arguments, loading.close)


def openapi(_: Sequence[str]) -> int:
    """Print the OpenAPI document. Returns the exit status."""
    with interrupt.within_a_second():
        import json

        from service.app import create_app
        from service.settings import Settings

        print(json.dumps(create_app(Settings()).openapi(), indent=1, ensure_ascii=False))
        return 0


def serve(arguments: Sequence[str]) -> int:
    """Run the service until it is told to stop. Returns the exit status."""
    with contextlib.ExitStack() as loading:
        loading.enter_context(interrupt.within_a_second())
        from service import serving

        return serving.serve(arguments, loading.close)


if __name__ == "__main__":
    interrupt.leave(main())
