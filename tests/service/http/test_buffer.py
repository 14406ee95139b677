"""Pieces of a body, joined."""

import tracemalloc

import pytest

from service.http.buffer import Buffer


@pytest.mark.parametrize("sizes", [[], [5], [5000], [1, 2, 3], [2000, 1, 1, 3000, 7], [1] * 5000])
def test_gives_back_what_was_written(sizes: list[int]) -> None:
    pieces = [bytes([number % 251]) * size for number, size in enumerate(sizes)]
    buffer = Buffer()
    for piece in pieces:
        buffer.write(piece)
    assert buffer.content() == b"".join(pieces)
    assert buffer.content() == b"".join(pieces)  # as often as it is asked for


def test_many_small_pieces_take_little_more_than_their_length() -> None:
    tracemalloc.start()
    try:
        buffer = Buffer()
        for _ in range(100_000):
            buffer.write(b"ab")
        taken_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken_bytes < 2 * 200_000
