"""A command that is interrupted while it asks about photos."""

import signal

import pytest


def interrupted_after(photos: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Has Ctrl-C pressed once so many photos are done. What is returned holds then where signals are told of beside Python: -1, nowhere."""
    done, watched = 0, list[int]()

    def step(*_: object) -> None:
        nonlocal done
        done += 1
        if done == photos:
            watched.append(signal.set_wakeup_fd(-1))
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("service.cli.progress.Progress.step", step)
    return watched
