"""Names in blocks."""

import hashlib
import os
import tracemalloc

import pytest

from service.cli.archive.photos import Photos, TooManyPhotos


def test_blocks_hold_the_names_in_order() -> None:
    photos = Photos(block=3)
    names = ["a.jpg", "b\nc.jpg", "é.jpg", os.fsdecode(b"latin\xe9.jpg"), "s3://bucket/key.jpg"]
    for name in names:
        photos.add(name)
    assert (len(photos), photos.blocks, photos.size(0), photos.size(1)) == (5, 2, 3, 2)
    assert photos.block(0) + photos.block(1) == names
    assert photos.sha256() == hashlib.sha256(b"".join(os.fsencode(name) + b"\0" for name in names)).hexdigest()


def test_a_whole_last_block_and_none() -> None:
    photos = Photos(block=2)
    assert photos.blocks == 0
    photos.add("a")
    photos.add("b")
    assert (photos.blocks, photos.block(0), photos.size(0)) == (1, ["a", "b"], 2)


def test_there_is_a_most() -> None:
    photos = Photos(block=2, most=1)
    photos.add("a")
    with pytest.raises(TooManyPhotos, match="more than 1 photos; share them"):
        photos.add("b")


def test_a_name_takes_little_more_than_its_bytes() -> None:
    tracemalloc.start()
    try:
        photos = Photos(block=256)
        for number in range(50_000):
            photos.add(f"s3://bucket/2026/field-7/photo-{number:08}.jpg")
        assert tracemalloc.get_traced_memory()[0] < 50_000 * 45 * 1.3
    finally:
        tracemalloc.stop()
