"""Build both images and run them for real: `make image-test`.

The service starts as its own user on a read-only root with an empty volume and answers a photo with the shipped model;
the training image trains on drawn images and publishes into that volume; the service answers with the new model, without
a restart, and leaves in good order on SIGTERM.

Needs podman, which builds with buildah's code, or docker. Environment, all optional:

    ENGINE          podman or docker
    BASE            the base image
    TORCH_INDEX     where the CPU build of torch comes from, besides pip's own find-links
    TRAINING_TORCH  torch-cpu.txt (default), torch-cpu-training.txt or torch-cuda.txt
    STAND_IN        a program that makes a base image where BASE cannot be pulled; it is given the Python to put into it
    SEEDLINGS_DATA  folder of real images; a drawn one is predicted without it
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from models_store import __version__  # noqa: E402  the path comes first
from tests import drawn  # noqa: E402

WHEELS, WORK = ROOT / "build/wheels", ROOT / "build/image-test"
STAND_IN = os.environ.get("STAND_IN")
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
BASE = os.environ.get("BASE", f"docker.io/library/python:{VERSION}-slim")
TRAINING_TORCH = os.environ.get("TRAINING_TORCH", "torch-cpu.txt")
CPU_INDEX = os.environ.get("TORCH_INDEX", "https://download.pytorch.org/whl/cpu")
SERVICE, TRAINING = "seedlings-service", "seedlings-training"
PORT, GRACE_S, READY_S, SWAP_S = 8097, 30, 120, 60
CONFINED = "IMAGE_TEST_CONFINED"


class Failed(Exception):
    """A step did not do what it should; the message says which."""


def main() -> int:
    """All steps in order. Returns the exit status."""
    engine = Engine(chosen_engine())
    try:
        make_base(engine)
        engine.confine_if_need_be()
        download_wheels()
        engine.build("service", SERVICE)
        engine.build("training", TRAINING, f"TRAINING_TORCH={TRAINING_TORCH}")
        with engine.volume("models") as models, engine.volume("runs") as runs:
            check(engine, models, runs)
    except Failed as error:
        print(f"image-test: {error}", file=sys.stderr)
        return 1
    print("image-test: passed")
    return 0


def chosen_engine() -> str:
    """The container engine: the one asked for, else the first one that answers. docker's command answers while its daemon runs."""
    names = [os.environ["ENGINE"]] if os.environ.get("ENGINE") else ["podman", "docker"]
    for name in filter(shutil.which, names):
        if subprocess.run([name, "version"], capture_output=True, check=False).returncode == 0:
            return name
    sys.exit(f"image-test: no container engine answers ({', '.join(names)}); install podman, or docker and start its daemon")


class Engine:
    """podman or docker, as far as this test needs it."""

    def __init__(self, program: str) -> None:
        self.program = program
        self.build_options = ["--isolation", "chroot", "--format", "docker"] if program == "podman" else []
        self.run_options = ["--network", "host", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"]
        self.run_options += ["--security-opt", "no-new-privileges"]
        if CONFINED in os.environ:
            # podman's own limits are higher than a process may set them here
            self.run_options += ["--cgroups", "disabled", "--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096"]
            subprocess.run(["umount", "/sys/fs/cgroup/unified"], stderr=subprocess.DEVNULL, check=False)

    def __call__(self, *arguments: str) -> str:
        return run(self.program, *arguments)

    def confine_if_need_be(self) -> None:
        """Start this test again with no control groups, in mounts of its own, where a container cannot have any."""
        plain = [self.program, "run", "--rm", BASE, "true"]
        if CONFINED in os.environ or self.program != "podman" or subprocess.run(plain, capture_output=True, check=False).returncode == 0:
            return
        said("containers cannot have control groups here: going on without")
        os.environ[CONFINED] = "1"
        os.execvp("unshare", ["unshare", "--mount", sys.executable, *sys.argv])

    def build(self, target: str, tag: str, *build_arguments: str) -> None:
        """Build one target from the wheels alone, with no package index in reach."""
        arguments = [f"BASE={BASE}", f"VERSION={__version__}", "PIP_NO_INDEX=1", *build_arguments]
        started = time.monotonic()
        options = [*self.build_options, "--build-context", f"wheels={WHEELS}", *(f"--build-arg={item}" for item in arguments)]
        self("build", *options, "--target", target, "--tag", tag, str(ROOT))
        size, base = (int(self("image", "inspect", "--format", "{{.Size}}", name)) / 1e6 for name in (tag, BASE))
        said(f"built {tag} in {time.monotonic() - started:.0f} s: {size:.0f} MB, {size - base:.0f} MB of it above its base")

    @contextlib.contextmanager
    def volume(self, name: str) -> Iterator[str]:
        """A new volume's name; the volume goes afterwards."""
        name = f"image-test-{name}-{os.getpid()}"
        self("volume", "create", name)
        try:
            yield name
        finally:
            self("volume", "rm", "--force", name)

    @contextlib.contextmanager
    def running(self, image: str, *options: str) -> Iterator[str]:
        """A container's name, which runs in the background; its log is shown if the block fails."""
        name = f"image-test-{os.getpid()}"
        try:
            self("run", "--detach", "--name", name, *self.run_options, *options, image)
            yield name
        except Failed:
            subprocess.run([self.program, "logs", name], check=False)
            raise
        finally:
            subprocess.run([self.program, "rm", "--force", "--volumes", name], capture_output=True, check=False)


def make_base(engine: Engine) -> None:
    """Have the base image here: it is already, it can be pulled, or a stand-in is made."""
    for arguments in (["image", "inspect", BASE], ["pull", BASE]):
        if subprocess.run([engine.program, *arguments], capture_output=True, check=False).returncode == 0:
            return
    if not STAND_IN:
        raise Failed(f"{BASE} cannot be pulled; name another base image in BASE, or a program that makes one in STAND_IN")
    said(f"{BASE} cannot be pulled: making a stand-in of {sys.base_prefix}")
    run(STAND_IN, str(Path(sys.base_prefix, "bin", f"python{VERSION}")))


def download_wheels() -> None:
    """Fill the folder of wheels as pip is set up here, so that the build needs no network."""
    WHEELS.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(WHEELS)]
    for name in sorted({"torch-cpu.txt", TRAINING_TORCH}):
        index = [] if name == "torch-cuda.txt" else ["--index-url", CPU_INDEX]
        run(*pip, "--retries", "0", *index, "--requirement", f"requirements/{name}")
    for name in ("service.txt", "training.txt"):
        run(*pip, "--require-hashes", "--requirement", f"requirements/{name}")


