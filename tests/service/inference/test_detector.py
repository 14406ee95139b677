"""What of a photo the classifier is to see, and that a photo let in is answered whole. The rest is tested with the routes."""

import asyncio
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from service.errors import ModelFailed, QueueFull
from service.inference.decoder import Decoder
from service.inference.detector import PHOTOS_AT_ONCE, DetectionOptions, Detector, cropped
from tests import fakes


@pytest.fixture
def photo():
    """Each pixel says where it lies: its column in red, its row in green."""
    rows, columns = np.indices((100, 200))
    return np.stack([columns, rows, 0 * rows]).astype(np.uint8)


def test_a_square_with_a_margin(photo):
    crop = cropped(photo, (50, 30, 40, 20), 1.0, 52)
    assert crop.shape == (3, 52, 52)
    assert (crop[0, 0, 0], crop[0, 0, -1]) == (44, 95)
    assert (crop[1, 0, 0], crop[1, -1, 0]) == (14, 65)


def test_at_an_edge_it_moves_inside(photo):
    crop = cropped(photo, (190, 90, 10, 10), 1.0, 13)
    assert (crop[0, 0, 0], crop[0, 0, -1]) == (187, 199)
    assert (crop[1, 0, 0], crop[1, -1, 0]) == (87, 99)


def test_one_larger_than_the_photo_repeats_its_edge(photo):
    crop = cropped(photo, (20, 0, 150, 100), 1.0, 195)
    assert (crop[1, 0, 0], crop[1, -1, 0]) == (0, 99)
    assert (crop[1, :40, 50] == 0).all()


def test_a_photo_held_at_half_its_size(photo):
    assert (cropped(photo, (100, 60, 80, 40), 0.5, 52) == cropped(photo, (50, 30, 40, 20), 1.0, 52)).all()


def test_the_photo_as_a_whole_waits_for_room_as_its_plants_do():
    """Others take the places between the photo's admission and its last answer."""
    calls = []

    class Crowded:
        def model(self):
            return SimpleNamespace(size=150)

        async def predict(self, image, model, crop):
            calls.append(crop)
            if len(calls) < 3:
                raise QueueFull("full")
            return "answered"

    empty = tuple(np.zeros((48 // stride, 64 // stride), np.float32) for stride in (1, 4, 16))
    segmenter = SimpleNamespace(manifest=fakes.segmenter_manifest(), segment=lambda *asked: empty, classify=lambda photo, found: found)
    decoder = Decoder(1, 10**6)
    detector = Detector(SimpleNamespace(current=segmenter), Crowded(), decoder, max_queue=2, images_at_once=2, deadline_s=20)  # type: ignore[arg-type]
    detector.start()
    try:
        found = asyncio.run(detector.detect(fakes.image(), DetectionOptions(whole=True)))
    finally:
        detector.close()
        decoder.close()
    assert (found.whole, found.plants, calls) == ("answered", [], [None] * 3)


def test_a_photo_whose_turn_comes_too_late_is_turned_away_before_its_work_begins():
    """Half of the deadline passes while all places in memory are taken."""
    empty = tuple(np.zeros((48 // stride, 64 // stride), np.float32) for stride in (1, 4, 16))
    turned_away = threading.Event()

    def segment(*asked):
        turned_away.wait(60)
        return empty

    segmenter = SimpleNamespace(manifest=fakes.segmenter_manifest(), segment=segment, classify=lambda photo, found: found)
    decoder = Decoder(1, 10**6)
    detector = Detector(SimpleNamespace(current=segmenter), None, decoder, max_queue=9, images_at_once=2, deadline_s=2)  # type: ignore[arg-type]

    async def crowd():
        among = [asyncio.create_task(detector.segment(fakes.image())) for _ in range(PHOTOS_AT_ONCE)]
        await asyncio.sleep(0)  # they go first
        with pytest.raises(QueueFull, match="at once; try again later"):
            await detector.segment(fakes.image())
        turned_away.set()
        return [*await asyncio.gather(*among), await detector.segment(fakes.image())]

    detector.start()
    try:
        assert [found.plants for found in asyncio.run(crowd())] == [[]] * (PHOTOS_AT_ONCE + 1)
    finally:
        turned_away.set()
        detector.close()
        decoder.close()


def test_a_classifier_that_fails_is_reported_as_the_segmenter_is():
    empty = tuple(np.zeros((48 // stride, 64 // stride), np.float32) for stride in (1, 4, 16))

    def classify(photo, found):
        raise ModelFailed("no number")

    segmenter = SimpleNamespace(manifest=fakes.segmenter_manifest(), segment=lambda *asked: empty, classify=classify)
    decoder, reports = Decoder(1, 10**6), []
    given = (SimpleNamespace(current=segmenter), None, decoder)
    detector = Detector(*given, max_queue=2, images_at_once=2, deadline_s=20, on_segmented=reports.append)  # type: ignore[arg-type]
    detector.start()
    try:
        with pytest.raises(ModelFailed):
            asyncio.run(detector.segment(fakes.image()))
    finally:
        detector.close()
        decoder.close()
    assert [len(ran.failures) for ran in reports] == [0, 1]
