"""HTTPS in the local network, as the compose profile and docs/containers.md describe it, by a real Caddy."""

import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path

import httpx
import pytest
import yaml

from tests.deploy.conftest import ROOT
from tests.service.conftest import PATIENCE_S, Running


@pytest.fixture(scope="module")
def caddy() -> str:
    found = shutil.which("caddy")
    if found is None:
        pytest.skip("caddy is not installed: apt-get install caddy")
    return found


def test_the_page_is_reached_by_https_with_caddys_own_authority(caddy: str, service: Running, tmp_path: Path) -> None:
    command = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["https"]["command"]
    assert command[0] == "caddy"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    filled = [part.replace("${SEEDLINGS_HTTPS_NAME:-localhost}:8443", f"localhost:{port}") for part in command[1:]]
    filled[filled.index("service:8000")] = f"127.0.0.1:{service.port}"
    environment = {
        "XDG_DATA_HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "HOME": str(tmp_path),
        "PATH": "/usr/bin:/bin",
    }
    root = tmp_path / "caddy" / "pki" / "authorities" / "local" / "root.crt"
    with subprocess.Popen([caddy, *filled], env=environment, stderr=subprocess.DEVNULL) as proxy:
        try:
            answer = _answer(f"https://localhost:{port}/health", root)
            assert answer.json()["status"] == "ready"
        finally:
            proxy.terminate()


def _answer(url: str, root: Path) -> httpx.Response:
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return httpx.get(url, verify=ssl.create_default_context(cafile=str(root)))
        except (httpx.TransportError, OSError):
            assert time.monotonic() < until, "Caddy did not answer"
            time.sleep(0.1)
