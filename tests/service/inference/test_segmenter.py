"""A loaded segmenter: what it says of parts, and what becomes of one that fails."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from models_store import store
from models_store.plants import Plant
from models_store.store import ArtifactCorrupt
from service.errors import ModelFailed
from service.inference import engine
from service.inference.runtimes.choice import Chosen
from service.inference.segmenter import Segmenter
from service.settings import Settings
from tests import fakes


def loaded(root: Path, network: type[nn.Module], *, clump: float | None = None) -> Segmenter:
    settings = Settings(store=root, threads=1, device="cpu")
    return engine.load_segmenter(store.open_segmenter(fakes.publish_segmenter(root, network, clump=clump)), settings)


def test_each_part_is_classified(tmp_path: Path) -> None:
    segmenter = loaded(tmp_path, fakes.Telling, clump=0.5)
    photo = np.zeros((3, 64, 1280), np.uint8)
    photo[1] = 100
    arch = np.ones((30, 30), bool)
    arch[4:, 5:25] = False  # its middle is ground
    expected = [number % 3 == 0 for number in range(40)]  # more than are looked at together
    for number, several in enumerate(expected):
        photo[2 if several else 0, 20:50, 32 * number : 32 * number + 30] = 120
    found = [Plant(32 * number, 20, arch, clump=number % 2 == 0) for number in range(40)]
    assert [plant.clump for plant in segmenter.classify(photo, found)] == expected
    assert segmenter.classify(photo, []) == []
    small = [Plant(0, 0, np.ones((7, 7), bool), clump=True), *found]
    assert [plant.clump for plant in segmenter.classify(photo, small)] == [True, *expected]  # one that is too small stays as it was
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda _: segmenter.classify(photo, found), range(8)))
    assert all([plant.clump for plant in plants] == expected for plants in together)
    assert loaded(tmp_path, fakes.Green).classify(photo, found) == found


def test_a_classifier_that_is_not_there_or_fails_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactCorrupt, match="says that it can tell clumps, its model cannot; export it again"):
        loaded(tmp_path, fakes.Green, clump=0.5)
    with pytest.raises(ArtifactCorrupt, match="gives no probability for each part; export it again"):
        loaded(tmp_path, fakes.Unsure, clump=0.5)


def failing(_: np.ndarray, alone: bool) -> tuple[np.ndarray, ...]:
    raise RuntimeError("out of memory")


@pytest.mark.parametrize(
    ("classifier", "message"),
    [
        (failing, "raised an error"),
        (lambda parts, alone: (np.full(len(parts), np.nan, np.float32),), "gives no probability for each part"),
        (lambda parts, alone: (np.zeros(1, np.float32),), "gives no probability for each part"),
    ],
)
def test_a_classifier_that_fails_later_fails_the_photo(classifier, message: str) -> None:
    chosen = Chosen("torchscript", lambda images, alone: ())
    segmenter = Segmenter(fakes.segmenter_manifest(clump=0.5), chosen, classifier)
    with pytest.raises(ModelFailed, match=message):
        segmenter.classify(np.zeros((3, 64, 64), np.uint8), [Plant(0, 0, np.ones((9, 9), bool), clump=False)])


def test_what_comes_with_the_project_classifies_by_any_runtime() -> None:
    """Two discs that touch, and one by itself: whatever it says of them, it says the same by each runtime."""
    opened = [store.open_segmenter(store.resolve(store.SHIPPED_STORE, fakes.SEGMENTER)) for _ in range(2)]
    photo = np.ascontiguousarray(np.asarray(fakes.field([(150, 200, 40), (225, 200, 40), (400, 200, 40)])).transpose(2, 0, 1))
    masks = [np.zeros((90, 160), bool), np.zeros((90, 90), bool)]
    for mask, middles in zip(masks, ((42, 117), (42,)), strict=True):
        rows, columns = np.indices(mask.shape)
        for x in middles:
            mask |= (rows - 42) ** 2 + (columns - x) ** 2 <= 1600
    found = [Plant(108, 158, masks[0], clump=False), Plant(358, 158, masks[1], clump=True)]
    given = [
        engine.load_segmenter(one, Settings(threads=1, device="cpu", runtime=runtime))
        for one, runtime in zip(opened, ("torchscript", "onnxruntime"), strict=True)
    ]
    assert [segmenter.runtime for segmenter in given] == ["torchscript", "onnxruntime"]
    classified = [[plant.clump for plant in segmenter.classify(photo, found)] for segmenter in given]
    assert classified[0] == classified[1]
