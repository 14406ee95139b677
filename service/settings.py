"""The settings, and the only place that reads environment variables: `SEEDLINGS_<NAME>`, each with a default for a laptop."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from models_store.pixels import MAX_PIXELS
from models_store.store import SHIPPED_STORE
from service.process import cores

PREFIX = "SEEDLINGS_"


class BadSetting(ValueError):
    """A setting has a value that cannot be; the message names the variable."""


def _listed(value: object) -> object:
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


def _prefix(path: str) -> str:
    path = path.rstrip("/")
    if path and not re.fullmatch(r"(/[\w.~%-]+)+", path, re.ASCII):
        raise ValueError("a path begins with / and has neither ? nor # in it, such as /seedlings")
    return path


class Settings(BaseModel):
    """Everything that can be set. Built once by `from_environment` and handed down."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 for all")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on")
    workers: int = Field(1, ge=1, description="processes; each loads the model. Prefer more containers")
    store: Path = Field(SHIPPED_STORE, description="folder of models; while it holds none, the shipped one is served")
    model: str = Field("seedlings", description="the model's name in the store")
    version: int | None = Field(None, ge=1, description="serve this version only; empty: the newest, also when it appears later")
    poll_s: float = Field(2.0, gt=0, description="seconds between two looks for a new version")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto, cpu or cuda")
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="float32, or bfloat16: quicker on CPUs that compute in it, answers rounded to about 0.01"
    )
    threads: int | None = Field(
        None, ge=1, description="threads of the inference; empty: the cores of this container, shared by the workers"
    )
    decode_threads: int | None = Field(None, ge=1, description="threads that decode images; empty: as many as threads")
    max_batch: int = Field(16, ge=1, le=256, description="most images in forward passes at one time")
    batch_wait_s: float = Field(0.02, ge=0, le=1, description="longest wait for images that are still being decoded; none when idle")
    max_queue: int = Field(64, ge=1, description="images admitted and not yet in a forward pass; more are answered 429")
    deadline_s: float = Field(10.0, gt=0, description="longest time from a whole request to its answer")
    max_body_bytes: int = Field(20 * 2**20, ge=1, description="longest request body")
    max_pixels: int = Field(MAX_PIXELS, ge=64, description="most pixels of an image, checked before they are allocated")
    max_buffered_bytes: int = Field(256 * 2**20, ge=1, description="most bytes of request bodies held at one time; more are answered 429")
    upload_timeout_s: float = Field(30.0, gt=0, description="longest time for a request body to arrive")
    grace_s: float = Field(20.0, ge=0, description="after SIGTERM, longest time for the requests in flight")
    api_key: SecretStr | None = Field(
        None, min_length=1, description="when set, predictions and metrics need it as a Bearer token or X-API-Key"
    )
    cors_origins: Annotated[list[str], BeforeValidator(_listed)] = Field(
        [], description="comma-separated origins whose pages may call; * for all"
    )
    metrics_dir: Path | None = Field(
        None, description="folder where several workers share their metrics; empty: a temporary one; one worker needs none"
    )
    root_path: Annotated[str, AfterValidator(_prefix)] = Field(
        "", description="path under which a proxy offers the service, such as /seedlings, whether it takes it off or not"
    )
    log_format: Literal["human", "json"] = Field("human", description="human or json")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="debug, info, warning or error")

    @property
    def inference_threads(self) -> int:
        """Threads of one process's inference, so that processes × threads stay within the cores."""
        return self.threads or max(1, cores.available() // self.workers)

    @property
    def streams(self) -> int:
        """Batches that run at a time, each with its share of the threads; one by itself has them all."""
        return min(2, self.inference_threads)

    @property
    def batch_size(self) -> int:
        """Most images of one batch: a stream's part of `max_batch`."""
        return -(-self.max_batch // self.streams)

    @property
    def images_at_once(self) -> int:
        """Images of one request that are asked for at a time.

        Enough for the batches that run and the next ones, but never the whole queue, which is everybody's.
        """
        return max(1, min(2 * self.max_batch, self.max_queue // 2))

    @property
    def decoding_threads(self) -> int:
        """Threads of one process's decoding."""
        return self.decode_threads or self.inference_threads


def from_environment(environ: Mapping[str, str]) -> Settings:
    """Settings from `SEEDLINGS_*`; an empty variable counts as unset. Raises BadSetting."""
    named = {name: environ.get(PREFIX + name.upper(), "") for name in Settings.model_fields}
    try:
        return Settings.model_validate({name: value for name, value in named.items() if value})
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        name = PREFIX + str(first["loc"][0]).upper()
        raise BadSetting(f"{name}: {first['msg']}") from None


def described() -> str:
    """All variables with their defaults, one a line, for `--help`."""
    rows = [(PREFIX + name.upper(), field.description or "", _shown(field.default)) for name, field in Settings.model_fields.items()]
    width = max(len(name) for name, _, _ in rows)
    return "\n".join(f"  {name:<{width}}  {text} [{default}]" for name, text, default in rows)


def _shown(default: object) -> str:
    if default == SHIPPED_STORE:
        return "the shipped store"
    return "empty" if default is None or default == [] else str(default)
