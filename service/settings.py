"""The settings, and the only place that reads environment variables: `SEEDLINGS_<NAME>`, each with a default for a laptop."""

import difflib
import importlib.util
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from models_store import installing
from models_store.manifest import NAME_PATTERN
from models_store.pixels import MAX_PIXELS
from models_store.store import SHIPPED_PAIR, SHIPPED_STORE
from service.process import api_keys, cores, otel_variables

PREFIX = "SEEDLINGS_"
Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["float32", "bfloat16"]
RuntimeName = Literal["torchscript", "exported", "onnxruntime", "openvino", "int8"]
RuntimeChoice = Literal[RuntimeName, "auto"]
AUTO, NONE = "auto", "none"  # in place of a second model's name
_FIRST, _SECOND = SHIPPED_PAIR
_OF_OTHERS = frozenset(  # of the project's tests, compose files and makefile
    ["BROWSER", "CPUS", "DATA", "DATABASE_PASSWORD", "HTTPS_NAME", "KSERVE_PYTHON"]
)
_MISTYPED, _ALIKE = 0.8, 0.6  # how much of two names has to be the same; nearer, it is taken for a mistake
# What Kubernetes puts into every container for a service of this name: the names of its links, and the value of the plain one.
_LINK_NAME = re.compile(r"(.+_)?(SERVICE_(HOST|PORT(_.+)?)|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)")
_LINK_VALUE = re.compile(r"(tcp|udp|sctp)://")


class BadSetting(ValueError):
    """A setting has a value that cannot be, or a name that is none; the message names the variable."""


def _listed(value: object) -> object:
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


def _prefix(path: str) -> str:
    path = path.rstrip("/")
    if path and not re.fullmatch(r"(/[\w.~%-]+)+", path, re.ASCII):
        raise ValueError("a path begins with / and has neither ? nor # in it, such as /seedlings")
    return path


