"""A real PostgreSQL for tests, of the Debian package or of PATH."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

_USER = "postgres"  # Debian's package makes it; the server refuses to run as root
_QUICK = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")


def _programs() -> Path | None:
    """Where initdb lies; Debian keeps it out of PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    named = shutil.which("initdb")
    return found[-1].parent if found else Path(named).resolve().parent if named else None


class Server:
    """A server that can be stopped and started again."""

    def __init__(self, folder: Path, programs: Path, user: str | None) -> None:
        self._folder, self._programs, self._user = folder, programs, user
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.program("initdb", "-D", f"{folder}/data", "-U", _USER, "--auth=trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
        self._n = 0

    def program(self, name: str, *arguments: str) -> str:
        """What one of PostgreSQL's programs prints."""
        done = subprocess.run(
            [self._programs / name, *arguments], user=self._user, cwd=self._folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self) -> None:
        options = " ".join(["-k", str(self._folder), "-h", "127.0.0.1", "-p", str(self.port), *_QUICK])
        # Through files: a server that inherits a pipe keeps whoever reads it waiting.
        self.program("pg_ctl", "-D", f"{self._folder}/data", "-l", f"{self._folder}/log", "-w", "-s", "-o", options, "start")

    def stop(self) -> None:
        self.program("pg_ctl", "-D", f"{self._folder}/data", "-w", "-s", "-m", "fast", "stop")

    def database(self) -> str:
        """The URL of a new, empty database."""
        self._n += 1
        with psycopg.connect(f"host=127.0.0.1 port={self.port} user={_USER} dbname=postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE test{self._n}")
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/test{self._n}"


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """A server in a folder of its own; the test is skipped where there is none to be had."""
    programs = _programs()
    if programs is None:
        pytest.skip("no PostgreSQL is installed: apt-get install postgresql")
    user = None
    folder = Path(tempfile.mkdtemp(prefix="seedlings-postgres-"))
    if os.getuid() == 0:
        try:
            identity = pwd.getpwnam(_USER)
        except KeyError:
            pytest.skip(f"PostgreSQL does not run as root, and there is no user {_USER}")
        os.chown(folder, identity.pw_uid, identity.pw_gid)
        user = _USER
    try:
        server = Server(folder, programs, user)
        server.start()
        try:
            yield server
        finally:
            with contextlib.suppress(AssertionError):  # a test may have stopped it
                server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
