"""What answers are worth, by the species shown."""

from pathlib import Path

from benchmarks.answers import figures, squares

SPECIES = {
    "Maize": {"name": "Maize", "kind": "grass crop", "group": "crop"},
    "Charlock": {"name": "Charlock", "kind": "broadleaf weed", "group": "weed"},
}
FILE = Path("photo.png")


def answer(species: str, rank: str | None = None, name: str | None = None, model: str = "seedlings", familiar: bool = True) -> dict:
    said = None if rank is None else {"rank": rank, "name": name}
    return {"answer": said, "species": species, "confident": rank == "species", "familiar": familiar, "model": {"name": model}}


def test_a_kind_and_a_group_are_right_where_those_of_the_species_shown_are_the_same():
    answers = [
        answer("Maize", "species", "Maize"),
        answer("Charlock", "kind", "grass crop"),
        answer("Charlock", "group", "weed"),
        answer("Maize", model="seedlings-field", familiar=False),
    ]
    found = figures([("Maize", FILE)] * 4, answers, SPECIES)
    assert found == {
        "n": 4,
        "right": 2,
        "recall": {"Maize": 0.5},
        "answered": {"species": 1, "kind": 1, "group": 1},
        "wrong": {"species": 0, "kind": 0, "group": 1},
        "confident": 1,
        "unfamiliar": 1,
        "by": {"seedlings": 3, "seedlings-field": 1},
    }


def test_of_anything_else_every_answer_is_wrong():
    found = figures([(None, FILE)] * 2, [answer("Maize", "kind", "grass crop"), answer("Maize")], SPECIES)
    assert (found["n"], found["wrong"], found["confident"], "right" in found) == (2, {"kind": 1}, 0, False)


def test_a_square_is_around_a_box_and_in_the_photo():
    boxes = [[10, 20, 30, 10], [0, 0, 9, 20], [280, 180, 20, 20], [5, 5, 7, 7], [0, 50, 300, 10]]
    detected = {"width": 300, "height": 200, "plants": [{"box": box} for box in boxes]}
    assert squares(detected) == ["10,10,30,30", "0,0,20,20", "280,180,20,20", "50,0,200,200"]  # one is too small
