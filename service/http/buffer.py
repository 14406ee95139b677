"""Bytes that arrive in pieces."""

_SMALL_BYTES = 1024


class Buffer:
    """Holds pieces as they came and joins them once: they are copied once, and never moved while they grow in number."""

    def __init__(self) -> None:
        self._pieces: list[bytes | bytearray] = []

    def write(self, piece: bytes) -> None:
        """The next piece. Small ones are put together: each by itself would take many times its length."""
        if len(piece) >= _SMALL_BYTES:
            self._pieces.append(piece)
        elif self._pieces and isinstance(tail := self._pieces[-1], bytearray) and len(tail) < _SMALL_BYTES:
            tail += piece
        else:
            self._pieces.append(bytearray(piece))

    def content(self) -> bytes:
        """All of them."""
        if len(self._pieces) != 1 or not isinstance(self._pieces[0], bytes):
            self._pieces = [b"".join(self._pieces)]
        content = self._pieces[0]
        assert isinstance(content, bytes)
        return content
