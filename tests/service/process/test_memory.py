"""How the process holds its memory."""

import gc
from pathlib import Path

import pytest

from service.process import memory


class Loop:
    """Refers to itself, so that only a collection frees it."""

    def __init__(self) -> None:
        self.itself = self


def test_what_settled_is_not_looked_through_and_what_comes_later_is() -> None:
    gc.collect()
    before = len(gc.get_objects())
    try:
        memory.settle()
        assert len(gc.get_objects()) < before / 10
        Loop()
        memory.give_back()
        assert not any(isinstance(one, Loop) for one in gc.get_objects())
    finally:
        gc.unfreeze()


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({}, None),
        ({"memory.max": "max\n"}, None),
        ({"memory.max": "1073741824\n"}, 2**30),
        ({"memory/memory.limit_in_bytes": "536870912\n"}, 2**29),
    ],
)
def test_memory_is_that_of_the_container(tmp_path: Path, files: dict[str, str], limit: int | None) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert memory.limit_bytes(tmp_path) == limit
