"""What the page says of one photo."""

import csv
import functools
import io
import re
from pathlib import Path
from typing import Any

import pytest

from models_store import store
from tests import fakes
from tests.service.conftest import Running, Start
from tests.service.http.page.browsing import RED, answered, coded, kept_when, no_defects_for, opened, photo


def test_tells_the_species_and_what_decided_it(page: Any) -> None:
    page.set_input_files("#choose", [photo("red.png", fakes.image(RED))])
    page.wait_for_selector("#bars li")
    assert page.text_content("#headline") == "Maize"
    assert page.text_content("#group") == "Crop"
    assert page.locator("#doubt").is_hidden()
    assert page.text_content("#bars li:first-child").startswith("Maize")
    page.wait_for_selector("#said:not(:empty)", state="attached")
    assert page.text_content("#said").startswith("Maize")  # for those who hear the page
    photo_url = page.get_attribute("#photo", "src")
    page.focus("#heat")
    page.keyboard.press("Enter")
    page.wait_for_selector("#heat[aria-pressed=true]")
    assert page.get_attribute("#photo", "src") != photo_url
    page.click("#heat")
    assert page.get_attribute("#photo", "src") == photo_url


def test_shows_doubt(page: Any) -> None:
    page.set_input_files("#choose", [photo("grey.png", fakes.image((90, 90, 90)))])
    page.wait_for_selector("#doubt:not([hidden])")
    headline = page.text_content("#headline")
    assert headline.endswith("?")
    assert " or " in headline  # both candidates, not one of them
    assert page.locator("#probability").inner_text() == ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_says_no_more_than_can_be_relied_upon(browser: Any, start: Start, tmp_path: Path, scheme: str) -> None:
    describe = functools.partial(coded, threshold=0.9, kind=0.8, group=0.85)
    store.publish(tmp_path, fakes.scripted(fakes.Shares), describe, lambda _: "# fake\n", "seedlings")
    colours = {"Maize": (250, 5, 5), "Grass crop": (170, 15, 15), "Crop": (100, 80, 10), "Maize or Sugar beet?": (60, 52, 50)}
    for page in opened(browser, start(), viewport={"width": 1280, "height": 900}, color_scheme=scheme):
        page.set_input_files("#choose", [photo(f"{i}.png", fakes.image(colour)) for i, colour in enumerate(colours.values())])
        page.wait_for_selector("#progress", state="hidden")
        shown = {}
        for i, headline in enumerate(colours):
            page.click(f"#rows tr:nth-child({i + 1}) button")
            answered(page, headline)
            shown[headline] = [page.locator(f"#{part}").inner_text() for part in ("doubt", "beneath", "group", "probability")]
            assert page.locator("#alike").is_visible() == (headline != "Maize")
            no_defects_for(page)
        assert shown == {
            "Maize": ["", "", "Crop", "96.2%"],
            "Grass crop": ["Species not sure", "Perhaps Maize", "Crop", "85.0%"],
            "Crop": ["Species not sure", "Maize or Sugar beet?", "", "94.7%"],
            "Maize or Sugar beet?": ["Not sure", "", "", ""],
        }
        assert page.locator("#alike-list dt").all_inner_texts() == ["Maize", "Sugar beet", "Charlock"]
        assert "rounded tip" in page.locator("#alike-list dd").first.inner_text()
        assert "corn" in page.locator("#alike-list dd a").first.get_attribute("href")
        assert page.text_content("#summary") == "3 crops, 1 unsure"
        page.click("#known-title")
        assert "Grass crop" in page.inner_text("#known-list")


def test_an_answer_is_handed_on_as_a_text(browser: Any, service: Running) -> None:
    for page in opened(browser, service, viewport={"width": 1200, "height": 800}, permissions=["clipboard-read", "clipboard-write"]):
        page.set_input_files("#choose", [photo("red.png", fakes.image(RED))])
        answered(page, "Maize")
        page.click("#share")
        page.wait_for_selector("#share:text-is('Copied')")
        text = page.evaluate("navigator.clipboard.readText()")
        assert text.startswith("red.png: Maize, 99.7%.\nBy the model seedlings 1, ")
        assert text.endswith("Check before you act.")


