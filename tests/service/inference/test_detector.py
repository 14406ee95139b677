"""A photo let in is answered whole, and takes its turns. The rest is tested with the routes."""

import asyncio
import contextlib
import gc
import threading
import time
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from models_store.close_up import ALL_TILES, MOST_TILES
from models_store.photo_maps import Maps
from service.errors import DeadlinePassed, ModelFailed, QueueFull
from service.inference.decoder import Decoder
from service.inference.detector import PHOTOS_AT_ONCE, DetectionOptions, Detector
from service.inference.predictor import Models
from service.inference.segmenter import Looking
from tests import fakes


class Segmenter:
    """It sees no plants, unless given other maps. It looks at the photo, and at so many squares from nearer."""

    manifest = fakes.segmenter_manifest()
    maps = tuple(np.zeros((48 // stride, 64 // stride), np.float32) for stride in (1, 4, 16))

    def __init__(self, look=lambda: None, squares=0):
        self.look, self.squares = look, squares
        self.at_once, self.most_at_once = 0, 0

    def in_steps(self, photo, larger, most, time_for):
        squares = self.squares
        self.look()
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        for _ in range(min(most, squares)):
            if not time_for(1):
                break
            yield
            self.look()
        self.at_once -= 1
        return Maps(*self.maps, self.maps[0])

    def classify(self, photo, found):
        return found


class Seeing(Segmenter):
    """It sees squares of so many pixels a side on its map of 64×48."""

    def __init__(self, *sides):
        super().__init__()
        self.plant = np.zeros((48, 64), np.float32)
        for number, side in enumerate(sides):
            self.plant[3:, 3 + 20 * number :][:side, :side] = 1

    def in_steps(self, photo, larger, most, time_for):
        yield
        return Maps(self.plant, *self.maps[1:], self.plant)


@contextlib.contextmanager
def detecting(segmenter, predictor=None, **options):
    decoder = Decoder(1, 10**6)
    options = {"max_queue": 9, "images_at_once": 2, "deadline_s": 20} | options
    detector = Detector(SimpleNamespace(current=segmenter), predictor, decoder, **options)  # type: ignore[arg-type]
    detector.start()
    try:
        yield detector
    finally:
        detector.close()
        decoder.close()


def test_the_photo_as_a_whole_waits_for_room_as_its_plants_do():
    """Others take the places between the photo's admission and its last answer."""
    calls = []

    class Crowded:
        def models(self):
            return Models(SimpleNamespace(size=150), None)

        async def predict(self, image, models, crop):
            calls.append(crop)
            if len(calls) < 3:
                raise QueueFull("full")
            return "answered"

    with detecting(Segmenter(), Crowded(), max_queue=2) as detector:
        found = asyncio.run(detector.detect(fakes.image(), DetectionOptions(whole=True)))
    assert (found.whole, found.plants, calls) == ("answered", [], [None] * 3)


def test_the_photo_as_a_whole_is_answered_within_the_same_deadline():
    class Slow:
        def models(self):
            return Models(SimpleNamespace(size=150), None)

        async def predict(self, image, models, crop):
            await asyncio.sleep(0.7)

    with detecting(Segmenter(lambda: time.sleep(0.7)), Slow(), deadline_s=1) as detector, pytest.raises(DeadlinePassed):
        asyncio.run(detector.detect(fakes.image(), DetectionOptions(whole=True)))


def test_min_side_is_of_the_boxes_that_are_answered():
    """The photo has 3.125 pixels for each of the map, and boxes are in whole ones: of 9 pixels they have 29 a side, not 28.125."""

    async def found(detector, side):
        asked = DetectionOptions(min_side=side)
        return [max(box[2:]) for _, box in (await detector.segment(photo, asked)).plants]

    async def all_sides(detector):
        everything = await found(detector, 0)
        assert everything == [29, 29, 26]
        for side in (26, 26.5, 28.2, 29, 29.5):
            assert await found(detector, side) == [one for one in everything if one >= side], side

    photo = fakes.encoded(Image.new("RGB", (200, 150)))
    with detecting(Seeing(9, 9, 8)) as detector:
        asyncio.run(all_sides(detector))


@pytest.mark.parametrize(
    ("plants", "words"), [(3, "1 s; ask for fewer than these 3 plants by max_plants, or try again later"), (2, "1 s; try again later")]
)
def test_too_many_plants_for_the_deadline_are_said_to_be_too_many(plants, words):
    """Two are named at one time, so that with two no plant waits for others."""

    class Slow:
        def models(self):
            return Models(SimpleNamespace(size=150), None)

        async def predict(self, crop, models, of_part):
            await asyncio.sleep(30)

    with detecting(Seeing(*[9] * plants), Slow(), deadline_s=1) as detector, pytest.raises(DeadlinePassed, match=words):
        asyncio.run(detector.detect(fakes.image()))


def test_a_photo_whose_turn_comes_too_late_is_turned_away_before_its_work_begins():
    """Half of the deadline passes while all places in memory are taken."""
    turned_away = threading.Event()

    async def crowd(detector):
        among = [asyncio.create_task(detector.segment(fakes.image())) for _ in range(PHOTOS_AT_ONCE)]
        await asyncio.sleep(0)  # they go first
        with pytest.raises(QueueFull, match="at once; try again later"):
            await detector.segment(fakes.image())
        turned_away.set()
        return [*await asyncio.gather(*among), await detector.segment(fakes.image())]

    with detecting(Segmenter(lambda: turned_away.wait(60)), deadline_s=2) as detector:
        try:
            assert [found.plants for found in asyncio.run(crowd(detector))] == [[]] * (PHOTOS_AT_ONCE + 1)
        finally:
            turned_away.set()


def test_a_photo_that_is_looked_at_for_long_lets_others_have_their_turns():
    async def both(detector):
        long = asyncio.create_task(detector.segment(fakes.image(), DetectionOptions(fine=True)))
        while not segmenter.at_once:
            await asyncio.sleep(0.01)
        segmenter.squares = 0  # of photos from now on
        await detector.segment(fakes.image())
        assert not long.done()
        return await long

    segmenter = Segmenter(lambda: time.sleep(0.02), squares=100)
    reports = []
    with detecting(segmenter, on_segmented=reports.append) as detector:
        found = asyncio.run(both(detector))
    assert found.segmentation_s >= 101 * 0.02
    assert [len(ran.failures) for ran in reports] == [0, 0]  # each photo once, whatever its turns
    assert reports[1].inference_s == found.segmentation_s > reports[0].inference_s


def test_looks_beyond_the_usual_hold_up_no_other_photo():
    """A look takes 0.03 s, and a turn 0.25 s: the usual ones are two turns, between which another photo could have nine."""
    looks = []

    class Told(Segmenter):
        def in_steps(self, photo, larger, most, time_for):
            steps = super().in_steps(photo, larger, most, time_for)
            while True:
                looks.append(most)
                try:
                    yield next(steps)
                except StopIteration as end:
                    return end.value

    async def both(detector):
        fine = asyncio.create_task(detector.segment(fakes.image(), DetectionOptions(fine=True)))
        while len(looks) <= MOST_TILES + 1:
            await asyncio.sleep(0.01)
        await detector.segment(fakes.image())
        fine.cancel()

    with detecting(Told(lambda: time.sleep(0.03), squares=150)) as detector:
        asyncio.run(both(detector))
    last = len(looks) - looks[::-1].index(MOST_TILES)
    assert looks[looks.index(MOST_TILES) : last].count(ALL_TILES) <= 4


def test_a_photo_that_nobody_waits_for_any_more_is_looked_at_no_longer():
    looks = []

    async def given_up(detector):
        task = asyncio.create_task(detector.segment(fakes.image(), DetectionOptions(fine=True)))
        while not looks:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await detector.segment(fakes.image())  # has its turn after the one that was going on
        before = len(looks)
        await asyncio.sleep(0.5)
        return before

    def look():
        looks.append(time.sleep(0.02))

    segmenter = Segmenter(look, squares=150)
    with detecting(segmenter) as detector:
        before = asyncio.run(given_up(detector))
    assert len(looks) == before < 120  # of 151 and 13


def test_of_photos_that_are_looked_at_finely_one_has_its_turns_at_a_time():
    async def three(detector):
        await asyncio.gather(*(detector.segment(fakes.image(), DetectionOptions(fine=True)) for _ in range(3)))

    segmenter = Segmenter(lambda: time.sleep(0.02), squares=30)
    with detecting(segmenter) as detector:
        asyncio.run(three(detector))
    assert segmenter.most_at_once == 1


def test_what_the_segmenter_is_less_sure_of_is_left_out_before_the_largest_are_taken():
    segmenter = Segmenter()
    plant = segmenter.maps[0].copy()
    plant[4:24, 4:24], plant[30:42, 40:52] = 0.6, 0.9
    segmenter.maps = (plant, *segmenter.maps[1:])
    with detecting(segmenter) as detector:

        def scores(**asked):
            found = asyncio.run(detector.segment(fakes.image(), DetectionOptions(**asked))).plants
            return [round(plant.score, 4) for plant, _ in found]

        assert scores() == [0.6, 0.9]
        assert scores(max_plants=1) == [0.6]
        assert scores(max_plants=1, min_score=0.7) == [0.9]
        assert scores(min_score=0.95) == []


def test_so_much_is_looked_at_from_nearer_that_time_is_left_for_names():
    looks = []

    def look():
        looks.append(time.sleep(0.02))

    with detecting(Segmenter(look, squares=10_000), deadline_s=4) as detector:
        found = asyncio.run(detector.segment(fakes.image(), DetectionOptions(fine=True)))
    assert found.plants == []
    assert 1 + MOST_TILES < len(looks) <= 100


def test_a_photo_between_turns_needs_no_room_in_the_queue():
    """Those that wait for their place in memory have taken all of it."""

    async def crowd(detector):
        async def waiting():
            with contextlib.suppress(QueueFull):
                await detector.segment(fakes.image())

        long = asyncio.create_task(detector.segment(fakes.image(), DetectionOptions(fine=True)))
        while not segmenter.at_once:
            await asyncio.sleep(0.01)
        for _ in range(50):  # they come again and again
            await asyncio.gather(*(waiting() for _ in range(8)))
            if long.done():
                break
            await asyncio.sleep(0.02)
        return await long

    segmenter = Segmenter(lambda: time.sleep(0.02), squares=20)
    with detecting(segmenter, max_queue=2) as detector:
        assert asyncio.run(crowd(detector)).plants == []


def test_a_photo_that_is_given_up_is_let_go_of_at_once():
    looking = Looking(Segmenter(lambda: time.sleep(0.2), squares=10_000), None, None, 100, until=0.0)  # type: ignore[arg-type]
    gone = weakref.ref(looking)
    gc.disable()
    try:
        assert looking.turn() is None
        del looking
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("most", [MOST_TILES, ALL_TILES])
def test_the_first_squares_are_looked_at_whatever_the_time(most):
    looks = []
    looking = Looking(Segmenter(lambda: looks.append(1), squares=10_000), None, None, most, until=0.0)  # type: ignore[arg-type]
    while looking.turn() is None:
        pass
    assert len(looks) == 1 + MOST_TILES


def test_a_classifier_that_fails_is_reported_as_the_segmenter_is():
    class Failing(Segmenter):
        def classify(self, photo, found):
            raise ModelFailed("no number")

    reports = []
    with detecting(Failing(), on_segmented=reports.append) as detector, pytest.raises(ModelFailed):
        asyncio.run(detector.segment(fakes.image()))
    assert [len(ran.failures) for ran in reports] == [0, 1]


@pytest.mark.parametrize("error", [ModelFailed, MemoryError])
def test_a_segmenter_that_fails_is_reported_once(error):
    def look():
        raise error("no number")

    reports = []
    with detecting(Segmenter(look), on_segmented=reports.append) as detector, pytest.raises(error):
        asyncio.run(detector.segment(fakes.image()))
    assert [len(ran.failures) for ran in reports] == [1]
