"""Settings from the environment, and the command line."""

import re
from pathlib import Path

import pytest

from models_store.store import SHIPPED_STORE
from service.__main__ import main
from service.process import cores
from service.settings import BadSetting, Settings, advice, from_environment, warnings

ROOT = Path(__file__).parents[2]


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


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "http"), ("DEVICE", "tpu"), ("MAX_BATCH", "0"), ("DEADLINE_S", "-1"), ("POLL_S", "inf"), ("KEEP_DAYS", "1000000")],
)
def test_a_bad_value_names_its_variable(name: str, value: str) -> None:
    with pytest.raises(BadSetting, match=f"SEEDLINGS_{name}"):
        from_environment({f"SEEDLINGS_{name}": value})


def test_the_probes_have_a_port_of_their_own() -> None:
    assert from_environment({"SEEDLINGS_PROBE_PORT": "8001"}).probe_port == 8001
    assert from_environment({"SEEDLINGS_PROBE_PORT": "tcp://10.0.0.11:80"}).probe_port is None  # Kubernetes' link to a service
    with pytest.raises(BadSetting, match=r"SEEDLINGS_PROBE_PORT: 8001 is the port of the service itself"):
        from_environment({"SEEDLINGS_PORT": "8001", "SEEDLINGS_PROBE_PORT": "8001"})


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SEEDLINGS_THREDS", "THREADS"),
        ("SEEDLINGS_MODELS", "MODEL"),
        ("SEEDLINGS_APIKEY", "API_KEY"),
        ("SEEDLINGS_DEADLINE", "DEADLINE_S"),
        ("SEEDLINGS_LOGLEVEL", "LOG_LEVEL"),
        ("SEEDLINGS_store", "STORE"),
        ("SEEDLING_STORE", "STORE"),
        ("SEEDLNGS_STORE", "STORE"),
        ("seedlings_port", "PORT"),
    ],
)
def test_a_name_that_is_nearly_a_setting_stops_the_start(name: str, meant: str) -> None:
    with pytest.raises(BadSetting, match=rf"{name} is no setting; did you mean SEEDLINGS_{meant}\?"):
        from_environment({name: "1"})
    assert from_environment({name: ""}) == Settings()


def test_other_unknown_names_are_a_warning() -> None:
    environ = {"SEEDLINGS_GREENHOUSE": "1", "SEEDLINGS_MAX_BATCH_SIZE": "1", "SEEDLINGS_DAT": "x", "SEED_STORE": "1", "STORE": "1"}
    assert from_environment(environ) == Settings()
    told = warnings(environ)
    assert [sentence.split()[0] for sentence in told] == ["SEEDLINGS_GREENHOUSE", "SEEDLINGS_MAX_BATCH_SIZE", "SEEDLINGS_DAT"]
    assert "did you mean SEEDLINGS_MAX_BATCH?" in told[1]
    assert "did you mean SEEDLINGS_DATA?" in told[2]
    every = {f"SEEDLINGS_{name.upper()}": "1" for name in Settings.model_fields}
    assert warnings(every | {"SEEDLINGS_DATA": "x", "SEEDLINGS_CPUS": "2", "PATH": "/bin"}) == []


def test_no_setting_is_taken_for_a_mistaken_other_one() -> None:
    for name in Settings.model_fields:
        assert warnings({f"SEEDLINGS_{name.upper()}": "1"}) == []


def test_the_project_s_own_names_are_known() -> None:
    files = [ROOT / name for name in ("Makefile", "Dockerfile", ".ci/run")]
    files += [
        path
        for folder in ("deploy", "scripts", ".github")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".yaml", ".yml", ".py")
    ]
    files += ROOT.glob("docker-compose*.yml")
    named = {name for file in files for name in re.findall(r"\bSEEDLINGS_[A-Z_]*[A-Z]", file.read_text())}
    assert "SEEDLINGS_DATA" in named
    assert warnings(dict.fromkeys(named, "1")) == []


