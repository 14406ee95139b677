"""The command line of a store."""

from pathlib import Path

import pytest

from models_store import store
from models_store.__main__ import main
from tests import fakes


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A store of three versions, the second one damaged."""
    for content in (b"one", b"two", b"three"):
        store.publish(tmp_path, content, fakes.manifest, lambda _: "# fake\n", "seedlings")
    (tmp_path / "seedlings" / "2" / store.MODEL).write_bytes(b"tvo")
    return tmp_path


def test_list_shows_what_the_store_has(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (models / "seedlings" / "3" / store.MANIFEST).write_text("{")
    assert main(["list", str(models)]) == 0
    heading, first, second, third = capsys.readouterr().out.splitlines()
    assert heading.split() == ["model", "version", "published", "network", "accuracy", "size"]
    assert first.split() == ["seedlings", "1", "2026-01-01", "fake", "100.00%", "of", "3", "0.0", "MB"]
    assert second.index("2026-01-01") == first.index("2026-01-01") == heading.index("published")
    assert "manifest.json is not JSON" in third


def test_verify_names_what_is_damaged(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(models)]) == 1
    told = capsys.readouterr()
    assert told.out.splitlines() == ["seedlings 1 is as it was published", "seedlings 3 is as it was published"]
    assert str(models / "seedlings" / "2" / store.MODEL) in told.err
    assert main(["verify", str(models), "--name", "seedlings", "--version", "3"]) == 0


@pytest.mark.parametrize("options", [["--version", "9"], ["--name", "roses"]])
def test_verifying_nothing_is_a_failure(models: Path, capsys: pytest.CaptureFixture[str], options: list[str]) -> None:
    assert main(["verify", str(models), *options]) == 1
    assert "has no version" in capsys.readouterr().err


def test_publish_and_rollback_say_what_they_published(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", str(models / "new"), str(models / "seedlings" / "3")]) == 0
    assert main(["rollback", str(models), "--to", "1"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"published {models / 'new' / 'seedlings' / '1'}",
        f"published {models / 'seedlings' / '4'}",
    ]
    assert store.open_artifact(models / "seedlings" / "4").model.read() == b"one"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["list", "gone"], "there is no folder gone"),
        (["rollback", "."], "'python -m training export'"),
        (["publish", ".", "gone"], "manifest.json is missing"),
        (["rollback", ".", "--name", "seedlings", "--to", "1"], "holds no version"),
    ],
)
def test_a_failure_is_a_sentence(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    written = capsys.readouterr().err
    assert told in written
    assert written.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["prune", "."], ["rollback", ".", "--to", "last"]])
def test_a_wrong_call_exits_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2


def test_a_segmenter_is_listed_verified_and_published(models: Path, tmp_path_factory: pytest.TempPathFactory, capsys) -> None:
    other = tmp_path_factory.mktemp("other")
    assert main(["publish", str(models), str(fakes.publish_segmenter(other))]) == 0
    assert main(["verify", str(models), "--name", fakes.SEGMENTER]) == 0
    capsys.readouterr()
    assert main(["list", str(models)]) == 0
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()][-1] == [fakes.SEGMENTER, "1"]
