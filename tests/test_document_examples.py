"""The code blocks of the documents, run as a reader would: requests against a real service, commands by their real parsers."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from models_store.__main__ import main as store_main
from service.__main__ import main as service_main
from service.answers import Answer
from service.cli.predict import parser as predict_parser
from service.http import openapi_examples
from service.settings import Settings
from tests import fakes
from tests.service.conftest import Running, serve
from training import recipe
from training.__main__ import parser

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "clients").glob("*/*.md"))]
PHOTOS = ("photo.jpg", "photo.png", "one.jpg", "two.jpg", "FOLDER/one.jpg", "new-photos/one.jpg")
NOT_RUN = {  # programs that a test has no use for
    "git": "downloads this repository",
    "cd": "goes into it",
    "docker": "tests/deploy reads its files, make image-test runs them",
    "kubectl": "tests/deploy reads its files",
    "pip": "tests/test_package.py installs the wheel",
    "python3": "tests/edge runs the script of docs/edge.md",
    "seedlings": "tests/test_package.py runs it; predict is run here",
    "pre-commit": "tests/test_package.py compares its hooks",
    ".ci/run": "runs these tests",
    "npm": "tests/clients/test_typescript.py runs it",
    "node": "tests/clients/test_typescript.py runs it",
}


@dataclass(frozen=True)
class Block:
    """A code block."""

    document: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"


def blocks(language: str) -> list[Block]:
    found = []
    for document in DOCUMENTS:
        text = document.read_text()
        matches = re.finditer(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        found += [Block(document, text[: match.start()].count("\n") + 1, match[1]) for match in matches]
    return found


@dataclass(frozen=True)
class Command:
    """A command of a console block, and what it is said to print."""

    block: Block
    text: str
    output: str

    def __str__(self) -> str:
        return f"{self.block}: {self.text[:60]}"

    @property
    def words(self) -> list[str]:
        """The words of the command, without variables that are set for it and without a comment."""
        words = shlex.split(self.text, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words.pop(0)
        return [words[0].removeprefix(".venv/bin/"), *words[1:]]

    def of_module(self, name: str) -> list[str] | None:
        """The arguments, if this runs `python -m name`."""
        words = self.words
        return words[3:] if words[0] == "python" and words[1:3] == ["-m", name] else None


def commands() -> list[Command]:
    found = []
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            text, _, output = part.replace("\\\n", " ").partition("\n")
            found += [Command(block, one.strip(), output) for one in text.split(" && ")]
    return found


COMMANDS = commands()
CURL = [command for command in COMMANDS if command.words[0] == "curl"]
TRAINING = [command for command in COMMANDS if command.of_module("training") is not None]
PREDICT = [command for command in COMMANDS if (command.of_module("service") or command.words[1:])[:1] == ["predict"]]
STORE = [command for command in COMMANDS if command.of_module("models_store") is not None]
MAKE = [command for command in COMMANDS if command.words[0] == "make"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service of a small model that answers with all the fields of a real one."""
    store = tmp_path_factory.mktemp("store")
    fakes.publish(store, fakes.Measured, promise=0.99)
    fakes.publish_segmenter(store, fakes.Middle)
    with serve(Settings.model_validate({"store": store, "threads": 1, "deadline_s": 60})) as running:
        running.wait_ready()
        running.wait_for(lambda: running.services.segmenters.current, "the segmenter is loaded")
        yield running


@pytest.fixture(scope="module")
def of_a_camera() -> bytes:
    """A photo so large that the part lies in it that the documents ask for, and with a position."""
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (47.0, 27.0, 0.0), 3: "E", 4: (8.0, 40.0, 48.0)}
    return fakes.encoded(Image.new("RGB", (3300, 3300), (200, 40, 10)), "JPEG", exif=exif)


@pytest.fixture
def folder(tmp_path: Path, of_a_camera: bytes) -> Path:
    """A folder with the photos that the documents speak of."""
    for name in PHOTOS:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(fakes.image(kind="PNG") if name.endswith("png") else of_a_camera)
    return tmp_path


