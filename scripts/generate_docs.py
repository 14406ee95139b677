"""Write what the documents take from the code: docs/openapi.json, docs/reference.md, the tables in docs/api.md, and the
classes of clients/python.

python -m scripts.generate_docs      or: make docs
"""

import argparse
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from models_store.__main__ import parser as store_parser
from models_store.containers import isobmff, jpeg, tiff, webp
from models_store.store import SHIPPED_STORE
from scripts import generate_client
from service import errors
from service.app import create_app
from service.cli.predict import parser as predict_parser
from service.http import connection, forms, open_inference_codec, open_inference_models, uploads
from service.http.openapi import LIMITS
from service.settings import PREFIX, Settings
from training.__main__ import parser as training_parser
from training.recipe import Recipe

DOCS = Path(__file__).parents[1] / "docs"
_BOUNDS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
Schema = dict[str, Any]


def documents() -> dict[Path, str]:
    """The text of each file that is made here, or holds parts made here."""
    described = create_app(Settings()).openapi()
    parts = {"routes": routes(described), "fields": fields(described), "errors": problems(), "limits": limits(), "bounds": bounds()}
    return {
        DOCS / "openapi.json": json.dumps(described, indent=1, ensure_ascii=False) + "\n",
        DOCS / "reference.md": reference(),
        DOCS / "api.md": filled((DOCS / "api.md").read_text(), parts),
    }


def filled(text: str, parts: dict[str, str]) -> str:
    """`text` with each part between its two marks, `<!-- generated: NAME -->` and `<!-- end -->`."""

    def fresh(mark: re.Match[str]) -> str:
        return f"{mark[1]}\n{parts[mark[2]]}\n<!-- end -->"

    return re.sub(r"(<!-- generated: (\w+) -->)\n.*?<!-- end -->", fresh, text, flags=re.DOTALL)


