"""Write the answers of `clients/python`: a class for each JSON object, made from the OpenAPI document by openapi-python-client.

python -m scripts.generate_client      or: make docs

They are committed, so that the client installs from its folder alone, without a generator. A test compares them with the document.
"""

import ast
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from models_store import __version__
from service.app import create_app
from service.settings import Settings

PACKAGE = Path(__file__).parents[1] / "clients" / "python" / "seedlings_client"
GENERATED = PACKAGE / "generated"
OPERATIONS = {  # that the client has a method for
    **dict.fromkeys(("/predict", "/predict/batch", "/detect", "/explain"), "post"),
    **dict.fromkeys(("/species", "/health", "/corrections"), "get"),
}


def files() -> dict[Path, str]:
    """The text of each file that is made here."""
    made = {
        PACKAGE
        / "version.py": f'"""Made by scripts/generate_client.py from the version of the project."""\n\n__version__ = "{__version__}"\n'
    }
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "openapi.json").write_text(json.dumps(described(create_app(Settings()).openapi())))
        (root / "config.json").write_text(json.dumps({"post_hooks": []}))  # the usual ones heed the configuration around them
        source = root / "generated"
        options = ["--path", root / "openapi.json", "--config", root / "config.json", "--meta", "none", "--output-path", source]
        _run("openapi_python_client", "generate", *options, "--fail-on-warning")
        shutil.rmtree(source / "api")  # retries and deadlines want a hold on each request
        for name in ("client.py", "errors.py"):
            (source / name).unlink()
        (source / "__init__.py").write_text('"""Made by scripts/generate_client.py from the OpenAPI document; do not edit."""\n')
        _run("ruff", "check", "--isolated", "--quiet", "--fix-only", "--select=F401,I", "--target-version=py311", source)
        _run("ruff", "format", "--isolated", "--quiet", "--line-length=140", "--target-version=py311", source)
        made |= {GENERATED / file.relative_to(source): file.read_text() for file in sorted(source.rglob("*.py"))}
    return made


def described(document: dict[str, Any]) -> dict[str, Any]:
    """The part of the document that the client speaks: its operations without their bodies, and the schemas they answer with."""
    paths = {path: {method: dict(document["paths"][path][method])} for path, method in OPERATIONS.items()}
    for path, method in OPERATIONS.items():
        paths[path][method].pop("requestBody", None)
    schemas = document["components"]["schemas"]
    reached: list[str] = []
    seen = json.dumps(paths)
    while new := [name for name in re.findall(r"#/components/schemas/(\w+)", seen) if name not in reached]:
        reached += dict.fromkeys(new)
        seen = json.dumps([schemas[name] for name in new])
    components = document["components"] | {"schemas": {name: schema for name, schema in schemas.items() if name in reached}}
    return document | {"paths": paths, "components": components}


def stale() -> list[str]:
    """The files that do not say what they would say if they were made now, whatever their form; and those too many."""
    made = files()
    there = {*GENERATED.rglob("*.py"), PACKAGE / "version.py"}
    changed = [path for path in made if path not in there or _meaning(path.read_text()) != _meaning(made[path])]
    return sorted(path.name for path in [*changed, *(there - set(made))])


def _meaning(text: str) -> str:
    return ast.dump(ast.parse(text))


def _run(module: str, *arguments: object) -> None:
    done = subprocess.run([sys.executable, "-m", module, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{module}: {done.stdout}{done.stderr}")


def main() -> None:
    """Write all of them anew."""
    made = files()
    for path in GENERATED.rglob("*.py"):
        if path not in made:
            path.unlink()
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or _meaning(path.read_text()) != _meaning(text):
            path.write_text(text)


if __name__ == "__main__":
    main()