def run(words: list[str], folder: Path, **variables: str) -> str:
    environ = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "clients" / "python")])} | variables
    done = subprocess.run(words, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def at(service: Running, text: str) -> str:
    """The text with the address of this service."""
    assert "localhost:8000" in text
    return text.replace("localhost:8000", f"127.0.0.1:{service.port}")


def keys(document: object) -> Iterator[str]:
    """All keys of a JSON document, but for the names of species."""
    if isinstance(document, dict):
        yield from document
        for key, value in document.items():
            if key != "probabilities":
                yield from keys(value)
    elif isinstance(document, list):
        for value in document:
            yield from keys(value)


@pytest.mark.parametrize("command", CURL, ids=str)
def test_requests_are_answered_as_shown(command: Command, service: Running, folder: Path) -> None:
    words = shlex.split(at(service, command.text))
    answered = run([words[0], "--silent", "--show-error", "--fail-with-body", *words[1:]], folder)
    if command.output.startswith("{"):
        shown = re.sub(r'"probabilities": \{.*?\}', '"probabilities": {}', command.output, flags=re.DOTALL)
        assert set(re.findall(r'"(\w+)":', shown)) == set(keys(json.loads(answered)))


def test_the_answers_compared_have_every_field(service: Running) -> None:
    """So samples in the documents, which hold what this service answers, lack none that a model of the project answers with."""
    answered = service.client.post("/predict", content=fakes.image()).json()
    assert set(answered) == set(Answer.model_fields) == set(openapi_examples.SCHEMAS["Answer"])


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_runs(block: Block, service: Running, folder: Path) -> None:
    assert "Maize" in run([sys.executable, "-c", at(service, block.text)], folder)


@pytest.mark.parametrize("block", blocks("javascript"), ids=str)
def test_javascript_runs(block: Block, service: Running, folder: Path) -> None:
    if (node := shutil.which("node")) is None:
        pytest.skip("node is not installed")
    assert "Maize" in run([node, "--input-type=module", "--eval", at(service, block.text)], folder)


@pytest.mark.parametrize("command", [command for command in PREDICT if "--out" not in command.words], ids=str)
def test_predict_answers(
    command: Command, service: Running, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = command.of_module("service") or command.words[1:]
    words = words[: words.index(">")] if ">" in words else words
    words = [at(service, word) if "localhost" in word else word for word in words]
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SEEDLINGS_STORE", str(service.services.settings.store))
    monkeypatch.setenv("SEEDLINGS_THREADS", "1")
    monkeypatch.setattr("service.process.memory.keep_freed", lambda: None)  # it is for the rest of the process
    assert service_main(words) == 0
    assert "Maize" in capsys.readouterr().out


@pytest.mark.parametrize("command", [command for command in PREDICT if "--out" in command.words], ids=str)
def test_predict_keeps_archives(command: Command, service: Running, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Object stores and clusters: tests/service/cli/archive."""
    words = command.of_module("service") or command.words[1:]
    options = predict_parser().parse_args(words[1:])
    if "://" in options.out:
        return
    pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'seedlings[archive]'")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SEEDLINGS_STORE", str(service.services.settings.store))
    monkeypatch.setenv("SEEDLINGS_THREADS", "1")
    monkeypatch.setattr("service.process.memory.keep_freed", lambda: None)  # it is for the rest of the process
    assert service_main(words) == 0
    assert b"Maize" in (folder / options.out / "part-000000.parquet").read_bytes()


@pytest.mark.parametrize("command", TRAINING, ids=str)
def test_training_knows_the_command(command: Command) -> None:
    options = parser().parse_args(command.of_module("training"))
    if name := getattr(options, "recipe", None):
        assert recipe.load(name)


@pytest.mark.parametrize("command", MAKE, ids=str)
def test_make_knows_the_target(command: Command) -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = [word for word in command.words[1:] if "=" not in word]
    assert all(re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE) for target in targets)


@pytest.mark.parametrize("command", STORE, ids=lambda command: command.text)
def test_store_commands_run(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for network in (fakes.Shares, fakes.Turned):
        fakes.publish(tmp_path / "models", network)
    monkeypatch.chdir(tmp_path)
    assert store_main(command.of_module("models_store")) == 0


def test_no_command_is_left_unlooked_at() -> None:
    """Each command is run or parsed above, or there is a reason why not."""
    looked_at = {*CURL, *TRAINING, *PREDICT, *STORE, *MAKE}
    starts = [command for command in COMMANDS if command.of_module("service") == []]  # tests/service/test_main.py runs it
    left = [command for command in COMMANDS if command not in looked_at and command not in starts and command.words[0] not in NOT_RUN]
    assert left == []


def test_every_kind_of_block_is_there() -> None:
    assert CURL
    assert TRAINING
    assert PREDICT
    assert STORE
    assert MAKE
    assert blocks("python")
    assert blocks("javascript")
