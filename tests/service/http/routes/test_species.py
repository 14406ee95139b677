"""`GET /species`."""

from models_store import store
from tests import fakes
from tests.service.conftest import Running, Start


def test_lists_the_species_in_order(service: Running) -> None:
    answer = service.client.get("/species").json()
    assert [species["name"] for species in answer["species"]] == list(fakes.NAMES)
    codes = {"scientific_name": None, "eppo_code": None, "kind": None}
    assert answer["species"][2] == codes | {"name": "Charlock", "group": "weed", "recall": 1, "test_images": 1}
    assert answer["model"] == {"name": "seedlings", "version": "1"}
    assert (answer["threshold"], answer["explainable"], answer["training_images"]) == (0.5, False, None)
    assert answer["thresholds"] == {"species": 0.5, "kind": None, "group": None}


def test_tells_whether_plants_are_found(start: Start, publish_in) -> None:
    publish_in()
    service = start(segmenter="seedlings-segmenter")
    service.wait_for(lambda: service.services.segmenters.current, "the segmenter is loaded")
    shipped = store.resolve(store.SHIPPED_STORE, "seedlings-segmenter")
    assert service.client.get("/species").json()["segmenter"] == {"name": "seedlings-segmenter", "version": shipped.name}
    assert start(segmenter="none-such").client.get("/species").json()["segmenter"] is None


def test_needs_a_model(start: Start) -> None:
    service = start(ready=False, model="nothing")
    response = service.client.get("/species")
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
