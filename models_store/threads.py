"""How the threads of a network wait for work."""

from collections.abc import MutableMapping


def let_sleep(environ: MutableMapping[str, str]) -> None:
    """Have OpenMP's threads sleep, not spin, while they wait for work; to be called before torch is loaded.

    Spinning takes a core from whatever else wants it, and all threads of a layer wait for the one that has none. In the service it cost
    3% of the answers at 16 clients. In training beside other programs an epoch took over ten times as long.
    """
    environ.setdefault("GOMP_SPINCOUNT", "0")
