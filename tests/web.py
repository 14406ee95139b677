"""A web server that has photos, and holds some back until a test lets them go."""

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests import fakes


class Web:
    """Has the photo `colour(i)` at `/i.png`. Those from `held_from` on are answered once `opened` is set."""

    def __init__(self) -> None:
        self.held_from = 10**9
        self.late = False  # whether the photo at `/later` has come
        self.opened = threading.Event()
        self.asked: Counter[int] = Counter()
        self.port = 0

    def url(self, path: object) -> str:
        """Of a photo by its number, or of a path."""
        return f"http://127.0.0.1:{self.port}/{f'{path}.png' if isinstance(path, int) else path}"

    def listed(self, file: Path, count: int) -> Path:
        """A text list of so many photos."""
        file.write_text("".join(f"{self.url(i)}\n" for i in range(count)))
        return file

    @staticmethod
    def colour(number: int) -> tuple[int, int, int]:
        """No two of 200 alike."""
        return (40 + number % 200, 90, 10 + number % 7)


@contextlib.contextmanager
def running() -> Iterator[Web]:
    """A server on a free port."""
    web = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.removeprefix("/")
            if name.removesuffix(".png").isdigit():
                number = int(name.removesuffix(".png"))
                web.asked[number] += 1
                if number >= web.held_from:
                    web.opened.wait(60)
                self.answer(200, fakes.image(web.colour(number)))
            elif name == "endless":
                self.send_response(200)
                self.end_headers()
                with contextlib.suppress(OSError):
                    for _ in range(200):
                        self.wfile.write(b"x" * 65536)
            elif name == "busy-once.png":
                web.asked[-1] += 1
                self.answer(503 if web.asked[-1] == 1 else 200, fakes.image(web.colour(1)))
            elif name == "later" and web.late:
                self.answer(200, fakes.image())
            elif name == "cut":
                self.send_response(200)
                self.send_header("Content-Length", "100")
                self.end_headers()
                self.wfile.write(b"half")
            elif name.startswith("trickle"):  # a head without an end, a byte at a time
                web.asked[-2] += 1
                with contextlib.suppress(OSError):
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                    while not web.opened.wait(0.02):
                        self.wfile.write(b"x")
            elif name == "around":
                self.answer(302, b"", Location="/around")
            elif name.startswith("to/"):
                self.answer(302, b"", Location=name.removeprefix("to/"))
            else:
                self.answer(404, b"none")

        def answer(self, status: int, body: bytes, **headers: str) -> None:
            with contextlib.suppress(OSError):
                self.send_response(status)
                for header, value in headers.items():
                    self.send_header(header, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    web.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield web
    finally:
        web.opened.set()
        server.shutdown()
        server.server_close()
        thread.join()
