"""Names and notes that people send."""

import pytest

from corrections.errors import InvalidText
from corrections.texts import NOT_A_PLANT, note, person_name, plant_name, species_name

KNOWN = ("Maize", "Small-flowered Cranesbill")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("maize", "Maize"),
        ("ＭＡＩＺＥ", "Maize"),  # as an input method for Japanese or Chinese writes it
        ("  Small-flowered   cranesbill ", "Small-flowered Cranesbill"),
        ("Not a plant", NOT_A_PLANT),
        ("Mai\u0308s", "Maïs"),  # as macOS writes it
        ("Mentha × piperita", "Mentha × piperita"),
        ("×Triticosecale", "×Triticosecale"),
        ("Rumex crispus (L.) f.a", "Rumex crispus (L.) f.a"),
        ("هويج", "هويج"),
        ("向日葵", "向日葵"),
    ],
)
def test_names_in_any_script(text: str, name: str) -> None:
    assert species_name(text, KNOWN) == name


@pytest.mark.parametrize(
    "text",
    [
        *("", "   ", "..", ".hidden", "../../etc/passwd", "a/b", "a\\b", "C:x", "=1+1", "+x", "-x", "@x", "a.", "thumbs.db"),
        *("a\0b", "a\nb", "a\tb", "\u202eevil", "a\u200bb", "<script>", 'a"b', "a|b", "\ud800", "x" * 101, "é" * 101, "葵" * 80),
    ],
)
def test_names_that_could_do_harm_are_refused(text: str) -> None:
    for name in (species_name, plant_name):
        with pytest.raises(InvalidText):
            name(text)


@pytest.mark.parametrize("text", ["CON", "nul", "aux.txt", "Prn .x", "com1", "LPT9.tar.gz", "COM¹"])
def test_a_species_is_a_folder_on_windows_too(text: str) -> None:
    with pytest.raises(InvalidText, match="folder on every system"):
        species_name(text)
    assert species_name(text, (text.upper(),)) == text.upper()  # as the model in service has it
    assert plant_name(text) == person_name(text) == text  # no folders; and people are called Con


@pytest.mark.parametrize("text", ["Conium maculatum", "Auxiliary", "Nul points", "com10", "Lpt"])
def test_names_that_begin_alike_are_kept(text: str) -> None:
    assert species_name(text) == text


def test_a_note_keeps_its_lines_and_loses_what_steers() -> None:
    assert note(" one\r\ntwo\x1b[31m\0 three\u202e ") == "one\ntwo [31m  three"
    with pytest.raises(InvalidText, match="1001 characters"):
        note("x" * 1001)
