"""What is known of species: the table, and `species.toml` of a data folder."""

import re
from pathlib import Path

import pytest

from models_store import store
from models_store.manifest import Species
from training.data import species
from training.errors import DataError

NAMES = ["Charlock", "Volunteer rape", "Wild oat"]
WRITTEN = """
["Wild oat"]
scientific_name = "Avena fatua"
kind = "grass weed"
["Volunteer rape"]
group = "weed"
"""


def test_the_file_adds_to_the_table(tmp_path: Path) -> None:
    (tmp_path / "species.toml").write_text(WRITTEN)
    charlock, rape, oat = species.describe(NAMES, tmp_path)
    assert (charlock.eppo_code, charlock.kind) == ("SINAR", "broadleaf weed")
    assert (rape.name, rape.group, rape.kind, rape.scientific_name) == ("Volunteer rape", "weed", None, None)
    assert (oat.scientific_name, oat.group, oat.kind, oat.eppo_code) == ("Avena fatua", "weed", "grass weed", None)


def test_the_file_goes_before_the_table(tmp_path: Path) -> None:
    (tmp_path / "species.toml").write_text('[Charlock]\neppo_code = "MINE"\n')
    (charlock,) = species.describe(["Charlock"], tmp_path)
    assert (charlock.eppo_code, charlock.scientific_name, charlock.kind) == ("MINE", "Sinapis arvensis", "broadleaf weed")


def test_a_group_of_ones_own_ends_a_kind_of_the_other_group(tmp_path: Path) -> None:
    """A crop of the last year is a weed in this one's."""
    (tmp_path / "species.toml").write_text(
        '[Maize]\ngroup = "weed"\n["Common wheat"]\ngroup = "crop"\n["Sugar beet"]\nkind = "broadleaf weed"\n'
    )
    maize, wheat, beet = species.describe(["Maize", "Common wheat", "Sugar beet"], tmp_path)
    assert (maize.group, maize.kind, maize.eppo_code) == ("weed", None, "ZEAMX")
    assert (wheat.group, wheat.kind) == ("crop", "grass crop")
    assert (beet.group, beet.kind) == ("weed", "broadleaf weed")


def test_without_the_file_there_is_the_table(tmp_path: Path) -> None:
    assert species.describe(NAMES, tmp_path) == species.describe(NAMES)
    assert species.describe(NAMES)[2] == species.Species(name="Wild oat")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("[Wild", "cannot be read"),
        ('["Wild oats"]\nkind = "grass weed"', "the name of no folder of images; there are Charlock, Volunteer rape, Wild oat"),
        ('["Wild oat"]\nkind = "grass"', r'\["Wild oat"\] kind: .*grass weed'),
        ('["Wild oat"]\nclass = "grass"', "keys are scientific_name, eppo_code, group, kind"),
        ('"Wild oat" = 3', "Wild oat"),
        ('["Wild oat"]\nkind = "grass weed"\ngroup = "crop"', 'of the group "crop" and of the kind "grass weed": leave one out'),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(tmp_path: Path, written: str, message: str) -> None:
    (tmp_path / "species.toml").write_text(written)
    with pytest.raises(DataError, match=message):
        species.describe(NAMES, tmp_path)


def test_the_table_is_that_of_the_shipped_model():
    manifest = store.read_manifest(store.resolve(store.SHIPPED_STORE, "seedlings"))
    described = species.describe([one.name for one in manifest.species])
    assert described == manifest.species
    assert len(species.known()) == 12


def test_every_row_is_whole():
    for name, one in species.known().items():
        assert one.name == name
        assert re.fullmatch(r"[A-Z][a-z]+ [a-z-]+", one.scientific_name)
        assert re.fullmatch(r"[A-Z]{5}", one.eppo_code)
        assert one.kind.endswith(one.group)
    assert len({one.eppo_code for one in species.known().values()}) == 12


def test_a_species_of_ones_own_has_its_name_alone():
    described = species.describe(["Nettle", "Maize"])
    assert described[0] == Species(name="Nettle")
    assert (described[1].eppo_code, described[1].group) == ("ZEAMX", "crop")
