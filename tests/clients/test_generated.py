"""openapi-python-client, unchanged and unconfigured, makes a client from a running service's document that works on all routes."""

import importlib
import io
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import httpx
import pytest

from tests import fakes
from tests.clients.conftest import KEY
from tests.service.conftest import Running

pytestmark = pytest.mark.slow
NAME = "seedlings_generated"
RED = (200, 40, 10)


@pytest.fixture(scope="module")
def generated(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The package made from the document of the service."""
    root = tmp_path_factory.mktemp("generated")
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--url", f"{url}/openapi.json", "--meta", "none"]
    done = subprocess.run([*command, "--output-path", str(root / NAME)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    sys.path.insert(0, str(root))
    try:
        yield importlib.import_module(NAME)
    finally:
        sys.path.remove(str(root))
        for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
            del sys.modules[name]


@pytest.fixture(scope="module")
def client(generated: ModuleType, url: str) -> Iterator[Any]:
    with generated.AuthenticatedClient(base_url=url, token=KEY, raise_on_unexpected_status=True) as client:
        yield client


@pytest.fixture(scope="module")
def routes(generated: ModuleType) -> dict[str, ModuleType]:
    """All modules of routes by their names. Each of them is imported."""
    modules = [importlib.import_module(found.name) for found in pkgutil.walk_packages(generated.__path__, f"{NAME}.")]
    return {one.__name__.rpartition(".")[2]: one for one in modules if hasattr(one, "sync_detailed")}


def photo(generated: ModuleType) -> Any:
    return generated.types.File(io.BytesIO(fakes.image(RED)), "red.png", "image/png")


def test_every_route_is_there(routes: dict[str, ModuleType], service: Running) -> None:
    document = httpx.get(f"http://127.0.0.1:{service.port}/openapi.json").json()
    assert set(routes) == {operation["operationId"] for methods in document["paths"].values() for operation in methods.values()}


def test_predicts_from_a_form_and_from_bytes(client: Any, routes: dict[str, ModuleType], generated: ModuleType) -> None:
    form = generated.models.PredictFilesBody(file=photo(generated))
    for body in (form, photo(generated)):
        answer = routes["predict"].sync(client=client, body=body, top_k=1)
        assert (answer.species, answer.familiar, len(answer.probabilities.additional_properties)) == ("Maize", True, 1)
    refused = routes["predict"].sync(client=client, body=generated.types.File(io.BytesIO(b"no photo")))
    assert (type(refused).__name__, refused.status) == ("Problem", 415)


def test_predicts_a_batch(client: Any, routes: dict[str, ModuleType], generated: ModuleType) -> None:
    files = [photo(generated), generated.types.File(io.BytesIO(b"no photo"), "broken.png")]
    batch = routes["predict_batch"].sync(client=client, body=generated.models.PredictBatchBody(files=files))
    good, bad = batch.results
    assert (good.file, good.prediction.species) == ("red.png", "Maize")
    assert (bad.file, bad.problem.status) == ("broken.png", 415)


def test_finds_plants(client: Any, routes: dict[str, ModuleType], generated: ModuleType, service: Running) -> None:
    service.wait_for(lambda: service.services.segmenters.current, "the segmenter is loaded")
    models, image = generated.models, fakes.encoded(fakes.field([(100, 90, 40)]))

    def row() -> Any:
        return generated.types.File(io.BytesIO(image), "row.png", "image/png")

    for body in (models.DetectFilesBody(file=row()), row()):
        found = routes["detect"].sync(client=client, body=body, masks=models.DetectMasks.RLE, prediction="auto", max_plants=5)
        assert (found.width, found.height, found.prediction.model.name) == (512, 384, "seedlings")
        assert all(plant.segmentation.size == [384, 512] for plant in found.plants)
    good, bad = routes["detect_batch"].sync(client=client, body=models.DetectBatchBody(files=[row(), photo(generated)])).results
    assert (good.file, good.detection.width, bad.file, bad.detection.width) == ("row.png", 512, "red.png", fakes.SIZE)
    assert routes["detect_overlay"].sync(client=client, body=models.DetectOverlayFilesBody(file=row())).payload.read(2) == b"\xff\xd8"


def test_corrections(client: Any, routes: dict[str, ModuleType], generated: ModuleType) -> None:
    models = generated.models
    assert routes["keeping_of_photos"].sync(client=client).kept
    kept = routes["correct"].sync(client=client, body=models.CorrectBody(file=photo(generated), species="Charlock", note="by the gate"))
    assert [one.id for one in routes["waiting"].sync(client=client).corrections] == [kept.id]
    assert routes["photo_of_correction"].sync(kept.id, client=client).payload.read().startswith(b"\x89PNG")
    decision = models.ReviewDecision(decision=models.ReviewDecisionDecision.ACCEPT, version=kept.version, reviewer="Ada")
    decided = routes["review"].sync(kept.id, client=client, body=decision)
    assert (decided.species, decided.reviewer) == ("Charlock", "Ada")
    assert routes["remove_correction"].sync_detailed(kept.id, client=client).status_code == 204


def test_a_heat_map_arrives(client: Any, routes: dict[str, ModuleType], generated: ModuleType) -> None:
    for body in (photo(generated), generated.models.ExplainFilesBody(file=photo(generated))):
        found = routes["explain"].sync(client=client, body=body, species="Sugar beet")
        assert found.payload.read().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["species", "health", "ready", "live", "metrics", "server_metadata", "server_live", "server_ready"])
def test_routes_without_a_body(client: Any, routes: dict[str, ModuleType], name: str) -> None:
    response = routes[name].sync_detailed(client=client)
    assert response.status_code == 200
    assert response.parsed is not None


@pytest.mark.parametrize("version", [(), ("1",)])
def test_the_open_inference_protocol(client: Any, routes: dict[str, ModuleType], generated: ModuleType, version: tuple[str, ...]) -> None:
    suffix, models = "_of_version" if version else "", generated.models
    described = routes[f"model_metadata{suffix}"].sync("seedlings", *version, client=client)
    assert [one.name for one in described.outputs] == [
        *("probabilities", "species", "confident", "answer", "answer_rank", "answer_probability", "familiar", "ood_score")
    ]
    assert routes[f"model_ready{suffix}"].sync("seedlings", *version, client=client).ready
    pixels = [value for value in RED for _ in range(fakes.SIZE**2)]
    tensor = models.InputTensor(name="images", shape=[1, 3, fakes.SIZE, fakes.SIZE], datatype="UINT8", data=pixels)
    answered = routes[f"infer{suffix}"].sync("seedlings", *version, client=client, body=models.InferRequest(inputs=[tensor]))
    assert {one.name: one.data for one in answered.outputs}["species"] == ["Maize"]


def test_a_binary_request(client: Any, routes: dict[str, ModuleType], generated: ModuleType) -> None:
    image = fakes.image(RED)
    size = len(image) + 4
    header = (
        f'{{"inputs": [{{"name": "encoded", "shape": [1], "datatype": "BYTES", "parameters": {{"binary_data_size": {size}}}}}]}}'.encode()
    )
    body = generated.types.File(io.BytesIO(header + len(image).to_bytes(4, "little") + image))
    answered = routes["infer"].sync("seedlings", client=client, body=body, inference_header_content_length=len(header))
    assert {one.name: one.data for one in answered.outputs}["species"] == ["Maize"]
