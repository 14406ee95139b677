"""The client in TypeScript: types made from a running service's document, held by the strictest compiler, and used."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import fakes
from tests.clients.conftest import KEY
from tests.service.conftest import Running

FOLDER = Path(__file__).parents[2] / "clients" / "typescript"
# Each line is an error of the compiler; were it none, the compiler would say so.
WRONG = """\
import type { components } from "./schema.js";
const answer = {} as components["schemas"]["Answer"];
// @ts-expect-error
export const name = answer.specie;
// @ts-expect-error
export const threshold: number = answer.threshold;
// @ts-expect-error
export const tensor: components["schemas"]["InputTensor"] = { name: "encoded", datatype: "BYTES" };
"""
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the folder with its packages, and the types made from the document of the service."""
    if shutil.which("npm") is None:
        pytest.skip("node and npm are not installed; .ci/run installs them")
    if not (FOLDER / "node_modules").exists():
        pytest.skip(f"the packages are not installed: npm ci --prefix {FOLDER.relative_to(FOLDER.parents[1])}")
    project = tmp_path_factory.mktemp("typescript")
    for file in ("package.json", "tsconfig.json", "predict.ts"):
        shutil.copy(FOLDER / file, project)
    (project / "node_modules").symlink_to(FOLDER / "node_modules")
    run(project, "npm", "run", "--silent", "schema", SEEDLINGS_URL=url)
    (project / "held.ts").write_text(WRONG)
    shutil.copy(Path(__file__).parent / "others.ts", project)
    run(project, "npm", "run", "--silent", "build")  # stops at what is wrong with a type
    return project


def run(project: Path, *words: str, **variables: str) -> list[str]:
    done = subprocess.run(words, cwd=project, env=os.environ | variables, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout.splitlines()


def test_a_strict_client_is_answered(project: Path, url: str) -> None:
    (project / "red.png").write_bytes(fakes.image((200, 40, 10)))
    (project / "green.png").write_bytes(fakes.image((10, 200, 10)))
    lines = run(project, "node", "build/predict.js", url, "red.png", "green.png", SEEDLINGS_API_KEY=KEY)
    assert [line.split()[:2] for line in lines[:2]] == [["red.png", "Maize"], ["green.png", "Sugar"]]
    assert [line.split()[:3] for line in lines[2:4]] == [["batch", "red.png", "Maize"], ["batch", "green.png", "Sugar"]]
    assert lines[4] == "explain image/png Maize"
    assert "species=Maize" in lines[5]
    assert "familiar=true" in lines[5]


def test_every_other_route_is_asked_by_its_types(project: Path, url: str, service: Running) -> None:
    service.wait_for(lambda: service.services.segmenters.current, "the segmenter is loaded")
    (project / "red.png").write_bytes(fakes.image((200, 40, 10)))
    assert run(project, "node", "build/others.js", url, KEY, "red.png") == [
        f"{fakes.SIZE} Maize 1 image/jpeg",
        "true 1 image/png rejected 204",
        "3 ready true",
        "true 2 probabilities",
    ]


def test_a_refusal_is_told(project: Path, url: str) -> None:
    (project / "notes.txt").write_text("no photo")
    with pytest.raises(AssertionError, match="415"):
        run(project, "node", "build/predict.js", url, "notes.txt", SEEDLINGS_API_KEY=KEY)
