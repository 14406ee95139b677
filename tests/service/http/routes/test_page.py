"""The files of the page, as they are served; tests/service/http/page looks at them in a browser."""

from pathlib import Path

from service.http.routes import page as routes
from tests.service.conftest import Running

PAGE = Path(routes.__file__).parents[1] / "page"


def test_is_small_and_brings_nothing_from_elsewhere(service: Running) -> None:
    files = [file for file in PAGE.iterdir() if file.name not in routes.PARTS]
    assert sum(file.stat().st_size for file in files) < 200_000  # a phone's slow connection: under two seconds at 1 Mbit/s
    response = service.client.get("/")
    assert response.status_code == 200
    assert "default-src 'self'" in response.headers["content-security-policy"]
    for file in files:
        served = service.client.get(f"/page/{file.name}")
        lines = file.read_bytes().splitlines(keepends=True)
        parts = {f"<!-- {name} -->".encode(): (PAGE / name).read_bytes() for name in routes.PARTS}
        assert served.content == b"".join(parts.get(line.strip(), line) for line in lines)
        text = served.text.replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert "http://" not in text
        assert "https://" not in text or file.name == "sources.js"  # links, which a person may follow
    assert service.client.get("/page/nothing.js").status_code == 404
    assert service.client.get("/page/..%2Fapp.py").status_code == 404
