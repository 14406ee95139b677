"""The compose files, as docker compose itself reads them."""

import json
from pathlib import Path

import pytest

from service.settings import Settings
from tests.deploy.conftest import ROOT

BASE = ("-f", "docker-compose.yml")
PROFILES = ("--profile", "training", "--profile", "monitoring", "--profile", "https")


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
        for mount in service["volumes"]:
            if mount["type"] == "bind":
                assert Path(mount["source"]).exists(), f"{name} mounts {Path(mount['source']).relative_to(ROOT)}"
