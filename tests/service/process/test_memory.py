"""How the process holds its memory."""

import gc

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
