"""The page `/docs`, the interface for programs."""

import hashlib
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests import fakes
from tests.service.conftest import Running, Start
from tests.service.http.page.browsing import RED, no_defects_for, photo


def test_the_interface_for_programs(page: Any, service: Running, tmp_path: Path) -> None:
    page.click("text=API for programs")
    page.wait_for_selector("details")
    operations = [name for methods in service.client.get("/openapi.json").json()["paths"].values() for name in methods]
    assert page.locator("details").count() == len(operations)
    assert "`" not in page.inner_text("main")
    page.click("#operation-predict summary")
    page.wait_for_selector("#operation-predict .inside")
    shown = page.inner_text("#operation-predict")
    assert "confident" in shown
    assert "the most probable species" in shown  # what a field means
    assert "`" not in shown
    page.click("#operation-predict_batch summary")
    page.wait_for_selector("#operation-predict_batch .inside")
    assert "files=@one.jpg" in page.inner_text("#operation-predict_batch")
    no_defects_for(page)


def of_one(sample: str, service: Running) -> str:
    """A sample that is about a correction, about one that is there, of its own: the same one is kept once."""
    note = hashlib.sha256(sample.encode()).hexdigest()
    made = service.client.post("/corrections", files={"file": fakes.image(RED)}, data={"species": "Maize", "note": note}).json()
    return sample.replace("/corrections/correction", f"/corrections/{made['id']}")


@pytest.mark.slow
def test_the_samples_of_the_docs_page_work(
    browser: Any, start: Start, publish_in: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_in(fakes.Halves)
    service = start(database=f"sqlite:///{tmp_path}/corrections.db", api_key="KEY")  # else some of them are refused
    service.client.headers["X-API-Key"] = "KEY"
    service.wait_keeping()
    for name in ("photo.jpg", "one.jpg", "two.jpg"):
        (tmp_path / name).write_bytes(fakes.image(RED))
    monkeypatch.chdir(tmp_path)
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{service.port}/docs")
    page.wait_for_selector("details")
    scripts = []
    for operation in page.locator("details").all():
        operation.locator("summary").click()
        operation.locator(".sample").first.wait_for()
        samples = operation.locator(".sample pre").all_inner_texts()
        if "/corrections/correction" in samples[0]:
            samples = [of_one(sample, service) for sample in samples]
        curl, python, script = samples
        subprocess.run([*shlex.split(curl), "--silent", "--fail-with-body"], capture_output=True, check=True)
        exec(python, {})
        scripts.append(f"await (async () => {{ {script} }})();")
    page.close()
    assert (tmp_path / "heat.png").read_bytes().startswith(b"\x89PNG")
    if (node := shutil.which("node")) is None:
        pytest.skip("node is not installed: the samples in JavaScript were not run")
    photo_in_node = 'const photo = new Blob([(await import("node:fs")).readFileSync("photo.jpg")]);'
    subprocess.run([node, "--input-type=module", "--eval", "\n".join([photo_in_node, *scripts])], capture_output=True, check=True)


def test_the_docs_page_tells_the_limits_and_tries_things_out(page: Any) -> None:
    page.click("text=API for programs")
    page.wait_for_selector(".limits")
    assert "20,971,520" in page.inner_text(".limits")
    for operation, shown in (("predict", '"species": "Maize"'), ("predict_batch", '"species": "Maize"'), ("explain", "200 image/png")):
        page.click(f"#operation-{operation} summary")
        page.set_input_files(f"#operation-{operation} input[type=file]", [photo("red.png", fakes.image(RED))])
        page.click(f"#operation-{operation} form button")
        page.wait_for_selector(f"#operation-{operation} [role=status] p")
        assert shown in page.inner_text(f"#operation-{operation} [role=status]")
    page.click("#operation-infer summary")
    page.fill("#operation-infer input >> nth=1", "5")  # a header: a wrong length
    page.click("#operation-infer form button")
    page.wait_for_selector("#operation-infer [role=status] p")
    assert page.inner_text("#operation-infer [role=status]").startswith("400")


def test_the_docs_page_asks_for_the_key_of_a_guarded_service(browser: Any, start: Start, publish_in: Any) -> None:
    publish_in(fakes.Halves)
    service = start(api_key="secret")
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{service.port}/docs")
    page.click("#operation-species summary")
    assert all("KEY" in sample for sample in page.locator("#operation-species .sample pre").all_inner_texts())
    for key, status in (("", "401"), ("secret", "200")):
        page.get_by_label("API key").fill(key)
        page.click("#operation-species form button")
        page.wait_for_selector(f"#operation-species [role=status] p:has-text('{status}')")
    page.click("#operation-live summary")
    assert page.get_by_label("API key").count() == 1  # probes need none
    context.close()
