"""Two taps under an answer, where corrections are kept."""

from pathlib import Path
from typing import Any

import pytest

from corrections.database import Database
from corrections.photos import PhotoFiles
from corrections.records import StoredCorrection
from corrections.store import CorrectionStore, Quota
from tests import fakes
from tests.service.conftest import Running, Start
from tests.service.http.page.browsing import no_defects_for, opened, photo

RED, GREY = (220, 10, 10), (90, 90, 90)
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture(scope="module")
def keeping(module_service: Start, tmp_path_factory: pytest.TempPathFactory) -> Running:
    folder = tmp_path_factory.mktemp("kept")
    service = module_service(network=fakes.Halves, database=f"sqlite:///{folder}/corrections.db", keep_days=30)
    service.wait_keeping()
    return service


def kept(service: Running) -> list[StoredCorrection]:
    """What is in the database."""
    assert service.services.settings.database is not None
    corrections = CorrectionStore(Database(service.services.settings.database.get_secret_value()), PhotoFiles("memory://"), Quota(1, 1))
    try:
        return corrections.waiting()
    finally:
        corrections.close()


def test_the_page_says_what_is_kept_before_a_photo_is_sent(browser: Any, keeping: Running, page: Any) -> None:
    assert "keeps none" in page.text_content("footer")
    assert page.locator("#keeping").is_hidden()
    page.set_input_files("#choose", [photo("red.png", fakes.image(RED))])
    page.wait_for_selector("#bars li")
    assert page.locator("#correction").is_hidden()
    for where in opened(browser, keeping, viewport={"width": 1200, "height": 800}):
        said = where.text_content("#keeping")
        assert "keeps a photo if you say what is on it" in said
        assert "30 days" in said
        assert "keeps none" not in where.text_content("body")


def test_the_page_says_that_reviewers_are_asked_before_a_photo_is_sent(browser: Any, module_service: Start, tmp_path: Path) -> None:
    service = module_service(network=fakes.Halves, database=f"sqlite:///{tmp_path}/corrections.db", ask=7)
    for where in opened(browser, service, viewport={"width": 1200, "height": 800}):
        assert "keeps up to 7 photos a day that it is unsure of" in where.text_content("#keeping")


@pytest.mark.parametrize("options", [PHONE, {"viewport": {"width": 1200, "height": 800}, "locale": "de-DE"}], ids=["phone", "German"])
def test_right_and_wrong_are_kept_and_taken_back(browser: Any, keeping: Running, options: dict[str, Any]) -> None:
    for page in opened(browser, keeping, **options):
        page.set_input_files("#choose", [photo("red.png", fakes.image(RED))])
        page.wait_for_selector("#correction:not([hidden])")
        page.click("#right")  # one tap
        page.wait_for_selector("#take-back:not([hidden])")
        assert [(one.species, one.box) for one in kept(keeping)] == [("Maize", None)]
        no_defects_for(page)
        page.reload()
        page.wait_for_selector("#take-back:not([hidden])")  # it outlives a reload
        page.click("#take-back")
        page.wait_for_selector("#right:not([hidden])")
        assert kept(keeping) == []
        page.click("#wrong")  # two taps
        no_defects_for(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= options["viewport"]["width"]
        page.locator("#it-is button", has_text="Charlock").click()
        page.wait_for_selector("#take-back:not([hidden])")
        assert [(one.species, one.said.species) for one in kept(keeping)] == [("Charlock", "Maize")]
        page.click("#take-back")
        page.wait_for_selector("#right:not([hidden])")


def test_what_is_gone_already_can_be_taken_back(browser: Any, keeping: Running) -> None:
    for page in opened(browser, keeping, viewport={"width": 1200, "height": 800}):
        page.set_input_files("#choose", [photo("red.png", fakes.image(RED))])
        page.wait_for_selector("#correction:not([hidden])")
        page.click("#right")
        page.wait_for_selector("#take-back:not([hidden])")
        keeping.client.delete(f"/corrections/{kept(keeping)[0].id}")  # as by a call that was answered too late
        page.click("#take-back")
        page.wait_for_selector("#right:not([hidden])")
        assert page.text_content("#correction-said") == ""


def test_another_plant_by_keyboard_and_names_that_are_refused(browser: Any, keeping: Running) -> None:
    for page in opened(browser, keeping, viewport={"width": 1200, "height": 800}):
        page.set_input_files("#choose", [photo("grey.png", fakes.image(GREY))])
        page.wait_for_selector("#correction:not([hidden])")
        assert page.locator("#right").is_hidden()  # nothing was said that could be right
        page.focus("#wrong")
        page.keyboard.press("Enter")
        page.fill("#another-name", "../x")
        page.keyboard.press("Enter")
        page.wait_for_selector("#correction-said:not(:empty)")
        assert "cannot be kept under this name" in page.text_content("#correction-said")
        page.fill("#another-name", "Wild Oat")
        page.keyboard.press("Enter")
        page.wait_for_selector("#take-back:not([hidden])")
        assert [one.species for one in kept(keeping)] == ["Wild Oat"]
        page.click("#take-back")
        page.wait_for_selector("#wrong:not([hidden])")
