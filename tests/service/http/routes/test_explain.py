"""`POST /explain`: the heat map lies where it should."""

import asyncio
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models_store import pixels, store
from service.inference import engine, saliency
from service.inference.decoder import DecodedSquare, Decoder
from tests import fakes
from tests.service.conftest import Running, Start


@pytest.fixture(scope="module")
def halves(module_service: Start) -> Running:
    return module_service(network=fakes.Halves)


def red_and_green() -> bytes:
    """Red on the left, green on the right."""
    image = Image.new("RGB", (64, 64), (220, 0, 0))
    image.paste((0, 200, 0), (32, 0, 64, 64))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def picture(content: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(content))
    assert (image.format, image.size) == ("PNG", (saliency.SIDE, saliency.SIDE))
    return np.asarray(image).astype(int)


@pytest.mark.parametrize(
    ("species", "name", "hot"), [(None, "Maize", "left"), ("Maize", "Maize", "left"), ("Sugar beet", "Sugar%20beet", "right")]
)
def test_glows_where_the_species_is(halves: Running, species: str | None, name: str, hot: str) -> None:
    response = halves.client.post("/explain", params={"species": species} if species else {}, content=red_and_green())
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/png"
    assert response.headers["x-species"] == name
    glow = picture(response.content).sum(axis=2)  # the hotter, the lighter
    left, right = glow[:, :150].mean(), glow[:, -150:].mean()
    assert (left > right + 50) if hot == "left" else (right > left + 50)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"content": b""}, 400),
        ({"content": fakes.image(), "params": {"species": "Oak"}}, 400),
        ({"content": b"hello"}, 415),
        ({"content": fakes.image()[:-30]}, 422),
    ],
    ids=["empty", "unknown species", "no image", "truncated"],
)
def test_refuses(halves: Running, request_: dict, status: int) -> None:
    response = halves.client.post("/explain", **request_)
    assert response.status_code == status, response.text
    assert response.json()["status"] == status
    assert halves.client.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("accept", "kind"),
    [("*/*", "image/png"), ("application/octet-stream", "application/octet-stream"), ("image/png, application/octet-stream", "image/png")],
)
def test_the_picture_may_be_typed_as_bytes(halves: Running, accept: str, kind: str) -> None:
    response = halves.client.post("/explain", content=fakes.image(), headers={"Accept": accept})
    assert (response.headers["content-type"], response.content[:4]) == (kind, b"\x89PNG")


@pytest.mark.parametrize("accept", ["application/json", "image/png;q=0.5, application/json", "text/html, application/json;q=0.1"])
def test_as_numbers(halves: Running, accept: str) -> None:
    stream = io.BytesIO()
    wide = Image.new("RGB", (96, 64), "black")
    wide.paste(Image.open(io.BytesIO(red_and_green())), (32, 0))
    wide.save(stream, "PNG")
    response = halves.client.post("/explain", params={"crop": "32,0,64,64"}, content=stream.getvalue(), headers={"Accept": accept})
    assert response.status_code == 200, response.text
    heat = response.json()
    assert (heat["species"], heat["crop"], heat["model"]) == ("Maize", [32, 0, 64, 64], {"name": "seedlings", "version": "1"})
    values = np.array(heat["heat_map"])
    assert list(values.shape) == heat["shape"] == [4, 4]
    assert values[:, 0] == pytest.approx(1)  # red on the left, as in the picture
    assert values[:, 2:].max() < 0.1
    assert heat["probability"] == halves.client.post("/predict?crop=32,0,64,64", content=stream.getvalue()).json()["probability"]


@pytest.mark.parametrize("accept", ["", "image/png, application/json", "application/json;q=0", "application/json;q=x", "text/html"])
def test_a_picture_unless_numbers_are_asked_for(halves: Running, accept: str) -> None:
    response = halves.client.post("/explain", content=red_and_green(), headers={"Accept": accept})
    assert response.headers["content-type"] == "image/png"


def test_the_picture_is_of_the_crop(halves: Running) -> None:
    left = halves.client.post("/explain?crop=0,0,26,26&species=Maize", content=red_and_green())
    assert left.status_code == 200, left.text
    assert np.ptp(picture(left.content), axis=(0, 1)).max() < 10  # red alone, all of which spoke for it
    outside = halves.client.post("/explain?crop=40,0,32,32", content=red_and_green())
    assert (outside.status_code, outside.json()["type"]) == (400, "urn:seedlings:malformed-request")


def test_the_picture_too_is_there_within_the_deadline_or_not_at_all(start: Start, publish_in, monkeypatch: pytest.MonkeyPatch) -> None:
    decode = Decoder.decode

    async def slow(self: Decoder, body: bytes, size: int, crop: pixels.Crop | None = None) -> DecodedSquare:
        if size == saliency.SIDE:
            await asyncio.sleep(30)
        return await decode(self, body, size, crop)

    monkeypatch.setattr(Decoder, "decode", slow)
    publish_in(fakes.Halves)
    service = start(deadline_s=2)
    assert service.client.post("/explain", content=fakes.image(), headers={"Accept": "application/json"}).status_code == 200
    assert service.client.post("/explain", content=fakes.image()).status_code == 504


def test_an_artifact_without_halves_is_no_failure(service: Running) -> None:
    response = service.client.post("/explain", content=fakes.image())
    assert response.status_code == 409
    assert response.json()["type"] == "urn:seedlings:not-explainable"
    assert service.client.get("/health").status_code == 200


@pytest.mark.slow
def test_points_at_the_plant(real_images: Path) -> None:
    """On real images, more of the heat's mass lies on green pixels than a uniform map has."""
    if not (versions := store.versions(store.SHIPPED_STORE, "seedlings")):
        pytest.skip("no model is shipped yet")
    opened = store.open_artifact(store.SHIPPED_STORE / "seedlings" / str(versions[-1]))
    model = engine.load(opened, device="cpu", threads=1, batch_size=1)
    assert model.explainable
    on_plant, plant = [], []
    for folder in sorted(entry for entry in real_images.iterdir() if entry.is_dir()):
        for file in sorted(folder.iterdir())[:4]:
            image = pixels.decode(file, model.size)
            best = int(model.predict_batch(image[None]).probabilities.argmax())
            heat = np.asarray(Image.fromarray(model.saliency(image[None], [best])[0]).resize(image.shape[1:], Image.Resampling.BILINEAR))
            red, green, blue = image.astype(float)
            mask = 2 * green - red - blue > 30  # "excess green", the usual mask of vegetation
            if 0.02 < mask.mean() < 0.9 and heat.sum() > 0:
                on_plant.append(heat[mask].sum() / heat.sum())
                plant.append(mask.mean())
    assert len(plant) >= 20
    ratio = np.array(on_plant) / np.array(plant)
    assert np.median(ratio) > 1.3, f"median {np.median(ratio):.2f}× a uniform map, on {len(plant)} images"
    assert np.mean(ratio > 1) > 0.8
