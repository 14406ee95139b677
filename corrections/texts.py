"""What people may call a plant. A name becomes a folder's name one day, and stands in tables and pages before."""

import re
import unicodedata

from corrections.errors import InvalidText
from models_store.image_files import is_left_behind

NOT_A_PLANT = "not a plant"
MAX_NAME = 100  # characters
MAX_NOTE = 1000
_JOINERS = "\u200c\u200d"  # some scripts need them inside of words
_OF_PATHS = '/\\:*?"<>|'
_DEVICES = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9¹²³])\s*(\..*)?")  # no files or folders of these names on Windows
_NO_CHARACTERS = ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")  # controls, format, unassigned, private, half a character, line ends


def species_name(text: str, known: tuple[str, ...] = ()) -> str:
    """`text` as the name of a species: one of `known` where only case, spaces or the width of letters differ. Raises InvalidText."""
    name = _in_one_line("species", text)
    alike = {plain(one): one for one in (*known, NOT_A_PLANT)}
    if plain(name) in alike:
        return alike[plain(name)]
    if _DEVICES.fullmatch(name.casefold()):
        raise InvalidText(f"{name!r} cannot be the name of a folder on every system; add a word to it")
    return name


def plain(name: str) -> str:
    """Alike for names that people take for one: by their case, or by letters that take the room of two, as in East Asian scripts."""
    return unicodedata.normalize("NFKC", name).casefold()


def plant_name(text: str) -> str:
    """`text` as what tells one plant from others, such as a number of a pot. Raises InvalidText."""
    return _in_one_line("plant", text)


def person_name(text: str) -> str:
    """`text` as the name of a person who reviews. Raises InvalidText."""
    return _in_one_line("reviewer", text)


def note(text: str) -> str:
    """`text` as a note: lines are kept, other control characters are not. Raises InvalidText for a long one."""
    if len(text) > MAX_NOTE:
        raise InvalidText(f"the note has {len(text)} characters; {MAX_NOTE} are allowed")
    return "".join(sign if sign == "\n" or sign in _JOINERS or not _is_none(sign) else " " for sign in text.replace("\r\n", "\n")).strip()


def _in_one_line(field: str, text: str) -> str:
    name = " ".join(unicodedata.normalize("NFC", text[: 2 * MAX_NAME]).split(" ")).strip()
    if not name:
        raise InvalidText(f"{field} is empty; name one")
    if len(text) > MAX_NAME or len(name.encode("utf-8", "replace")) > 2 * MAX_NAME:
        raise InvalidText(f"{field} is longer than {MAX_NAME} characters, or {2 * MAX_NAME} bytes")
    wrong = [sign for sign in name if sign in _OF_PATHS or (_is_none(sign) and sign not in _JOINERS)]
    if wrong or not (name[0].isalnum() or name[0] == "×") or name.endswith(".") or is_left_behind(name):
        signs = ", ".join(f"U+{ord(sign):04X}" for sign in wrong[:3])
        raise InvalidText(
            f"{field} cannot be kept under this name; begin with a letter or a digit, do not end with a full stop, and leave out"
            f" {_OF_PATHS} and what cannot be seen{f' (here {signs})' if signs else ''}"
        )
    return " ".join(name.split())


def _is_none(sign: str) -> bool:
    return unicodedata.category(sign) in _NO_CHARACTERS
