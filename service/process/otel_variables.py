"""OpenTelemetry's own variables, looked at before its library is: that one prints a traceback, or goes on with what nobody asked for."""

import re
from collections.abc import Mapping

_WHOLE = r"0*[1-9]\d{0,8}"
_ALONE = "by which alone traces are sent; set it to that, or unset it"
_RULES = tuple(
    (re.compile(names), re.compile(values), told)
    for names, values, told in (
        (r"OTEL_TRACES_EXPORTER", r"otlp|", f"is not otlp, {_ALONE}"),
        (r"OTEL_EXPORTER_OTLP_(TRACES_)?PROTOCOL", r"http/protobuf|", f"is not http/protobuf, {_ALONE}"),
        (r"OTEL_EXPORTER_OTLP_(TRACES_)?ENDPOINT", r"https?://[^\s/]+\S*|", "is no address such as http://collector:4318"),
        (r"OTEL_EXPORTER_OTLP_(TRACES_)?TIMEOUT", r"\d{1,6}(\.\d*)?|", "is no number of seconds, such as 10"),
        (r"OTEL_EXPORTER_OTLP_(TRACES_)?COMPRESSION", r"none|gzip|deflate|", "is none of none, gzip and deflate"),
        (r"OTEL_BSP_(SCHEDULE_DELAY|EXPORT_TIMEOUT)", _WHOLE, "is no whole number of milliseconds over 0; set one, or unset it"),
        (r"OTEL_BSP_MAX_(QUEUE|EXPORT_BATCH)_SIZE", _WHOLE, "is no whole number over 0; set one, or unset it"),
        (r"OTEL_(\w+_)?(COUNT|LENGTH)_LIMIT", r"\d{0,9}", "is no whole number, 0 or more"),
        (
            r"OTEL_TRACES_SAMPLER",
            r"(parentbased_)?(always_on|always_off|traceidratio)|",
            "is none of always_on, always_off and traceidratio, each alone or behind parentbased_",
        ),
    )
)
_SHARE = re.compile(r"0|1|1\.0*|0?\.\d+")
_QUEUE, _BATCH = ("OTEL_BSP_MAX_QUEUE_SIZE", 2048), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512)  # with what the library takes by itself


def check(environ: Mapping[str, str]) -> None:
    """Raise ValueError with a sentence where one of them has a value that the library cannot take, or that is not sent by."""
    for name, value in sorted(environ.items()):
        for names, values, told in _RULES:
            if names.fullmatch(name) and not values.fullmatch(value.strip()):
                raise ValueError(f"{name}: {value[:50]!r} {told}")
    if "traceidratio" in environ.get("OTEL_TRACES_SAMPLER", "") and not _SHARE.fullmatch(environ.get("OTEL_TRACES_SAMPLER_ARG", "")):
        raise ValueError("OTEL_TRACES_SAMPLER_ARG: traceidratio needs a share of the traces there, from 0 to 1, such as 0.1")
    queue, batch = (int(environ.get(name, usual)) for name, usual in (_QUEUE, _BATCH))
    if batch > queue:
        raise ValueError(f"{_BATCH[0]}: {batch} spans are sent at once, but only {queue} are held; {_QUEUE[0]} may not be less")