def check(engine: Engine, models: str, runs: str) -> None:
    """Start, predict, train, predict by what was trained, stop."""
    shutil.rmtree(WORK, ignore_errors=True)
    data = drawn.folder(WORK / "data")
    photo = a_photo()
    started = time.monotonic()
    with engine.running(SERVICE, "--volume", f"{models}:/models:ro", "--env", f"SEEDLINGS_PORT={PORT}") as service:
        ready = until(READY_S, "the service to be ready", lambda: health().get("status") == "ready")
        said(f"ready in {ready - started:.1f} s, with {memory_mb(engine, service):.0f} MB")
        expect(engine("exec", service, "id", "-u").strip() == "10001", "the service runs as user 10001")
        refused = subprocess.run([engine.program, "exec", service, "touch", "/app/x"], capture_output=True, check=False)
        expect(refused.returncode != 0 and b"Read-only" in refused.stderr, "the root file system cannot be written")
        if engine.program == "podman":
            engine("healthcheck", "run", service)
        answer = predict(photo)
        expect(abs(sum(answer["probabilities"].values()) - 1) < 1e-3, "the probabilities sum to 1")
        expect(WORK in photo.parents or answer["species"] == photo.parent.name, f"{photo} is answered rightly")
        said(f"{photo.parent.name} was answered as {answer['species']} ({answer['probability']:.2f}) by the shipped model")
        folder = ["--volume", f"{photo.parent}:/photos:ro"]
        asked = ["python", "-m", "service", "predict", "--url", f"http://127.0.0.1:{PORT}", f"/photos/{photo.name}"]
        told = engine("run", "--rm", *engine.run_options, *folder, SERVICE, *asked)
        expect(answer["species"] in told, "the image's command line asks a service, too")

        mounts = ["--volume", f"{data}:/data:ro", "--volume", f"{runs}:/runs", "--volume", f"{models}:/models"]
        started = time.monotonic()
        for command in (["fit", "--recipe", "smoke"], ["export", "--store", "/models", "--compact"]):
            engine("run", "--rm", *engine.run_options, *mounts, TRAINING, *command, "--data", "/data", "--run", "/runs/smoke")
        said(f"trained and published in {time.monotonic() - started:.0f} s")

        species = {folder.name for folder in data.iterdir()}
        until(SWAP_S, "the published model to answer", lambda: set(predict(photo)["probabilities"]) == species)
        said("the published model answers, without a restart")
        started = time.monotonic()
        engine("stop", "-t", str(GRACE_S), service)
        status = engine("inspect", "--format", "{{.State.ExitCode}}", service).strip()
        expect(status == "0", f"the service leaves with 0 on SIGTERM, not with {status}")
        said(f"left with 0, {time.monotonic() - started:.1f} s after SIGTERM")


def a_photo() -> Path:
    """A photo of maize: a real one where there are any."""
    if folder := os.environ.get("SEEDLINGS_DATA"):
        return min(Path(folder, "Maize").iterdir())
    return min((WORK / "data/Maize").iterdir())


def health() -> dict[str, Any]:
    """What GET /health says; nothing while nobody listens."""
    try:
        return asked("/health")
    except urllib.error.HTTPError as error:
        return dict(json.load(error))
    except OSError:
        return {}


def predict(photo: Path) -> dict[str, Any]:
    """What POST /predict answers to a photo."""
    return asked("/predict", photo.read_bytes())


def asked(path: str, body: bytes | None = None) -> dict[str, Any]:
    """The JSON of an answer."""
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}{path}", body, {"Content-Type": "application/octet-stream"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return dict(json.load(response))


def memory_mb(engine: Engine, container: str) -> float:
    """Resident memory of a container's first process, in MB."""
    pid = engine("inspect", "--format", "{{.State.Pid}}", container).strip()
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024 / 1e6


def until(limit_s: float, what: str, reached: Any) -> float:
    """Wait until `reached()`. Returns the time it was. Raises Failed."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if reached():
            return time.monotonic()
        time.sleep(0.1)
    raise Failed(f"waited {limit_s} s for {what}")


def expect(true: bool, what: str) -> None:
    """Raise Failed unless `true`."""
    if not true:
        raise Failed(f"expected that {what}")


def run(*command: str) -> str:
    """Run a command and return its output. Raises Failed with what it said."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def said(what: str) -> None:
    """One line of progress."""
    print(f"image-test: {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