@pytest.mark.parametrize(
    ("refusing", "said"),
    [
        ("navigator.share = async () => { throw new DOMException('', 'NotAllowedError'); }", "Copied"),
        ("navigator.clipboard.writeText = async () => { throw new DOMException('', 'NotAllowedError'); }", "Copied"),
        (
            "navigator.clipboard.writeText = async () => { throw new Error(); }; document.execCommand = () => false",
            "This browser does not allow it",
        ),
    ],
    ids=["sharing", "the clipboard", "both"],
)
def test_a_browser_that_refuses_to_share_says_so_or_copies(page: Any, refusing: str, said: str) -> None:
    page.set_input_files("#choose", [photo("red.png", fakes.image(RED))])
    answered(page, "Maize")
    page.evaluate(f"() => {{ {refusing} }}")
    page.click("#share")
    page.wait_for_selector(f"#share:text-is('{said}')")
    assert page.text_content("#said") == said
    page.wait_for_selector("#share:text-is('Share')")


def test_an_unfamiliar_photo_gets_no_name(browser: Any, start: Start, publish_in: Any) -> None:
    publish_in(fakes.Measured)
    for page in opened(browser, start(), viewport={"width": 1200, "height": 800}):
        page.set_input_files("#choose", [photo("bright.png", fakes.image((255, 10, 10))), photo("red.png", fakes.image((200, 10, 10)))])
        page.wait_for_selector("#progress", state="hidden")
        assert page.text_content("#doubt") == "Unlike its photos"
        shown = page.locator("#result").inner_text() + page.locator("#rows tr").nth(0).inner_text() + page.text_content("#said")
        assert not [name for name in fakes.NAMES if name in shown.replace("red.png: Maize", "")]
        assert "No plant was found on this photo" in page.text_content("#advice")
        assert not re.search(r"\d%", shown.split("red.png")[0])
        assert page.locator("#group").is_hidden()
        assert page.locator("#heat").is_hidden()
        page.click("#bars-title")
        assert page.locator("#bars li").first.is_visible()  # the nearest candidates, for whoever asks
        assert "Maize" in page.locator("#rows tr").nth(1).inner_text()
        assert page.text_content("#summary") == "1 crop, 1 unsure"
        with page.expect_download() as download:
            page.click("#save")
        table = list(csv.DictReader(io.StringIO(download.value.path().read_text("utf-8-sig"))))
        assert [line["familiar"] for line in table] == ["no", "yes"]
        no_defects_for(page)


def test_says_when_the_second_model_answered(browser: Any, start: Start, publish_in: Any, tmp_path: Path) -> None:
    publish_in(fakes.Measured)
    fakes.publish(tmp_path, fakes.Turned, "seedlings-field", threshold=0.3)
    service = start()
    said = "Unlike the photos that seedlings learned from, so seedlings-field answered."
    for page in opened(browser, service, viewport={"width": 1200, "height": 800}):
        assert "A second model answers photos unlike its own: seedlings-field, version 1." in page.text_content("#model")
        page.set_input_files("#choose", [photo("bright.png", fakes.image((255, 10, 10))), photo("red.png", fakes.image((200, 10, 10)))])
        page.wait_for_selector("#progress", state="hidden")
        answered(page, "Sugar beet")
        assert page.text_content("#second") == said
        no_defects_for(page)
        page.click("#rows tr:nth-child(2) button")
        answered(page, "Maize")
        assert page.locator("#second").is_hidden()
        kept_when(page, "kept.length === 2 && kept.every((photo) => photo.answer)")
        page.reload()  # what either of them said is not asked again
        page.click("#rows button:has-text('bright.png')")
        answered(page, "Sugar beet")
        assert page.text_content("#second") == said
        assert 'seedlings_predictions_total{species="Sugar beet"} 1.0' in service.client.get("/metrics").text


