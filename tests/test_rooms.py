"""Every module has its test at the same path, or a reason why not; tests replace what is public."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("corrections", "edge", "models_store", "service", "training")
_COMMANDS = (
    *(
        "augment",
        "average",
        "convert",
        "curve",
        "data",
        "evaluate",
        "export",
        "fit",
        "leakage",
        "output",
        "recalibrate",
        "record",
        "report",
    ),
    *("segmenter", "sweep", "throughput"),
)
ELSEWHERE = {
    "corrections/errors.py": "holds names alone",
    "corrections/records.py": "holds data: tests/corrections/test_store.py keeps and reads it",
    "corrections/migrations/env.py": "Alembic runs it: tests/corrections/test_database.py migrates",
    "corrections/migrations/versions/0001_first.py": "Alembic runs it: tests/corrections/test_database.py compares with the tables",
    "corrections/migrations/versions/0002_asked.py": "the same",
    "corrections/tables.py": "tests/corrections/test_database.py compares the tables with the migrations",
    "models_store/containers/opened.py": "what every format does: tests/models_store/test_pixels.py",
    "models_store/containers/tiff_directory.py": "read by tiff.py alone: tests/models_store/containers/test_tiff.py",
    "models_store/errors.py": "holds names alone",
    "service/app.py": "puts the rooms together: every test with a real server goes through it",
    "service/cli/answering.py": "tests/service/cli/test_predict.py answers photos by it",
    "service/cli/archive/command.py": "tests/service/cli/archive/test_archive.py runs it",
    "service/cli/archive/engines.py": "says what an engine is: test_archive.py and test_on_ray.py beside it hold both to it",
    "service/cli/archive/local.py": "tests/service/cli/archive/test_archive.py runs it",
    "service/cli/archive/worker.py": "tests/service/cli/archive/test_archive.py has blocks answered by it",
    "service/cli/csv_tables.py": "tests/service/cli/test_predict.py and test_detection_output.py read its tables",
    "service/cli/console.py": "is an installed command: tests/test_package.py runs it from the wheel",
    "service/detections.py": "tests/service/http/routes/test_detect.py reads all that it writes",
    "service/http/batches.py": "tests/service/http/routes/test_batch.py and test_detect.py send many images at once",
    "service/http/dependencies.py": "hands the services to a route: every test of a route goes through it",
    "service/http/disconnect.py": "needs a client that leaves: tests/service/http/test_overload.py",
    "service/http/openapi_examples.py": "holds data: tests/service/http/test_openapi.py",
    "service/http/routes/offline.py": "tests/service/http/page/test_offline.py asks it, from a browser, too",
    "service/http/routes/metrics.py": "prints what tests/service/http/test_middleware.py reads",
    "service/http/services.py": "puts the parts together: every test with a real server goes through it",
    **{
        f"service/inference/runtimes/{name}.py": "test_choice.py beside it holds every runtime to the same"
        for name in ("exported", "onnxruntime", "runtime")
    },
    "service/inference/runtimes/faults.py": "tests/service/inference/test_engine.py runs out of memory",
    "service/inference/runtimes/torchscript.py": "tests/service/inference/test_engine.py loads and asks it",
    "service/inference/predictor.py": "puts decoder, batcher and registry together: tests/service/http/routes ask it for answers",
    "service/inference/shadow_process.py": "runs in a process of its own: tests/service/inference/test_shadow.py asks it",
    "service/process/tracing.py": "tests/service/process/test_otel.py reads what it records",
    "service/serving.py": "needs a process of its own: tests/service/test_main.py",
    "service/process/shutdown.py": "needs a process of its own: tests/service/test_main.py",
    "training/__main__.py": "tests/training/cli runs it",
    "training/artifact/answer_figures.py": "counts what thresholds.py chooses: tests/training/artifact/test_thresholds.py, by hand",
    "training/artifact/segmenter_card.py": "tests/training/cli/test_photo_segmenter.py reads the card",
    **{f"training/cli/{name}.py": "tests/training/cli/test_commands.py runs it" for name in _COMMANDS},
    "training/errors.py": "holds names alone",
    "training/experiments/augmentation_sheet.py": "tests/training/cli/test_commands.py draws one",
    "training/experiments/report/pictures.py": "draws: test_student_report.py beside it opens the pictures",
    "training/experiments/report/sections_results.py": "test_student_report.py beside it reads the page",
    "training/experiments/report/sections_model.py": "test_student_report.py beside it reads the page",
    "training/experiments/report/style.py": "test_student_report.py beside it opens the pictures",
    **{
        f"training/networks/{name}.py": "tests/training/networks/test_networks.py holds every network to the same"
        for name in ("alexnet", "lenet", "network", "report_alexnet", "resnet")
    },
    "training/fitting/run_record.py": "test_loop.py beside it looks at what a run writes down, and when",
    "training/fitting/step_checkpoint.py": "test_photo_segmenter.py and test_plant_view_segmenter.py beside it interrupt trainings",
    "training/publishing/candidate.py": "tests/training/publishing/test_export.py and test_twin.py publish it",
    "training/publishing/external_photos.py": "tests/training/cli/test_learnt_from.py asks models about folders of photos by it",
    "training/publishing/recalibrate.py": "tests/training/cli/test_commands.py recalibrates an artifact",
}


def path_of_test(module: Path) -> Path:
    """`a/b/test_c.py` for `a/b/c.py`, and `a/b/test_b.py` for what stands in the package `a/b` itself."""
    name = {"__main__": "main", "__init__": module.parent.name}.get(module.stem, module.stem)
    return Path("tests") / module.parent / f"test_{name}.py"


def test_every_module_has_its_test() -> None:
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    modules = {file.relative_to(ROOT) for file in files if file.name != "__init__.py" or "def " in file.read_text()}
    without = {str(module) for module in modules if not (ROOT / path_of_test(module)).exists()}
    assert without == set(ELSEWHERE)  # a reason that is no longer needed goes, too


@pytest.mark.parametrize("file", sorted((ROOT / "tests").rglob("*.py")), ids=lambda file: str(file.relative_to(ROOT)))
def test_tests_replace_public_names(file: Path) -> None:
    """A private name may change at any time; what a test has to replace is a parameter, and has a public name."""
    calls = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    replaced = [node for node in calls if node.func.attr in ("setattr", "setitem", "delattr", "delitem") and node.args]
    private = [ast.unparse(node) for node in replaced if _is_private(node.args) and not ast.unparse(node.args[0]).startswith("torch.")]
    assert private == []


def _is_private(arguments: list[ast.expr]) -> bool:
    named = [part for argument in arguments[:2] for part in ast.unparse(argument).strip("'").split(".")]
    return any(part.startswith("_") and not part.startswith("__") for part in named)
