"""Every module of the service has its test at the same path, or a reason why not."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
ELSEWHERE = {
    "service/app.py": "puts the rooms together: every test with a real server goes through it",
    "service/cli/console.py": "is an installed command: tests/test_package.py runs it from the wheel",
    "service/http/dependencies.py": "hands the services to a route: every test of a route goes through it",
    "service/http/disconnect.py": "needs a client that leaves: tests/service/http/test_overload.py",
    "service/http/openapi_examples.py": "holds data: tests/service/http/test_openapi.py",
    "service/http/routes/metrics.py": "prints what tests/service/http/test_middleware.py reads",
    "service/http/services.py": "puts the parts together: every test with a real server goes through it",
    "service/inference/predictor.py": "puts decoder, batcher and registry together: tests/service/http/routes ask it for answers",
    "service/process/shutdown.py": "needs a process of its own: tests/service/test_main.py",
}


def path_of_test(module: Path) -> Path:
    name = "main" if module.stem == "__main__" else module.stem
    return Path("tests") / module.parent / f"test_{name}.py"


def test_every_module_has_its_test() -> None:
    modules = {
        file.relative_to(ROOT) for file in (ROOT / "service").rglob("*.py") if file.name != "__init__.py" or "def " in file.read_text()
    }
    without = {str(module) for module in modules if not (ROOT / path_of_test(module)).exists()}
    assert without == set(ELSEWHERE)  # a reason that is no longer needed goes, too
