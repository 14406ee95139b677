"""Settings from the environment, and the command line."""

from pathlib import Path

import pytest

from models_store.store import SHIPPED_STORE
from service.__main__ import main
from service.process import cores
from service.settings import BadSetting, Settings, from_environment


def test_defaults_suit_a_laptop() -> None:
    settings = from_environment({})
    assert settings == Settings()
    assert settings.store == SHIPPED_STORE
    assert settings.api_key is None
    assert settings.inference_threads == cores.available()


def test_reads_its_variables() -> None:
    environ = {
        "SEEDLINGS_PORT": "9",
        "SEEDLINGS_VERSION": "",
        "SEEDLINGS_CORS_ORIGINS": "https://a.example, https://b.example",
        "PORT": "1",
    }
    settings = from_environment(environ | {"SEEDLINGS_API_KEY": "secret", "SEEDLINGS_WORKERS": "2", "SEEDLINGS_THREADS": "3"})
    assert (settings.port, settings.version, settings.inference_threads) == (9, None, 3)
    assert settings.cors_origins == ["https://a.example", "https://b.example"]
    assert "secret" not in repr(settings)


@pytest.mark.parametrize(("name", "value"), [("PORT", "http"), ("DEVICE", "tpu"), ("MAX_BATCH", "0"), ("DEADLINE_S", "-1")])
def test_a_bad_value_names_its_variable(name: str, value: str) -> None:
    with pytest.raises(BadSetting, match=f"SEEDLINGS_{name}"):
        from_environment({f"SEEDLINGS_{name}": value})


def test_help_lists_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for name, field in Settings.model_fields.items():
        assert f"SEEDLINGS_{name.upper()}" in text
        assert field.description
        assert field.description in text


def test_a_wrong_call_says_so(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDLINGS_PORT", "")
    assert main(["--port", "http"]) == 2
    assert "SEEDLINGS_PORT" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, None),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
    ],
)
def test_cores_are_those_of_the_container(tmp_path: Path, files: dict[str, str], quota: int | None) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    everything = cores.available(tmp_path / "nothing")
    assert cores.available(tmp_path) == (everything if quota is None else quota)