def test_kubernetes_links_to_a_service_of_this_name_are_no_settings() -> None:
    environ = {
        "SEEDLINGS_PORT": "tcp://10.0.0.11:80",
        "SEEDLINGS_PORT_80_TCP": "tcp://10.0.0.11:80",
        "SEEDLINGS_PORT_80_TCP_PROTO": "tcp",
        "SEEDLINGS_PORT_80_TCP_PORT": "80",
        "SEEDLINGS_PORT_80_TCP_ADDR": "10.0.0.11",
        "SEEDLINGS_SERVICE_HOST": "10.0.0.11",
        "SEEDLINGS_SERVICE_PORT": "80",
        "SEEDLINGS_SERVICE_PORT_HTTP": "80",
        "SEEDLINGS_PREDICTOR_PORT": "tcp://10.0.0.12:80",
        "SEEDLINGS_PREDICTOR_SERVICE_HOST": "10.0.0.12",
    }
    assert from_environment(environ).port == 8000
    (told,) = warnings(environ)
    assert "enableServiceLinks: false" in told


@pytest.mark.parametrize("there", [False, True])
def test_a_store_that_is_no_folder_stops_the_start(tmp_path: Path, there: bool) -> None:
    path = tmp_path / "models"
    if there:
        path.write_text("a file")
    with pytest.raises(BadSetting, match=f"SEEDLINGS_STORE: there is no folder {path}"):
        from_environment({"SEEDLINGS_STORE": str(path)})


@pytest.mark.parametrize(
    ("given", "setting"),
    [
        ({"SEEDLINGS_SEGMENTER": "seedlings"}, "MODEL"),
        ({"SEEDLINGS_MODEL": "seedlings-segmenter"}, "MODEL"),
        ({"SEEDLINGS_SEGMENTER": "seedlings-field"}, "SECOND_MODEL"),
        ({"SEEDLINGS_SECOND_MODEL": "seedlings-segmenter"}, "SECOND_MODEL"),
    ],
    ids=str,
)
def test_the_segmenter_is_no_model_that_names_plants(given: dict[str, str], setting: str) -> None:
    with pytest.raises(BadSetting, match=f"SEEDLINGS_{setting} and SEEDLINGS_SEGMENTER both name seedlings"):
        from_environment(given)
    assert from_environment({"SEEDLINGS_SEGMENTER": "seedlings-field", "SEEDLINGS_SECOND_MODEL": "none"}).second is None


@pytest.mark.parametrize("name", ["..", "a/b", "/etc", ".hidden"])
def test_a_model_s_name_is_no_path(name: str) -> None:
    with pytest.raises(BadSetting, match="SEEDLINGS_MODEL"):
        from_environment({"SEEDLINGS_MODEL": name})


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


def test_photos_are_asked_about_only_where_they_can_be_kept(tmp_path):
    with pytest.raises(BadSetting, match="SEEDLINGS_ASK needs SEEDLINGS_DATABASE"):
        from_environment({"SEEDLINGS_ASK": "5"})
    assert from_environment({"SEEDLINGS_ASK": "5", "SEEDLINGS_DATABASE": f"sqlite:///{tmp_path}/c.db"}).ask == 5


def test_a_bad_file_of_keys_stops_the_start_and_says_the_line(tmp_path):
    file = tmp_path / "keys"
    with pytest.raises(BadSetting, match=f"SEEDLINGS_KEYS_FILE: {file} is no file"):
        from_environment({"SEEDLINGS_KEYS_FILE": str(file)})
    file.write_text("# ours\nfarm:secret:600\n")
    with pytest.raises(BadSetting, match=f"SEEDLINGS_KEYS_FILE: {file}, line 2: "):
        from_environment({"SEEDLINGS_KEYS_FILE": str(file)})


def test_settings_that_are_known_to_be_slower_are_told() -> None:
    assert advice(Settings()) == []
    (told,) = advice(Settings(workers=2, threads=1))
    assert told.startswith(f"SEEDLINGS_WORKERS is 2: each worker computes with 1 of {cores.available()} cores")
