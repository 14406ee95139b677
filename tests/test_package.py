"""The package as others get it: one version, both licences, and a command that works without a clone."""

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from models_store import __version__
from tests import drawn

ROOT = Path(__file__).parents[1]
PACKAGES = ("corrections", "models_store", "service", "training")
BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked as pip would."""
    root = tmp_path_factory.mktemp("package")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, root / "source" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, root / "source")
    subprocess.run([sys.executable, "-c", BUILD, str(root)], cwd=root / "source", check=True, capture_output=True)
    with zipfile.ZipFile(next(root.glob("*.whl"))) as built:
        built.extractall(root / "installed")
    return root / "installed"


def seedlings(wheel: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command `seedlings` as pip's script does, with nothing of the clone in reach."""
    script = "import sys; sys.argv[0] = 'seedlings'; from service.cli.console import main; sys.exit(main())"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SEEDLINGS_")} | {"PYTHONPATH": str(wheel)}
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], cwd=wheel.parent, env=environ, capture_output=True, text=True, check=False
    )


def test_the_wheel_names_both_licences(wheel: Path) -> None:
    (information,) = importlib.metadata.distributions(path=[str(wheel)])
    assert information.version == __version__
    assert information.metadata["License-Expression"] == "Apache-2.0 AND CC-BY-SA-4.0"
    licences = {Path(file).name: file.read_text() for file in information.files or [] if "licenses" in file.parts}
    assert "Apache License" in licences["LICENSE"]
    assert "CC BY-SA 4.0" in licences["NOTICE"]
    assert "2014 Mads Dyrmann" in licences["NOTICE"]


def test_the_wheel_holds_all_that_is_read_at_run_time(wheel: Path) -> None:
    in_clone = {
        str(file.relative_to(ROOT))
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and file.name != "LOG.md"
    }
    in_wheel = {str(file.relative_to(wheel)) for package in PACKAGES for file in (wheel / package).rglob("*") if file.is_file()}
    assert in_wheel == in_clone
    assert {f"{package}/py.typed" for package in PACKAGES} <= in_wheel


@pytest.mark.slow
def test_the_command_answers_a_photo_by_the_shipped_model(wheel: Path, tmp_path: Path) -> None:
    photo = tmp_path / "drawn.png"
    drawn.plant(0, 0).save(photo)
    done = seedlings(wheel, "predict", str(photo), "--format", "json")
    assert done.returncode == 0, done.stderr
    (answer,) = json.loads(done.stdout)
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-4)


@pytest.mark.slow
def test_the_command_reaches_every_package(wheel: Path) -> None:
    assert seedlings(wheel, "--version").stdout.strip() == __version__
    for command, option in (("serve", "--port"), ("predict", "--url"), ("train", "fit"), ("store", "rollback")):
        shown = seedlings(wheel, command, "--help").stdout
        assert shown.startswith(f"usage: seedlings {command} [")
        assert option in shown


@pytest.mark.parametrize("arguments", [[], ["grow"]])
def test_a_wrong_call_names_the_commands(wheel: Path, arguments: list[str]) -> None:
    done = seedlings(wheel, *arguments)
    assert done.returncode == 2
    assert all(command in done.stderr for command in ("predict", "serve", "store", "train"))


def test_deployments_and_changelog_follow_the_version() -> None:
    for file in ("deploy/kserve/inferenceservice.yaml", "deploy/kubernetes/kustomization.yaml"):
        assert re.findall(r"(?:newTag: |seedlings-service:)([\d.]+)", (ROOT / file).read_text()) == [__version__], file
    assert re.findall(r"^## \[([\d.]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0] == __version__


def test_pre_commit_runs_what_make_lint_runs() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    target = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert target is not None
    assert [hook["entry"] for hook in repository["hooks"]] == [
        line.strip().replace("$(BIN)", ".venv/bin") for line in target[1].splitlines()
    ]


def test_ci_runs_on_every_python_that_is_promised() -> None:
    job = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["test"]
    classifiers = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text())
    assert job["strategy"]["matrix"]["python"] == classifiers
    assert job["steps"][-1] == {"run": ".ci/run"}


def test_make_alone_lists_the_targets() -> None:
    listed = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    _, targets = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert re.findall(r"^make ([a-z-]+) ", listed, re.MULTILINE) == targets.split()


def test_make_image_test_needs_an_engine_that_answers_before_it_installs_anything(tmp_path: Path) -> None:
    engine = tmp_path / "docker"  # as it answers while its daemon does not run
    engine.write_text("#!/bin/sh\necho Cannot connect to the Docker daemon >&2\nexit 1\n")
    engine.chmod(0o755)
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "ENGINE": "docker"}
    done = subprocess.run(
        ["make", "--no-print-directory", "image-test"], cwd=ROOT, env=environ, check=False, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stdout == "error: no container engine answers (docker); install podman, or docker and start its daemon\n"


def test_make_train_asks_for_the_images_before_it_installs_anything() -> None:
    environ = {name: value for name, value in os.environ.items() if name != "SEEDLINGS_DATA"}
    done = subprocess.run(["make", "train"], cwd=ROOT, env=environ, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "make train DATA=FOLDER" in done.stdout
