"""What was set by whoever started the program is left as it is."""

from models_store import threads


def test_threads_sleep_unless_somebody_says_otherwise() -> None:
    unset: dict[str, str] = {}
    threads.let_sleep(unset)
    assert unset == {"GOMP_SPINCOUNT": "0"}
    given = {"GOMP_SPINCOUNT": "7"}
    threads.let_sleep(given)
    assert given == {"GOMP_SPINCOUNT": "7"}