def test_what_is_handed_on_of_several_plants_names_their_model(page: Any) -> None:
    told = page.evaluate("""async () => {
        const { told } = await import("/page/verdict.js");
        const part = (x) => ({ box: [x, 10, 20, 80], area: 0.05, species: "Maize", familiar: false });
        const found = { plants: [part(10), part(60)], model: { name: "first", version: 3 } };
        const answer = { crop: [0, 0, 10, 10], answer: null, probabilities: { Maize: 1 }, model: { name: "second", version: 2 } };
        return told({ file: { name: "a.jpg" }, answer, found, each: true, asked_at: "2026-01-02T03:04:05Z" });
    }""")
    assert "By the model first 3" in told


def test_leaves_of_one_of_two_look_alikes_are_one_plant(page: Any) -> None:
    """Of two grasses; not where a leaf is surely one of them, or seems broad-leaved, or the two are of two kinds, or there are many."""
    shown = page.evaluate("""async () => {
        const { several, useSpecies } = await import("/page/verdict.js");
        const kinds = { "Black-grass": "grass weed", "Loose Silky-bent": "grass weed", Charlock: "broadleaf weed" };
        useSpecies(new Map(Object.entries(kinds).map(([name, kind]) => [name, { name, kind }])));
        const leaf = (x, species, rank) => ({ box: [x, 10, 20, 80], area: 0.05, species, answer: rank && { rank, name: species } });
        const asked = (second, ...leaves) => several({
            answer: { crop: [0, 0, 100, 100], answer: null, probabilities: { "Black-grass": 0.6, [second]: 0.3 } },
            found: { plants: leaves },
        });
        const leaves = [leaf(10, "Black-grass"), leaf(60, "Loose Silky-bent")];
        return [
            asked("Loose Silky-bent", ...leaves),
            asked("Loose Silky-bent", ...leaves, leaf(40, "Black-grass", "species")),
            asked("Loose Silky-bent", ...leaves, leaf(40, "Charlock")),
            asked("Charlock", ...leaves),
            asked("Loose Silky-bent", ...leaves, ...leaves),
        ];
    }""")
    assert shown == [False, True, True, True, True]


def test_one_plant_without_a_name_that_fills_the_photo_is_one(page: Any) -> None:
    """Its leaves are no further apart than a fifth of the larger one, 12 of 60 pixels, and neighbours are cut by the photo's edge."""
    shown = page.evaluate("""async () => {
        const { several } = await import("/page/verdict.js");
        const part = (box, rank) => ({ box, area: box[2] * box[3] / 1e4, answer: rank && { rank, name: "Maize" } });
        const asked = (...plants) => several({
            answer: { familiar: false, answer: null, crop: [0, 0, 100, 100], probabilities: { Maize: 1 } },
            found: { width: 160, height: 100, plants },
        });
        const leaf = part([20, 20, 20, 60]);
        const neighbour = (height) => part([60, 0, 20, height]);
        return {
            "two leaves": asked(leaf, part([50, 20, 20, 50])),
            "leaves that touch at a corner": asked(leaf, part([40, 80, 10, 10])),
            "a neighbour cut by the edge": asked(leaf, neighbour(23)),
            "a large neighbour": asked(leaf, neighbour(25)),
            "two apart": asked(leaf, part([53, 20, 20, 50])),
            "one is surely a species": asked(leaf, part([50, 20, 20, 50], "species")),
            "many": asked(leaf, part([45, 20, 9, 30]), part([45, 55, 9, 30]), part([55, 20, 9, 30])),
            "small ones": asked(part([20, 20, 10, 15]), part([32, 20, 10, 15])),
        };
    }""")
    one = [name for name, several in shown.items() if not several]
    assert one == ["two leaves", "leaves that touch at a corner", "a neighbour cut by the edge"]
