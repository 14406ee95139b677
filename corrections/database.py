"""A database by its SQLAlchemy URL: SQLite on one machine, PostgreSQL for several. Opening it brings its tables up to date."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from corrections.errors import CorrectionsError, InvalidText, StorageUnavailable

_MIGRATIONS = Path(__file__).parent / "migrations"
_CONNECTIONS = 4  # of one process
_WAIT_S = 10  # for a lock, a statement, or a free connection
_CONNECT_S = 5
_IDLE_S = 60  # a transaction may wait so long for its photo to be written
MIGRATING, COUNTING, ASKING = 5_170_001, 5_170_002, 5_170_003  # advisory locks of PostgreSQL: any two numbers of our own


class Database:
    """Sessions for reading and for writing."""

    def __init__(self, url: str) -> None:
        """Connects to nothing yet. Raises InvalidText for a URL that is none, or of a database that is not supported."""
        self._engine = _engine(url)

    @property
    def file(self) -> Path | None:
        """That of SQLite; None of a server, or where the URL has parameters."""
        url = self._engine.url
        return Path(url.database) if url.get_backend_name() == "sqlite" and url.database and not url.query else None

    def migrate(self) -> None:
        """Bring the tables up to date. Of several processes that start at once, one does it; the others wait. Raises StorageUnavailable."""
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        with _answering(), self._engine.begin() as connection:
            self._lock(connection, MIGRATING)
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                said = "the database is of a newer release than this one, or no database of corrections"
                raise StorageUnavailable(said, str(error)) from error

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that changes nothing."""
        with _answering(), self._engine.execution_options(reads=True).connect() as connection, Session(connection) as session:
            yield session

    @contextlib.contextmanager
    def writing(self) -> Iterator[Session]:
        """A session whose changes are kept together at the end of the block, or none of them."""
        with _answering(), Session(self._engine, expire_on_commit=False) as session, session.begin():
            yield session

    def lock(self, session: Session, key: int) -> None:
        """Wait for all others that hold this lock, until the session's end. SQLite has one writer at a time anyway."""
        self._lock(session.connection(), key)

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    @staticmethod
    def _lock(connection: Connection, key: int) -> None:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def _engine(url: str) -> Engine:
    try:
        named = make_url(url)
        if named.drivername in ("postgresql", "postgres"):
            named = named.set(drivername="postgresql+psycopg")
        kind = named.get_backend_name()
        if kind == "postgresql":
            limits = f"-c statement_timeout={_WAIT_S * 1000} -c lock_timeout={_WAIT_S * 1000}"
            arguments: dict[str, Any] = {
                "connect_timeout": _CONNECT_S,
                "options": f"{limits} -c idle_in_transaction_session_timeout={_IDLE_S * 1000}",
                "tcp_user_timeout": _WAIT_S * 1000,
            }
            return create_engine(
                named, pool_size=_CONNECTIONS, max_overflow=0, pool_timeout=_WAIT_S, pool_pre_ping=True, connect_args=arguments
            )
        if kind == "sqlite" and named.database and named.database != ":memory:":
            engine = create_engine(named, pool_size=_CONNECTIONS, max_overflow=0, pool_timeout=_WAIT_S, connect_args={"timeout": _WAIT_S})
            event.listen(engine, "connect", _sqlite_connected)
            event.listen(engine, "checkout", _sqlite_checked(named.database))
            event.listen(engine, "begin", _sqlite_begins)
            return engine
    except (ArgumentError, NoSuchModuleError, ImportError, TypeError, ValueError) as error:
        raise InvalidText(f"the URL of the database is not understood: {str(error).splitlines()[0][:200]}") from None
    raise InvalidText("the URL of the database is neither sqlite:///FILE nor postgresql://USER:PASSWORD@HOST/NAME")


def _sqlite_connected(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions begin where they are told to
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}").close()


def _sqlite_checked(file: str) -> Callable[[Any, ConnectionPoolEntry, object], None]:
    """A connection is given up whose file was removed or replaced: what it wrote would be lost, and nobody told."""

    def check(_: Any, entry: ConnectionPoolEntry, __: object) -> None:
        try:
            found = os.stat(file)
        except FileNotFoundError:
            raise DisconnectionError from None
        if entry.info.setdefault("file", found.st_ino) != found.st_ino:
            raise DisconnectionError

    return check


def _sqlite_begins(connection: Connection) -> None:
    """A writer takes its lock at once: one that had read before would be refused where another wrote meanwhile."""
    reads = connection.get_execution_options().get("reads")
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except CorrectionsError:
        raise
    except DBAPIError as error:
        reason = str(error.orig).splitlines()[0][:200]
        if reason.startswith("no such table") or type(error.orig).__name__ == "UndefinedTable":
            reason += "; put the database back that was removed, or restart the service for a new one"
        raise StorageUnavailable("the database does not answer", reason) from error
    except SQLAlchemyError as error:
        raise StorageUnavailable("the database does not answer", str(error).splitlines()[0][:200]) from error
