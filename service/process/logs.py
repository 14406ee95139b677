"""Logs for people or for machines, each line with the id of the request it belongs to. No image content is ever logged."""

import contextvars
import datetime
import json
import logging
import re
import sys
import uuid
import warnings
from typing import Any, Literal

request_id: contextvars.ContextVar[str | None] = contextvars.ContextVar("request_id", default=None)
_PLAIN = re.compile(r'[^\s"=]+')  # a value that needs no quotes
_GIVEN = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")  # what a caller may name a request: nothing that could forge a line


def accept_id(given: str | None) -> str:
    """The caller's request id where it is fit for a log, else a new one."""
    return given if given and _GIVEN.fullmatch(given) else uuid.uuid4().hex


def configure(style: Literal["human", "json"], level: str) -> None:
    """Send all logs of this process to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if style == "json" else _Human())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    quiet_libraries()


def quiet_libraries() -> None:
    """Keep from the log, and from a terminal, what libraries say of a broken image or form, or of their own future."""
    # What these say of a broken image or form goes to its sender; here it would let callers fill the log.
    for library in ("PIL", "python_multipart"):
        logging.getLogger(library).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module=r"PIL\.")
    # TorchScript is the artifacts' format for now. Filters hold for all threads: so they are set here, and never where a model is loaded.
    for category in (FutureWarning, DeprecationWarning):
        warnings.filterwarnings("ignore", r".*(torch\.jit|TorchScript)", category)


class _Human(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 – the base class names it so
        line = super().formatMessage(record)
        fields = getattr(record, "fields", None) or {}
        line += "".join(f" {name}={_field(value)}" for name, value in fields.items())
        current = request_id.get()
        return _escaped(f"{line} request_id={current}" if current else line)

    def formatException(self, ei: Any) -> str:  # noqa: N802
        # Its message may hold what a caller sent: indented, none of its lines can pass for one of the log.
        return "\n".join("    " + _escaped(line) for line in super().formatException(ei).split("\n"))


def _escaped(text: str) -> str:
    """Without what could end a line, move a terminal's cursor or turn its direction."""
    return text if text.isprintable() else "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _field(value: object) -> str:
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        time = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        entry: dict[str, Any] = {
            "time": time.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if current := request_id.get():
            entry["request_id"] = current
        entry |= getattr(record, "fields", None) or {}
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)  # as ASCII: a terminal obeys other control characters, too
