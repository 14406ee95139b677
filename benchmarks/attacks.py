"""Attacks on a running service, one after the other: its probes keep answering and its memory stays bounded.

    python -m benchmarks.attacks                         all; writes benchmarks/results/attacks.json
    python -m benchmarks.attacks --only slow             those whose name has "slow" in it; writes with --out alone

Runs unattended for about half an hour, on a machine that is idle else. It needs 4096 open files (`ulimit -n 4096`), takes as many
as it may, and says so where that is too few.

Every attack runs without a key, on the settings of the image, from another process. `/health` is asked on a connection of its own
every 50 ms meanwhile, and before it: how long that took is the noise of the machine. The port for probes is judged; beside it stands
what the service's own port took, where probes wait in the crowd.
Memory counts beyond what the service held before the attack; what its settings allow, bytes of
bodies and the pixels of images, is no fault.
"""

import argparse
import contextlib
import functools
import multiprocessing
import resource
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks import hostile_images, images, load, results, watch
from benchmarks import hostile_requests as requests
from benchmarks.processes import free_port, ours, running, shipped
from benchmarks.results import Requirement
from models_store.pixels import MAX_PIXELS
from service.inference.decoder import LARGE_PIXELS
from service.settings import Settings

MOST_MS = 100.0  # of a probe
MOST_MIB = 150.0  # beyond what settings allow
EVERY_S = 0.05
SETTLE_S = 1.0
QUIET_S = 2.0  # before an attack
NEEDED_FILES = 4096
TIMEOUT_S = 40.0
DECODE_THREADS = 2
BYTES_A_PIXEL = 16  # while an image is decoded, at most
ALLOWED_PIXELS_MIB = BYTES_A_PIXEL * (MAX_PIXELS + (DECODE_THREADS - 1) * LARGE_PIXELS) / 2**20
ALLOWED_BODIES_MIB = Settings().max_buffered_bytes / 2**20


