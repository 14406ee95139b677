"""The Dockerfile, what it installs, and the scripts around it. `make image-test` builds and runs the images themselves."""

import os
import re
import shutil
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement

from tests.deploy.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pins(*names: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name in names:
        for package, version in re.findall(r"^([a-z0-9-]+)==([^ ;\\\n]+)", (ROOT / "requirements" / name).read_text(), re.MULTILINE):
            found.setdefault(package, set()).add(version)
    return found


def check_pinned(required: list[str], pinned: dict[str, set[str]]) -> None:
    for requirement in map(Requirement, required):
        versions = pinned.get(requirement.name, set())
        assert versions, f"{requirement.name} is not pinned: run scripts/lock"
        assert all(requirement.specifier.contains(version) for version in versions), (
            f"{requirement} is not met by {versions}: run scripts/lock"
        )


def test_the_dockerfile_has_nothing_to_complain_of(tool):
    assert tool("hadolint", "Dockerfile") == ""


@pytest.mark.parametrize("script", ["scripts/lock", ".ci/run"])
def test_shell_scripts_have_nothing_to_complain_of(tool, script):
    assert tool("shellcheck", script) == ""


def test_no_index_is_named_but_pytorchs():
    files = [ROOT / name for name in ("Dockerfile", "Makefile", ".ci/run", "pyproject.toml", "README.md", "CONTRIBUTING.md")]
    files += [file for folder in ("scripts", "docs", "requirements", ".github") for file in (ROOT / folder).rglob("*") if file.is_file()]
    files += ROOT.glob("docker-compose*.yml")
    named = {
        address
        for file in files
        if file.suffix not in (".webp", ".pyc")
        for address in re.findall(r"https?://[\w./-]*(?:simple|whl|pypi)[\w./-]*", file.read_text())
    }
    assert named == {"https://download.pytorch.org/whl/cpu"}


def test_the_service_image_installs_what_the_project_needs():
    check_pinned(PROJECT["dependencies"], pins("service.txt", "torch-cpu.txt"))


@pytest.mark.slow
def test_the_service_image_holds_the_client(tmp_path):
    client = tomllib.loads((ROOT / "clients/python/pyproject.toml").read_text())["project"]
    check_pinned(client["dependencies"], pins("service.txt"))
    assert "\n!clients/python/seedlings_client/\n" in (ROOT / ".dockerignore").read_text()
    stage = (ROOT / "Dockerfile").read_text().partition("AS service")[2].partition("\nFROM ")[0]
    for source, target in re.findall(r"^COPY (\S+) (\S+)$", stage, re.MULTILINE):
        shutil.copytree(ROOT / source, tmp_path / target, ignore=shutil.ignore_patterns("__pycache__", "shipped"))
    asked = [sys.executable, "-m", "service", "predict", "--url", "http://127.0.0.1:9", ROOT / "docs/images/page.webp"]
    done = subprocess.run(
        asked,
        cwd=tmp_path,
        env=os.environ | {"PYTHONSAFEPATH": "", "PYTHONPATH": "", "SEEDLINGS_STORE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "does not answer" in done.stderr  # nobody is there, but the client asked


@pytest.mark.parametrize("torch", ["torch-cuda.txt", "torch-cpu-training.txt"])
def test_the_training_image_installs_what_training_needs(torch):
    check_pinned(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["train"], pins("training.txt", torch))


def test_the_service_image_holds_nothing_of_training():
    assert not {"torchvision", "matplotlib", "tensorboard", "lightning-fabric"} & pins("service.txt", "torch-cpu.txt").keys()


@pytest.mark.parametrize("name", ["service.txt", "training.txt", "torch-cuda.txt"])
def test_every_pin_has_hashes(name):
    for block in re.split(r"^(?=[a-z])", (ROOT / "requirements" / name).read_text(), flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in block
