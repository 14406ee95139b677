"""Load on an HTTP service: clients that cost as little of the machine as they can, closed loop or open loop."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

TIMEOUT_S = 60.0


@dataclass
class Load:
    """What came back."""

    seconds: float = 0.0
    latencies_s: list[float] = field(default_factory=list)  # of the answers with status 200
    statuses: Counter[int] = field(default_factory=Counter)  # 0: the connection failed or nothing came in time

    def summary(self) -> dict[str, float | int | dict[str, int]]:
        """Throughput in answers a second, p50 and p99 in ms, errors."""
        latencies = sorted(self.latencies_s)
        ok = len(latencies)
        return {
            "per_s": round(ok / self.seconds, 2),
            "p50_ms": round(latencies[ok // 2] * 1e3, 2) if ok else 0,
            "p99_ms": round(latencies[min(ok - 1, ok * 99 // 100)] * 1e3, 2) if ok else 0,
            "errors": sum(count for status, count in self.statuses.items() if status not in (200, 429)),
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
        }


def request(path: str, body: bytes, content_type: str = "image/png") -> bytes:
    """The bytes of a POST request on a kept-alive connection."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def form(path: str, name: str, body: bytes) -> bytes:
    """The bytes of a POST request with one part of a form."""
    head = f'--x\r\nContent-Disposition: form-data; name="{name}"; filename="photo"\r\nContent-Type: image/png\r\n\r\n'.encode()
    return request(path, head + body + b"\r\n--x--\r\n", "multipart/form-data; boundary=x")


def closed_loop(port: int, requests: list[bytes], clients: int, seconds: float) -> Load:
    """`clients` connections, each asking again as soon as it was answered."""
    return asyncio.run(_closed(port, requests, clients, seconds))


def open_loop(port: int, requests: list[bytes], per_s: float, connections: int, seconds: float) -> Load:
    """Requests at a steady rate, whatever the answers do; latency counts from when a request was due.

    At most `connections` are in flight: beyond that requests wait for a connection, and the wait counts.
    """
    return asyncio.run(_open(port, requests, per_s, connections, seconds))


async def _closed(port: int, requests: list[bytes], clients: int, seconds: float) -> Load:
    load = Load()
    started = time.monotonic()

    async def client(number: int) -> None:
        connection = _Connection(port)
        turn = number
        while time.monotonic() < started + seconds:
            asked = time.monotonic()
            status = await connection.ask(requests[turn % len(requests)])
            _note(load, status, asked)
            if status == 429:
                await asyncio.sleep(0.05)  # a polite client
            turn += clients
        connection.close()

    await asyncio.gather(*(client(number) for number in range(clients)))
    load.seconds = time.monotonic() - started
    return load


async def _open(port: int, requests: list[bytes], per_s: float, connections: int, seconds: float) -> Load:
    load = Load()
    started = time.monotonic()
    due: asyncio.Queue[float | None] = asyncio.Queue()

    async def client(number: int) -> None:
        connection = _Connection(port)
        turn = number
        while (asked := await due.get()) is not None:
            _note(load, await connection.ask(requests[turn % len(requests)]), asked)
            turn += connections
        connection.close()

    tasks = [asyncio.create_task(client(number)) for number in range(connections)]
    for number in range(int(per_s * seconds)):
        at = started + number / per_s
        if (wait_s := at - time.monotonic()) > 0:
            await asyncio.sleep(wait_s)
        due.put_nowait(at)
    for _ in tasks:
        due.put_nowait(None)
    await asyncio.gather(*tasks)
    load.seconds = time.monotonic() - started
    return load


def _note(load: Load, status: int, asked: float) -> None:
    load.statuses[status] += 1
    if status == 200:
        load.latencies_s.append(time.monotonic() - asked)


class _Connection:
    """One kept-alive connection; opened again when the server closes it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, content: bytes) -> int:
        """The status of the answer; 0 if none came."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._ask(content)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, ValueError):
            self.close()
            return 0

    async def _ask(self, content: bytes) -> int:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=2**20)
        reader, writer = self._streams
        writer.write(content)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head.split(b" ", 2)[1])
        if b"content-length:" in head:
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
        elif b"transfer-encoding: chunked" in head:
            while (size := int(await reader.readuntil(b"\r\n"), 16)) > 0:
                await reader.readexactly(size + 2)
            await reader.readexactly(2)
        if b"connection: close" in head:
            self.close()
        return status

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
