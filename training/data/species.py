"""What is known of species beside their names: of the twelve of the report's data by the table here, of others by `species.toml`.

A kind ends in the group, crop or weed. Names and codes as in the EPPO Global Database (https://gd.eppo.int).
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from models_store.manifest import Group, Kind, Species
from training.errors import DataError

FILE = "species.toml"
_TABLE = """
Black-grass               | Alopecurus myosuroides       | ALOMY | grass weed
Charlock                  | Sinapis arvensis             | SINAR | broadleaf weed
Cleavers                  | Galium aparine               | GALAP | broadleaf weed
Common Chickweed          | Stellaria media              | STEME | broadleaf weed
Common wheat              | Triticum aestivum            | TRZAX | grass crop
Fat Hen                   | Chenopodium album            | CHEAL | broadleaf weed
Loose Silky-bent          | Apera spica-venti            | APESV | grass weed
Maize                     | Zea mays                     | ZEAMX | grass crop
Scentless Mayweed         | Tripleurospermum inodorum    | MATIN | broadleaf weed
Shepherds Purse           | Capsella bursa-pastoris      | CAPBP | broadleaf weed
Small-flowered Cranesbill | Geranium pusillum            | GERPU | broadleaf weed
Sugar beet                | Beta vulgaris                | BEAVA | broadleaf crop
"""


class SpeciesProperties(BaseModel):
    """One species of `species.toml`."""

    model_config = ConfigDict(extra="forbid")
    scientific_name: str | None = None
    eppo_code: str | None = None
    group: Group | None = None
    kind: Kind | None = None


def known() -> dict[str, Species]:
    """Name → species, for the twelve."""
    rows = [[cell.strip() for cell in line.split("|")] for line in _TABLE.strip().splitlines()]
    return {
        name: Species(name=name, scientific_name=latin, eppo_code=code, group=kind.split()[1], kind=kind)
        for name, latin, code, kind in rows
    }


def describe(names: list[str], folder: Path | None = None) -> list[Species]:
    """The species of these names, in order.

    What `species.toml` in the data folder says of one goes before the table of the twelve; of whom neither knows there is the name alone.
    Raises DataError for a file that cannot be read, and for a name in it that is none of these.
    """
    table, own = known(), {} if folder is None else _own(folder / FILE, names)
    return [_described(table.get(name, Species(name=name)), own.get(name, {})) for name in names]


def _described(species: Species, own: Mapping[str, str | None]) -> Species:
    """With what its user says of it. A group of theirs leaves no kind of the other group."""
    if species.kind is not None and own.get("group", species.group) != species.group:
        own = {"kind": None, **own}
    return species.model_copy(update=own)


def _own(file: Path, names: list[str]) -> dict[str, dict[str, str]]:
    """Name → what the file says of it."""
    try:
        written = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{file} cannot be read: {error}") from None
    found = {}
    for name, entry in written.items():
        if name not in names:
            raise DataError(f'{file}: ["{name}"] is the name of no folder of images; there are {", ".join(names)}')
        found[name] = _entry(f'{file}: ["{name}"]', entry)
    return found


def _entry(where: str, written: object) -> dict[str, str]:
    try:
        entry = SpeciesProperties.model_validate(written)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise DataError(f"{where} {place}: {first['msg']}; keys are {', '.join(SpeciesProperties.model_fields)}") from None
    given: dict[str, str] = entry.model_dump(exclude_none=True)
    group = None if entry.kind is None else entry.kind.split()[-1]
    if group is not None and given.setdefault("group", group) != group:
        raise DataError(f'{where} is of the group "{entry.group}" and of the kind "{entry.kind}": leave one out')
    return given