def status(port: int, pieces: bytes | Iterable[bytes], timeout_s: float = TIMEOUT_S) -> str:
    """Send; the status of the first answer, or what else came."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
        with contextlib.suppress(OSError):  # refused while we send
            for piece in [pieces] if isinstance(pieces, bytes) else pieces:
                connection.sendall(piece)
        answer = connection.recv(4096)
        return answer[9:12].decode() if answer else "closed"
    return "cut off"


def _once(make: Callable[[], bytes | Iterable[bytes]], port: int) -> list[str]:
    return [status(port, make())]


def _together(make: Callable[[], bytes], n: int, port: int) -> list[str]:
    made = make()
    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(lambda _: status(port, made), range(n)))


def _image(make: Callable[[], bytes], n: int, port: int) -> list[str]:
    return _together(lambda: requests.request("/predict", make(), Content_Type="image/*"), n, port)


def _held(first: bytes, n: int, port: int, hold_s: float = 8.0, drip: bytes = b"") -> list[str]:
    """Connections that send something and then neither read nor close, dripping a byte now and then."""
    held: list[socket.socket] = []
    outcome: list[str] = []
    for _ in range(n):
        try:
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(2)
            connection.connect(("127.0.0.1", port))
            held.append(connection)
            connection.sendall(first)
            outcome.append("held")
        except OSError as error:
            outcome.append(type(error).__name__)
    until = time.monotonic() + hold_s
    while time.monotonic() < until:
        time.sleep(1)
        for connection in held if drip else []:
            with contextlib.suppress(OSError):
                connection.send(drip)
    for connection in held:
        connection.close()
    return outcome


def _reconnecting(n: int, port: int, seconds: float = 5.0) -> list[str]:
    """Connections opened and left, as quickly as one process can."""
    until, count = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            count += 1
    return [f"{count // n * n} opened"]


@dataclass(frozen=True)
class Attack:
    """One of them: takes the port, gives what was answered. `allowed_mib` is what the settings let it take."""

    name: str
    run: Callable[[int], list[str]]
    allowed_mib: float = 0.0


def _bodies(name: str, run: Callable[[int], list[str]]) -> Attack:
    return Attack(name, run, ALLOWED_BODIES_MIB)


def _pictures(name: str, make: Callable[[], bytes], n: int = 4) -> Attack:
    return Attack(f"image: {name}", functools.partial(_image, make, n), ALLOWED_PIXELS_MIB + ALLOWED_BODIES_MIB)


def _on_requests() -> list[Attack]:
    once = {
        "json: strings of unequal length": requests.strings_of_unequal_length,
        "json: shape of long numbers": requests.shape_of_long_numbers,
        "json: many dimensions": requests.many_dimensions,
        "json: lists": requests.lists,
        "json: unknown fields": requests.unknown_fields,
        "json: many inputs": requests.many_inputs,
        "json: many strings": requests.many_strings,
        "json: many numbers": requests.many_numbers,
        "json: deep": requests.deep,
        "form: a header of semicolons": requests.part_header_of_semicolons,
        "form: parts of semicolons": requests.parts_of_semicolons,
        "form: many headers": requests.part_of_many_headers,
        "form: many parts": requests.many_parts,
        "form: nearly boundaries": requests.nearly_boundaries,
        "form: long preamble": requests.long_preamble,
        "head: 100 MB": requests.head,
        "head: 100 MB in one header": functools.partial(requests.head, each=100 * requests.MIB),
        "head: many headers": requests.many_headers,
        "head: long path": requests.long_path,
        "chunks: extensions": requests.chunk_extensions,
        "chunks: of one byte": requests.small_chunks,
        "chunks: trailers": requests.trailers,
        "empty lines": requests.empty_lines,
        "pipelining": requests.pipelined,
    }
    partial = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n" + bytes(200_000)
    most_of_a_body = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n" + bytes(19_999_000)
    return [
        *(Attack(name, functools.partial(_once, make)) for name, make in once.items()),
        _bodies("json: eight of lists", functools.partial(_together, requests.lists, 8)),
        _bodies("json: eight of numbers", functools.partial(_together, requests.many_numbers, 8)),
        _bodies("gzip: thirty bombs", functools.partial(_together, requests.zeros, 30)),
        _bodies("gzip: thirty bombs as images", functools.partial(_together, functools.partial(requests.zeros, "/predict"), 30)),
        Attack("pipelining on 100 connections, unread", functools.partial(_held, requests.pipelined(8000), 100)),
        Attack("slow readers of answers", functools.partial(_held, b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 20, 500)),
        Attack("slow heads", functools.partial(_held, b"GET / HTTP/1.1\r\nX-Slow: ", 1500, drip=b"a")),
        Attack("silent connections", functools.partial(_held, b"", 1500)),
        _bodies("slow bodies", functools.partial(_held, partial, 1500, drip=b"a")),
        _bodies("thirteen senders that fill the buffer", functools.partial(_held, most_of_a_body, 13, drip=b"a")),
        Attack("probes by the thousand", functools.partial(_held, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 8, 500)),
        Attack("connections opened and left", functools.partial(_reconnecting, 100)),
    ]


def _on_decoders() -> list[Attack]:
    return [
        _pictures("PNG of text bombs", hostile_images.png_text_bombs),
        _pictures("PNG of a profile bomb", hostile_images.png_profile_bomb),
        _pictures("PNG of many chunks", hostile_images.png_many_chunks),
        _pictures("PNG of the most pixels", hostile_images.png_of_most_pixels, 8),
        _pictures("TIFF of a loop", hostile_images.tiff_of_a_loop),
        _pictures("TIFF of many tags", hostile_images.tiff_of_many_tags),
        _pictures("TIFF of one long tag", hostile_images.tiff_of_one_long_tag),
        _pictures("TIFF of 10,000 frames", functools.partial(hostile_images.animation, "TIFF")),
        _pictures("GIF of 10,000 frames", functools.partial(hostile_images.animation, "GIF")),
        _pictures("WebP of 10,000 frames", functools.partial(hostile_images.animation, "WEBP")),
        _pictures("AVIF of 10,000 frames", functools.partial(hostile_images.animation, "AVIF")),
        _pictures("WebP of large frames", hostile_images.webp_animation_of_large_frames),
        _pictures("TIFF of strips", hostile_images.tiff_of_strips),
        _pictures("BMP of runs", hostile_images.bmp_of_runs),
        _pictures("PNG of EXIF", hostile_images.png_of_exif),
        _pictures("JPEG of EXIF", hostile_images.jpeg_of_exif),
        _pictures("JPEG of 500 scans", hostile_images.jpeg_of_scans),
        _pictures("JPEG of markers", hostile_images.jpeg_of_markers),
        _pictures("JPEG of filler", hostile_images.jpeg_of_filler),
        _pictures("JPEG of profile pieces", hostile_images.jpeg_of_profile_pieces),
    ]


ATTACKS = (*_on_requests(), *_on_decoders())


def run(name: str, port: int) -> list[str]:
    """One attack, by its name: what was answered."""
    (attack,) = [attack for attack in ATTACKS if attack.name == name]
    return attack.run(port)


def suffer(attack: Attack, pid: int, port: int, probe_port: int, other: ProcessPoolExecutor) -> tuple[dict[str, object], Requirement]:
    """Run one attack on `port` and look at the service meanwhile, and a second longer."""
    until = time.monotonic() + QUIET_S
    quiet = watch.health(watch.watch(pid, probe_port, lambda: time.monotonic() < until, EVERY_S))
    work = other.submit(run, attack.name, port)
    ended: list[float] = []

    def goes_on() -> bool:
        if work.done() and not ended:
            ended.append(time.monotonic())
        return not ended or time.monotonic() < ended[0] + SETTLE_S

    with ThreadPoolExecutor(1) as beside:
        crowd = beside.submit(watch.watch, pid, port, goes_on, EVERY_S)
        samples = watch.watch(pid, probe_port, goes_on, EVERY_S)
    answers = Counter(work.result())
    health, in_crowd, memory = watch.health(samples), watch.health(crowd.result()), watch.memory(samples, 0)
    more_mib = memory["most"] - memory["then"]
    said = ", ".join(f"{count} × {answer}" for answer, count in answers.items())
    held = health["most_ms"] <= MOST_MS and not health["not_ready"] and more_mib <= MOST_MIB + attack.allowed_mib
    found = {
        "name": attack.name,
        "seconds": samples[-1].at_s,
        "answers": dict(answers),
        "quiet": quiet,
        "probes": health,
        "probes_of_the_service_port": in_crowd,
        "more_mib": round(more_mib, 1),
    }
    text = (
        f"probes {health['p50_ms']:.0f} ms, at most {health['most_ms']:.0f} (before: {quiet['most_ms']:.0f};"
        f" on the service's port {in_crowd['most_ms']:.0f}); {more_mib:+.0f} MiB; {said}"
    )
    return found, Requirement(attack.name, text, bool(held))


def main() -> int:
    """Run, print what holds, write the file."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.attacks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--artifact", type=Path, help="folder of one version; the newest shipped one by default")
    parser.add_argument("--only", default="", help="attacks whose name has this in it")
    parser.add_argument("--out", type=Path, help="JSON file for the results")
    options = parser.parse_args()
    if options.out is None and not options.only:
        options.out = Path(__file__).parent / "results" / "attacks.json"
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if most != resource.RLIM_INFINITY and most < NEEDED_FILES:
        parser.error(f"only {most} files may be open; raise that to {NEEDED_FILES} (ulimit -n)")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the service is ended with it
    artifact = (options.artifact or shipped()).resolve()
    found, requirements = [], []
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as other:
        for attack in ATTACKS:
            if options.only not in attack.name:
                continue
            port, probe_port = free_port(), free_port()  # a fresh service each, so that none hides behind the memory of another
            with running(
                ours(artifact, port, log_level="error", probe_port=probe_port), port, load.request("/predict", images.small_png())
            ) as pid:
                one, requirement = suffer(attack, pid, port, probe_port, other)
            found.append(one)
            requirements.append(requirement)
            print(f"{'ok  ' if requirement.holds else 'FAIL'} {attack.name}: {requirement.measured}", file=sys.stderr)
    measured_on = {"machine": results.machine(), "artifact": f"{artifact.parent.name}/{artifact.name}"}
    return results.judge(options.out, measured_on | {"attacks": found}, requirements)


if __name__ == "__main__":
    sys.exit(main())
