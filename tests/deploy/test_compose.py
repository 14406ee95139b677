"""The compose files, as docker compose itself reads them."""

import json
from pathlib import Path

import pytest
from sqlalchemy import make_url

from service.settings import Settings, from_environment
from tests.deploy.conftest import ROOT, set_in_image

BASE = ("-f", "docker-compose.yml")
PROFILES = ("--profile", "training", "--profile", "monitoring", "--profile", "https", "--profile", "corrections")


@pytest.fixture
def config(tool):
    def read(*files, **environment):
        return json.loads(tool("docker-compose", *files, *PROFILES, "config", "--format", "json", **environment))["services"]

    return read


def test_training_reserves_a_gpu(config):
    devices = config(*BASE)["training"]["deploy"]["resources"]["reservations"]["devices"]
    assert [(device["driver"], device["capabilities"]) for device in devices] == [("nvidia", ["gpu"])]


def test_with_the_cpu_override_it_reserves_none(config):
    training = config(*BASE, "-f", "docker-compose.cpu.yml")["training"]
    assert "reservations" not in training["deploy"]["resources"]
    assert training["build"]["args"]["TRAINING_TORCH"] == "torch-cpu-training.txt"


def test_both_share_the_volume_of_models(config):
    services = config(*BASE)
    mounts = {name: {mount["target"]: mount for mount in services[name]["volumes"]} for name in ("service", "training")}
    assert mounts["service"]["/models"]["source"] == mounts["training"]["/models"]["source"] == "models"
    assert mounts["service"]["/models"]["read_only"]


def test_the_stop_grace_period_is_longer_than_the_drain(config):
    service = config(*BASE)["service"]
    drain = Settings(grace_s=service["environment"]["SEEDLINGS_GRACE_S"]).grace_s
    assert int(service["stop_grace_period"].removesuffix("s")) > drain


def test_all_run_without_privileges_on_a_read_only_root(config):
    for name, service in config(*BASE).items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "memory" in service["deploy"]["resources"]["limits"], name


def test_files_that_are_mounted_are_there(config, tmp_path):
    for name, service in config(*BASE, SEEDLINGS_DATA=str(tmp_path)).items():
        for mount in service.get("volumes", []):
            if mount["type"] == "bind":
                assert Path(mount["source"]).exists(), f"{name} mounts {Path(mount['source']).relative_to(ROOT)}"


def test_only_the_profile_corrections_keeps_photos(config, tmp_path):
    services = config(*BASE, SEEDLINGS_ASK="20", SEEDLINGS_KEEP_DAYS="", SEEDLINGS_MODEL="seedlings-field")
    settings = {
        name: from_environment(services[name]["environment"] | {"SEEDLINGS_STORE": str(tmp_path)}) for name in ("service", "corrections")
    }
    assert (settings["service"].database, settings["service"].photos_url) == (None, None)
    assert {given.model for given in settings.values()} == {"seedlings-field"}
    assert (settings["corrections"].ask, settings["corrections"].keep_days) == (20, None)
    assert services["service"].get("profiles") is None
    assert services["corrections"]["profiles"] == services["postgres"]["profiles"] == ["corrections"]
    [photos] = [mount for mount in services["corrections"]["volumes"] if mount["target"] == settings["corrections"].photos_url]
    assert not photos.get("read_only")
    assert photos["source"] == "photos"
    # A new volume is as the image has its folder: the service's user may write there.
    [made] = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if "install --directory" in line and "/models" in line]
    assert "--owner=10001" in made
    assert photos["target"] in made.split()


def test_the_database_of_corrections_is_the_one_that_runs(config):
    password = "p@ss/w:r d"  # characters that a URL would take for others
    services = config(*BASE, SEEDLINGS_DATABASE_PASSWORD=password)
    postgres = services["postgres"]
    url = make_url(services["corrections"]["environment"]["SEEDLINGS_DATABASE"])
    assert (url.username, url.database) == (postgres["environment"]["POSTGRES_USER"], postgres["environment"]["POSTGRES_DB"])
    assert url.host == "postgres"
    assert postgres["environment"]["POSTGRES_PASSWORD"] == password
    for name in ("corrections", "training"):
        assert services[name]["environment"]["PGPASSWORD"] == password
    assert services["corrections"]["depends_on"]["postgres"]["condition"] == "service_healthy"


def test_nobody_else_reaches_the_database(config):
    services = config(*BASE)
    assert {name for name, service in services.items() if "database" in service["networks"]} == {"corrections", "postgres", "training"}
    assert list(services["postgres"]["networks"]) == ["database"]
    assert "ports" not in services["postgres"]


def test_each_image_is_built_once(config):
    services = config(*BASE)
    built = [service["image"] for service in services.values() if "build" in service]
    assert len(set(built)) == len(built)
    assert services["corrections"]["image"] == services["service"]["image"]
    assert "service" in services["corrections"]["depends_on"]


def test_the_health_check_asks_the_port_for_probes(config):
    for name in ("service", "corrections"):
        check = config(*BASE)[name]["healthcheck"]["test"][-1]
        assert f"127.0.0.1:{set_in_image('SEEDLINGS_PROBE_PORT')}/health" in check


def test_no_two_share_a_port(config):
    ports = [port["published"] for service in config(*BASE).values() for port in service.get("ports", [])]
    assert len(set(ports)) == len(ports)
