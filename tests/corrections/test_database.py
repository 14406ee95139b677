"""Tables by migrations, in each kind of database."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, select, text

from corrections import migrations
from corrections.database import Database
from corrections.errors import InvalidText, StorageUnavailable
from corrections.tables import Base, PhotoRow


def engine_url(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://")


def test_the_migrations_make_the_tables_of_the_code(database_url: str) -> None:
    migrate(database_url)
    engine = create_engine(engine_url(database_url))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    engine.dispose()


def migrate(url: str) -> None:
    database = Database(url)
    database.migrate()
    database.close()


def test_replicas_that_start_at_once_migrate_once(database_url: str) -> None:
    with ProcessPoolExecutor(3, multiprocessing.get_context("spawn")) as replicas:
        assert list(replicas.map(migrate, [database_url] * 3)) == [None] * 3
    migrate(database_url)  # nothing is left to do
    engine = create_engine(engine_url(database_url))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).all() == [("0002",)]
    engine.dispose()


def test_a_database_of_an_older_release_keeps_what_is_in_it(database_url: str) -> None:
    engine = create_engine(engine_url(database_url))
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(text(f"INSERT INTO photos (sha256, suffix, n_bytes, taken) VALUES ('{'a' * 64}', '.png', 1, '2026-05-01')"))
    engine.dispose()
    migrate(database_url)
    database = Database(database_url)
    with database.reading() as session:
        photo = session.get_one(PhotoRow, "a" * 64)
        assert (photo.suffix, photo.look) == (".png", None)
    database.close()


def test_a_database_of_a_newer_release_is_left_alone(database_url: str) -> None:
    database = Database(database_url)
    database.migrate()
    with database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageUnavailable, match="newer release"):
        database.migrate()
    database.close()


@pytest.mark.parametrize("url", ["nonsense", "mysql://host/name", "sqlite://", "sqlite:///:memory:", "postgresql://host:port/name"])
def test_a_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(InvalidText, match="URL of the database"):
        Database(url)


def test_a_database_that_is_away_is_said_to_be(tmp_path: Path) -> None:
    for url in ("postgresql://nobody@127.0.0.1:1/none", f"sqlite:///{tmp_path}/none/corrections.db"):
        with pytest.raises(StorageUnavailable, match="does not answer"):
            Database(url).migrate()


def test_nothing_is_written_into_a_file_that_was_removed(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/c.db")
    database.migrate()
    (tmp_path / "c.db").unlink()  # of which the open connections see nothing
    with pytest.raises(StorageUnavailable, match=r"no such table: photos; put the database back .* restart"), database.writing() as session:
        session.execute(select(PhotoRow))
    database.close()
