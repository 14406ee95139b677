"""The device and the precision of a training."""

import logging

from training.fitting.fabric import make_fabric


def test_bfloat16_is_begun_without_a_word_of_the_library() -> None:
    told: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    logger, handler = logging.getLogger("lightning_fabric"), Handler()
    logger.addHandler(handler)
    try:
        assert make_fabric("cpu", precision="bf16-mixed")._precision.precision == "bf16-mixed"
    finally:
        logger.removeHandler(handler)
    assert told == []