def reference() -> str:
    """The whole of docs/reference.md."""
    lines = [
        "# Reference",
        "",
        "Made from the code by `make docs`. Do not edit it: a test compares both.",
        "",
        "- [Settings of the service](#settings-of-the-service)",
        "- [The command predict](#the-command-predict)",
        "- [Recipes](#recipes)",
        "- [Commands of training](#commands-of-training)",
        "- [Commands of a store](#commands-of-a-store)",
        "",
        "## Settings of the service",
        "",
        "Environment variables. All are optional, and an empty one counts as unset.",
        "",
        *table(("variable", "default", "values", "meaning"), map(setting, Settings.model_fields)),
        "",
        "## The command predict",
        "",
        "`seedlings predict`, or `python -m service predict`.",
        "",
        *table(
            ("option", "meaning"), [option(action) for action in predict_parser()._actions if not isinstance(action, argparse._HelpAction)]
        ),
        "",
        "## Recipes",
        "",
        "A recipe is a TOML file. The project's own are in [training/recipes](../training/recipes).",
        "",
        *recipe(),
        "## Commands of training",
        "",
        "`python -m training COMMAND`, or `seedlings train COMMAND` after an installation with pip.",
        "",
        *commands(training_parser()),
        "## Commands of a store",
        "",
        "`python -m models_store COMMAND`, or `seedlings store COMMAND` after an installation with pip.",
        "",
        *commands(store_parser()),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def setting(name: str) -> tuple[str, ...]:
    """The row of one setting."""
    field = Settings.model_fields[name]
    return (f"`{PREFIX}{name.upper()}`", shown(field.default), values(field), described(field, name))


def recipe() -> Iterator[str]:
    """A section for each table of a recipe."""
    tables = {name: field.annotation for name, field in Recipe.model_fields.items() if is_table(field)}
    keys = [(name, field) for name, field in Recipe.model_fields.items() if name not in tables]
    yield from ["### Top level", "", (Recipe.__doc__ or "").strip(), ""]
    yield from [*key_table(keys), ""]
    for name, model in tables.items():
        assert model is not None
        yield from [f"### `[{name}]`", "", (model.__doc__ or "").strip(), ""]
        yield from [*key_table(model.model_fields.items()), ""]


def is_table(field: FieldInfo) -> bool:
    """Whether a key of a recipe is a table of its own."""
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def key_table(keys: Iterable[tuple[str, FieldInfo]]) -> Iterator[str]:
    """The table of some keys."""
    rows = [
        (f"`{name}`", "needed" if field.is_required() else shown(field.default), values(field), described(field, name))
        for name, field in keys
    ]
    return table(("key", "default", "values", "meaning"), rows)


def commands(parser: argparse.ArgumentParser) -> Iterator[str]:
    """A section for each command."""
    for words, command in sorted(leaves(parser)):
        description = re.sub(r"\s+", " ", command.description or "")
        yield from [f"### `{words}`", "", description, ""] if description else [f"### `{words}`", ""]
        shown = [action for action in command._actions if not isinstance(action, argparse._HelpAction)]
        rows = [option(action) for action in shown if action.help != argparse.SUPPRESS]  # not old names
        yield from [*table(("option", "meaning"), rows), ""]


def leaves(command: argparse.ArgumentParser, words: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """All commands that have no further ones below them, by their words."""
    groups = [action for action in command._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield words, command
    for group in groups:
        helps = {choice.dest: choice.help for choice in group._choices_actions}
        for name, below in group.choices.items():
            if name not in helps:  # an old name
                continue
            below.description = below.description or sentence(helps[name] or "")
            yield from leaves(below, f"{words} {name}".strip())


def sentence(text: str) -> str:
    """With a capital letter and a full stop."""
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def option(action: argparse.Action) -> tuple[str, str]:
    """The row of one option."""
    name = action.option_strings[-1] if action.option_strings else (action.metavar or action.dest)
    takes = action.nargs != 0 and action.option_strings
    value = "|".join(map(str, action.choices)) if action.choices else str(action.metavar or action.dest.upper())
    if takes and action.nargs == "+":
        value += " …"
    needed = "needed" if action.required else ""
    meaning = "; ".join(text for text in ((action.help or "").replace("%%", "%"), needed) if text)
    return (f"`{name} {value}`" if takes else f"`{name}`", meaning)


def routes(document: Schema) -> str:
    """The table of all routes."""
    rows = [
        (f"`{method.upper()} {path}`", operation["description"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return "\n".join(table(("route", "what it does"), rows))


def fields(document: Schema) -> str:
    """A table of fields for each JSON object that the routes answer, but for those of the Open Inference Protocol."""
    paths = {path: methods for path, methods in document["paths"].items() if not path.startswith("/v2")}
    schemas = document["components"]["schemas"]
    reached = ["Problem"]
    seen = json.dumps(paths)
    while new := [name for name in re.findall(r"#/components/schemas/(\w+)", seen) if name not in reached]:
        reached += dict.fromkeys(new)
        seen = json.dumps([schemas[name] for name in new])
    lines: list[str] = []
    for name in (name for name in schemas if name in reached):
        rows = [
            (f"`{key}`", type_of(value) + ("" if key in schemas[name].get("required", ()) else ", optional"), value["description"])
            for key, value in schemas[name]["properties"].items()
        ]
        lines += [f"### {name}", "", schemas[name]["description"], "", *table(("field", "type", "meaning"), rows), ""]
    return "\n".join(lines).rstrip("\n")


def type_of(schema: Schema) -> str:
    """The type of a field in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(type_of(one) for one in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema["type"] == "array":
        return f"list of {type_of(schema['items'])}"
    if schema["type"] == "object":
        return f"object of {type_of(schema['additionalProperties'])}s"
    return str(schema["type"])


def problems() -> str:
    """The table of errors."""
    kinds = sorted((kind for kind in vars(errors).values() if is_problem(kind)), key=lambda kind: kind.status)
    return "\n".join(
        table(("status", "type", "when"), ((str(kind.status), f"`urn:seedlings:{kind.slug}`", kind.__doc__) for kind in kinds))
    )


def is_problem(value: object) -> bool:
    """Whether this is one of the errors that a caller can be answered."""
    return isinstance(value, type) and issubclass(value, errors.ServiceError) and value not in (errors.ServiceError, errors.CallerGone)


def bounds() -> str:
    """The limits that are no settings."""
    kib = 2**10
    rows = [
        ("the head of a request", f"{connection.MAX_HEAD_BYTES // kib} KiB, {connection.MAX_HEADERS} headers", "431"),
        ("what frames a chunked body", f"{connection.MAX_FRAMING_BYTES // kib} KiB", "400"),
        ("parts of a form", f"{forms.MAX_PARTS}, each of {forms.MAX_HEADERS} headers of {forms.MAX_HEADER_BYTES} bytes", "400"),
        ("images of a request on `/v2`", f"{open_inference_codec.MAX_IMAGES}; {open_inference_models.MOST_PHOTOS} to the segmenter", "400"),
        ("JSON on `/v2`", f"{open_inference_codec.MAX_OBJECTS} objects, {open_inference_codec.MAX_RANK} dimensions", "400"),
        ("scans of a JPEG", f"{jpeg.MAX_SCANS}", "422"),
        ("pixels of a WebP, which is always decoded whole", f"{webp.MAX_PIXELS}", "422"),
        ("frames of an AVIF or HEIC, and each of its tables", f"{isobmff.MAX_FRAMES}, {isobmff.MAX_TABLE_BYTES // kib} KiB", "422"),
        ("strips or tiles of a TIFF", f"{tiff.MAX_STRIPS}", "422"),
        (
            "time that an upload may hold room which others need",
            f"{uploads.HOLDS_S:g} s",
            "408, the one that has held most for longest first",
        ),
        ("requests sent ahead of their answers", f"{connection.MAX_PIPELINED}", "the connection ends after those before"),
        ("time for a head to arrive", f"{connection.HEAD_TIMEOUT_S:g} s", "the connection ends"),
        ("time for an answer to be read", f"{connection.ANSWER_TIMEOUT_S:g} s", "the connection ends"),
        ("connections of a process", f"{connection.MAX_CONNECTIONS}", "those that have kept it waiting longest end"),
    ]
    return "\n".join(table(("limit", "value", "beyond it"), rows))


def limits() -> str:
    """The table of the limits that a caller meets."""
    rows = [
        (Settings.model_fields[name].description or "", shown(Settings.model_fields[name].default), setting(name)[0]) for name in LIMITS
    ]
    return "\n".join(table(("limit", "default", "setting"), rows))


def described(field: FieldInfo, name: str) -> str:
    """What a field means. Raises ValueError if nobody wrote it down."""
    if not field.description:
        raise ValueError(f"{name} has no description: write it as Field(description=…)")
    return field.description


def shown(default: object) -> str:
    """A default value for a table."""
    if default == SHIPPED_STORE:
        return "the shipped models"
    if default is None or default in ("", []):
        return "empty"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{list(default) if isinstance(default, tuple) else default}`"


def values(field: FieldInfo) -> str:
    """The values that a field may have, as far as its type says."""
    kinds = [field.annotation, *get_args(field.annotation)]
    for kind in kinds:
        if get_origin(kind) is Literal:
            return ", ".join(f"`{value}`" for value in get_args(kind))
    if bool in kinds:
        return "`true`, `false`"
    found = [(sign, getattr(bound, key)) for bound in field.metadata for key, sign in _BOUNDS.items() if hasattr(bound, key)]
    return ", ".join(f"{sign} {value}" for sign, value in found)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table in Markdown."""
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    for row in rows:
        cells = (cell.replace("|", r"\|") for cell in row)
        yield f"| {' | '.join(cells)} |"


def main() -> None:
    """Write all of them."""
    for path, text in documents().items():
        path.write_text(text)
    generate_client.main()


if __name__ == "__main__":
    main()