class Settings(BaseModel):
    """Everything that can be set. Built once by `from_environment` and handed down."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 for all")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on")
    probe_port: int | None = Field(
        None, ge=1, le=65535, description="a second port, for probes alone: no flood of the first one delays them; empty: none"
    )
    workers: int = Field(
        1, ge=1, description="number of processes; each loads the model. One answers the most photos; for more, take more containers"
    )
    store: Path = Field(SHIPPED_STORE, description="folder of models; while it holds none, the shipped one is served")
    model: str = Field(_FIRST, pattern=NAME_PATTERN, description="the model's name in the store")
    second_model: str = Field(
        AUTO,
        pattern=NAME_PATTERN,
        description="name of another model of the same species, which answers what the first one does not, of photos unlike its own; auto:"
        " seedlings-field, if the first one is seedlings and both lie in the same store; none: no other model is asked",
    )
    segmenter: str = Field(
        "seedlings-segmenter", pattern=NAME_PATTERN, description="name in the store of the model that finds the plants on whole photos"
    )
    version: int | None = Field(None, ge=1, description="serve only this version; empty: always the newest one")
    shadow: int | None = Field(
        None, ge=1, description="version of the model that sees a share of the images, too; its answers are only compared; empty: none"
    )
    shadow_share: float = Field(0.1, gt=0, le=1, description="share of the images that the shadow sees, 0 to 1")
    poll_s: float = Field(2.0, gt=0, le=86_400, description="seconds between two checks for a new version")
    device: Device = Field("auto", description="where the network runs; auto: on a CUDA GPU if there is one")
    precision: Precision = Field(
        "float32", description="float32, or bfloat16: quicker on CPUs that compute in it, answers rounded to about 0.01"
    )
    runtime: RuntimeChoice = Field(
        "auto",
        description="what runs networks on CPUs; any but torchscript needs `model.pt2` (exported) or `model.onnx` beside `model.pt`; auto:"
        " the quickest one here of those that a version has a file for; int8: in 8 bits, by `model.int8.onnx`, never chosen by auto",
    )
    threads: int | None = Field(
        None, ge=1, description="threads of the inference; empty: the cores of this container, shared by the workers"
    )
    decode_threads: int | None = Field(None, ge=1, description="threads that decode images; empty: as many as threads")
    max_batch: int = Field(16, ge=1, le=256, description="most images that are computed at one time")
    batch_wait_s: float = Field(
        0.02,
        ge=0,
        le=1,
        description="longest time that a batch waits for images that are being decoded; an image that comes alone does not wait",
    )
    max_queue: int = Field(64, ge=1, description="most images that wait to be computed; further ones are answered 429")
    deadline_s: float = Field(
        10.0, gt=0, description="longest time in seconds from the end of a request to its answer; later it is answered 504"
    )
    max_body_bytes: int = Field(20 * 2**20, ge=1, description="longest request body in bytes; a longer one is answered 413")
    max_pixels: int = Field(
        MAX_PIXELS,
        ge=64,
        description="most pixels of an image, checked before memory is taken for them; an image with more is answered 422",
    )
    max_buffered_bytes: int = Field(256 * 2**20, ge=1, description="most bytes of request bodies held at one time; more are answered 429")
    upload_timeout_s: float = Field(
        30.0, gt=0, description="longest time in seconds for a request body to arrive; a slower one is answered 408"
    )
    grace_s: float = Field(20.0, ge=0, description="longest time in seconds to answer the requests in flight after SIGTERM")
    api_key: SecretStr | None = Field(
        None, min_length=1, description="when set, predictions and metrics need it as a Bearer token or X-API-Key"
    )
    keys_file: Path | None = Field(
        None,
        description="file of keys with names, `name:sha256:requests-a-minute` a line, read again when it changes; SEEDLINGS_API_KEY goes on"
        " beside it",
    )
    cors_origins: Annotated[list[str], BeforeValidator(_listed)] = Field(
        [], description="comma-separated origins whose pages may call; * for all"
    )
    database: SecretStr | None = Field(
        None,
        min_length=1,
        description="SQLAlchemy URL of the database of corrections, `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/NAME`;"
        " empty: neither corrections nor photos are kept",
    )
    photos: str | None = Field(
        None,
        min_length=1,
        description="folder or fsspec URL where the photos of corrections are kept; empty: a folder beside the file of SQLite",
    )
    ask: int = Field(
        0,
        ge=0,
        le=10_000,
        description="most photos a day that are kept for a reviewer though nobody corrected them: those that the model is unsure of or"
        " finds unfamiliar, no two alike; 0: none. Needs a database",
    )
    keep_days: int | None = Field(
        None, ge=1, le=100_000, description="days after which a correction and its photo are removed; empty: never"
    )
    keep_positions: bool = Field(False, description="keep photos as they are sent, with the positions and serial numbers in them")
    max_kept_rows: int = Field(100_000, ge=1, description="most corrections that are kept; further ones are answered 507")
    max_kept_bytes: int = Field(10 * 2**30, ge=1, description="most bytes of photos that are kept; further ones are answered 507")
    hosts: Annotated[list[str], BeforeValidator(_listed)] = Field(
        [],
        description="comma-separated domain names of this service. Without a key, corrections sent to another name are refused;"
        " IP addresses and names without a dot are always right",
    )
    metrics_dir: Path | None = Field(
        None, description="folder where several workers share their metrics; empty: a temporary one; 4 MiB each; one worker needs none"
    )
    otel: bool = Field(
        False, description="send traces to an OpenTelemetry collector, which its own `OTEL_…` variables name; needs `seedlings[otel]`"
    )
    root_path: Annotated[str, AfterValidator(_prefix)] = Field(
        "", description="path under which a proxy offers the service, such as /seedlings, whether it takes it off or not"
    )
    log_format: Literal["human", "json"] = Field("human", description="form of the log; json for programs")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="lowest level that is logged")

    @property
    def photos_url(self) -> str | None:
        """Where photos are kept; None where that is not said and cannot be guessed, and where none are."""
        if self.database is None:
            return self.photos
        from corrections.photos import place_of

        return place_of(self.database.get_secret_value(), self.photos)

    @property
    def second(self) -> str | None:
        """Name of the model that answers what is beyond the first one; None: no other is asked."""
        if self.second_model == AUTO:
            return _SECOND if self.model == _FIRST else None
        return None if self.second_model == NONE else self.second_model

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
    """Settings from `SEEDLINGS_*`; an empty variable counts as unset.

    Raises BadSetting, also for a variable whose name is nearly a setting's, and for a store that is not there.
    """
    for name, nearest, likeness in _strays(environ):
        if likeness >= _MISTYPED and nearest not in _OF_OTHERS:
            raise BadSetting(f"{name} is no setting; did you mean {PREFIX}{nearest}? Rename it, or unset it")
    given = {name: environ.get(PREFIX + name.upper(), "") for name in Settings.model_fields}
    given = {name: value for name, value in given.items() if value and not _is_link(name.upper(), value)}
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        name = PREFIX + str(first["loc"][0]).upper()
        raise BadSetting(f"{name}: {first['msg']}") from None
    if not os.path.isdir(settings.store):
        raise BadSetting(f"{PREFIX}STORE: there is no folder {settings.store}; create or mount it, or name another one")
    if settings.probe_port == settings.port:
        raise BadSetting(f"{PREFIX}PROBE_PORT: {settings.port} is the port of the service itself; choose another one")
    library = "onnxruntime" if settings.runtime == "int8" else settings.runtime
    if library in ("onnxruntime", "openvino") and importlib.util.find_spec(library) is None:
        hint = installing.command(library)
        raise BadSetting(f"{PREFIX}RUNTIME: {library} is not installed; set it to torchscript, or run: {hint}")
    if settings.second_model == settings.model:
        raise BadSetting(f"{PREFIX}SECOND_MODEL: {settings.model} is the first model already; name another one, or set it to {NONE}")
    for setting, classifier in (("MODEL", settings.model), ("SECOND_MODEL", settings.second)):
        if classifier == settings.segmenter:
            both = f"{PREFIX}{setting} and {PREFIX}SEGMENTER both name {classifier}"
            raise BadSetting(f"{both}: a model names plants or finds them, not both; name another one in one of them")
    if settings.keys_file is not None:
        try:
            api_keys.read(settings.keys_file)
        except api_keys.BadKeys as error:
            raise BadSetting(f"{PREFIX}KEYS_FILE: {error}") from None
    _check_otel(settings, environ)
    _check_database(settings)
    return settings


def _check_otel(settings: Settings, environ: Mapping[str, str]) -> None:
    if not settings.otel:
        return
    try:
        import opentelemetry.exporter.otlp.proto.http
        import opentelemetry.sdk  # noqa: F401
    except ImportError as error:
        raise BadSetting(f"{PREFIX}OTEL needs {error.name}: unset it, or run: {installing.command('seedlings[otel]')}") from None
    try:
        otel_variables.check(environ)
    except ValueError as error:
        raise BadSetting(str(error)) from None


def _check_database(settings: Settings) -> None:
    if settings.database is None:
        if settings.ask:
            raise BadSetting(f"{PREFIX}ASK needs {PREFIX}DATABASE: without one no photo is kept")
        return
    try:
        from corrections.database import Database
        from corrections.errors import InvalidText
        from corrections.photos import PhotoFiles
    except ImportError as error:
        hint = installing.command("seedlings[corrections]")
        raise BadSetting(f"{PREFIX}DATABASE needs {error.name}: unset it, or run: {hint}") from None
    try:
        Database(settings.database.get_secret_value())
    except InvalidText as error:
        raise BadSetting(f"{PREFIX}DATABASE: {error}") from None
    if settings.photos_url is None:
        raise BadSetting(f"{PREFIX}PHOTOS: say where the photos of corrections are kept, such as a folder that all replicas share")
    try:
        PhotoFiles(settings.photos_url)
    except InvalidText as error:
        raise BadSetting(f"{PREFIX}PHOTOS: {error}") from None


def warnings(environ: Mapping[str, str]) -> list[str]:
    """A sentence for each variable that looks like a setting and counts for nothing."""
    told = []
    for name, nearest, likeness in _strays(environ):
        hint = f"; did you mean {PREFIX}{nearest}?" if likeness >= _ALIKE else "; 'python -m service --help' lists them"
        told.append(f"{name} is no setting and counts for nothing{hint}")
    told += [
        f"{PREFIX}{name} is Kubernetes' link to a service and counts for nothing; put 'enableServiceLinks: false' into the pod"
        for name in ("PORT", "PROBE_PORT")
        if _is_link(name, environ.get(PREFIX + name, ""))
    ]
    return told


def advice(settings: Settings) -> list[str]:
    """A sentence for settings that are known to make the service slower."""
    if settings.workers == 1:
        return []
    return [
        f"{PREFIX}WORKERS is {settings.workers}: each worker computes with {settings.inference_threads} of {cores.available()} cores, and"
        f" connections that come together mostly reach one of them; one worker with all cores answers more photos, so set it to 1,"
        " unless a worker's crash must not stop the service"
    ]


def _strays(environ: Mapping[str, str]) -> Iterator[tuple[str, str, float]]:
    """Variables that were meant for the settings and are none: the name, the nearest name without prefix, and how alike they are."""
    known = [name.upper() for name in Settings.model_fields]
    for name, value in environ.items():
        prefix, _, rest = name.upper().partition("_")
        meant = difflib.SequenceMatcher(None, prefix + "_", PREFIX).ratio() >= _MISTYPED
        if not meant or not value or name.removeprefix(PREFIX) in known or _is_link(rest, value):
            continue
        if name.startswith(PREFIX) and rest in _OF_OTHERS:
            continue
        likeness = {one: difflib.SequenceMatcher(None, rest, one).ratio() for one in (*known, *sorted(_OF_OTHERS))}
        nearest = max(likeness, key=lambda one: likeness[one])
        if name.startswith(PREFIX) or likeness[nearest] >= _MISTYPED:
            yield name, nearest, likeness[nearest]


def _is_link(name: str, value: str) -> bool:
    return bool(_LINK_NAME.fullmatch(name) or (name.split("_")[-1] == "PORT" and _LINK_VALUE.match(value)))


def described() -> str:
    """All variables with their defaults, one a line, for `--help`."""
    rows = [(PREFIX + name.upper(), field.description or "", _shown(field.default)) for name, field in Settings.model_fields.items()]
    width = max(len(name) for name, _, _ in rows)
    return "\n".join(f"  {name:<{width}}  {text} [{default}]" for name, text, default in rows)


def _shown(default: object) -> str:
    if default == SHIPPED_STORE:
        return "the shipped store"
    return "empty" if default is None or default == [] else str(default)
