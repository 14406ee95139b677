"""The command line of training: `python -m training COMMAND`, data, augment, segmenter, fit, average, evaluate, export and more."""

import argparse
import sys
from pathlib import Path

from training.errors import TrainingError


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    root = argparse.ArgumentParser(
        prog="python -m training", description="Train, evaluate and export networks that tell plant species apart."
    )
    groups = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _data(groups)
    _augment(groups)
    _segmenter(groups)
    _fit(groups)
    _average(groups)
    _evaluate(groups)
    _export(groups)
    _record(groups)
    _sweep(groups)
    _pace(groups)
    _leakage(groups)
    _curve(groups)
    _report(groups)
    return root


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns the exit status: 0 success, 1 the work failed, 130 interrupted; a wrong call exits with 2."""
    wanted = parser()
    options = wanted.parse_args(arguments)
    if options.command == "evaluate" and options.split is not None and options.data is None:
        wanted.error("--split is of the images in a folder: name it with --data DIR")
    try:  # here, since importing torch takes seconds that a wrong call or --help need not wait for
        from training.cli import commands
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("training"):
            raise
        print(f"error: training needs {error.name}, which is not installed; run: pip install 'seedlings[train]'", file=sys.stderr)
        return 1

    try:
        getattr(commands, options.perform)(options)
    except TrainingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept, and the same command goes on from there", file=sys.stderr)
        return 130
    return 0


def _data(groups: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    data = groups.add_parser("data", help="look at a data folder").add_subparsers(dest="action", required=True, metavar="ACTION")
    check = data.add_parser("check", help="counts, unreadable files, duplicates, sizes")
    check.add_argument("data", type=Path, metavar="DIR", help="holds one folder of images for each species")
    check.set_defaults(perform="data_check")
    fetch = data.add_parser("fetch", help="the original images, by your own Kaggle credentials")
    fetch.add_argument("data", type=Path, metavar="DIR", help="a new folder")
    fetch.set_defaults(perform="data_fetch")


def _augment(groups: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    augment = groups.add_parser("augment", help="one picture of what a network learns from by a recipe")
    augment.add_argument("--recipe", required=True, help="name of a recipe, or the path of a .toml file")
    _data_options(augment)
    _grounds_option(augment)
    augment.add_argument("--images", type=int, default=96, metavar="N", help="on the sheet (default: 96)")
    augment.add_argument("--out", type=Path, required=True, metavar="FILE", help="a PNG")
    augment.set_defaults(perform="augment")


def _segmenter(groups: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    segmenter = groups.add_parser("segmenter", help="train what cuts plants out, for recipes with a plant_view; an interrupted one goes on")
    _data_options(segmenter)
    _grounds_option(segmenter)
    for name, purpose in (("--masks", "learn from"), ("--measure", "be measured on")):
        about = f"photos to {purpose}, whose masks lie in a folder `masks` beside theirs: PNG, 0 is ground"
        segmenter.add_argument(name, nargs="+", type=Path, default=[], metavar="DIR", help=about)
    segmenter.add_argument("--steps", type=int, default=1000, help="batches of 48 pictures (default: 1000)")
    segmenter.add_argument("--seed", type=int, default=0, help="of weights and pictures (default: 0)")
    segmenter.add_argument("--out", type=Path, required=True, metavar="FILE", help="where its weights go")
    segmenter.set_defaults(perform="segmenter")


def _fit(groups: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    fit = groups.add_parser("fit", help="train a network by a recipe, or resume an interrupted run")
    fit.add_argument("--recipe", required=True, help="name of a recipe, or the path of a .toml file")
    _data_options(fit)
    fit.add_argument("--run", required=True, type=Path, help="folder of the run; an interrupted one is resumed")
    fit.add_argument(
        "--teacher", nargs="+", type=Path, default=[], metavar="RUN", help="finished runs to learn from (recipes with [distillation])"
    )
    _grounds_option(fit)
    fit.add_argument("--segmenter", type=Path, metavar="FILE", help="cuts plants out (recipes with a plant_view)")
    fit.add_argument("--seed", type=int, help="instead of the recipe's")
    fit.add_argument("--network", metavar="NAME", help="instead of the recipe's")
    _machine_options(fit)
    fit.add_argument("--devices", type=int, default=1, help="how many of them (default: 1)")
    fit.add_argument("--nodes", type=int, default=1, help="machines that train together (default: 1)")
    fit.set_defaults(perform="fit")


def _average(groups: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    average = groups.add_parser("average", help="the mean of the weights of runs that set out from the same ones")
    average.add_argument("--runs", type=Path, nargs="+", required=True, metavar="RUN", help="finished runs, of one network and one start")
    average.add_argument("--run", type=Path, required=True, help="a new folder, for the mean")
    average.set_defaults(perform="average")


def _evaluate(groups: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    evaluate = groups.add_parser("evaluate", help="measure a run or an artifact on a split, or on photos in none")
    _subject_options(evaluate)
    _data_options(evaluate, required=False)
    what = evaluate.add_mutually_exclusive_group(required=True)
    what.add_argument("--split", choices=["train", "validation", "test", "all"], help="of the images in --data")
    what.add_argument(
        "--images", type=Path, metavar="DIR", help="photos in no split, one folder for each species; some of the model's, or others"
    )
    evaluate.add_argument(
        "--views", type=int, choices=[1, 8], default=1, help="8: also the figures of the mean over the 8 orientations of each image"
    )
    evaluate.add_argument("--grounds", action="store_true", help="also the accuracy with the plants set on grounds they never stood on")
    evaluate.add_argument("--json", nargs="?", const="-", metavar="FILE", help="figures as JSON, to a file or the terminal")
    evaluate.set_defaults(perform="evaluate")


def _export(groups: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    export = groups.add_parser("export", help="calibrate a run's best weights and publish them as an artifact")
    export.add_argument("--run", type=Path, required=True)
    _data_options(export)
    export.add_argument("--store", type=Path, required=True, help="folder of published models")
    export.add_argument("--name", default="seedlings", help="name of the model (default: seedlings)")
    export.add_argument(
        "--compact",
        action="store_true",
        help="factor the largest dense layer where that saves weights (--rank 64), and store float16: base is 10 MB instead of 219",
    )
    export.add_argument("--rank", type=int, help="factor the largest dense layer to this rank")
    export.add_argument(
        "--storage",
        choices=["float32", "float16", "int8"],
        help="of the weights, factored or not (default: float16 with --compact or --rank, else float32)",
    )
    export.add_argument(
        "--promise",
        type=_promise,
        default=0.99,
        metavar="SHARE",
        help="of confident answers to be right, at 95%% certainty; 0.99 takes 299 validation images, 0.95 takes 59 (default: 0.99)",
    )
    export.set_defaults(perform="export")


def _promise(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"{text} is no share between 0 and 1, such as 0.95")
    return share


def _record(groups: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    record = groups.add_parser("record", help="measure a finished run on the test split, and keep the result for the report")
    record.add_argument("--run", type=Path, required=True)
    _data_options(record)
    _results_option(record)
    record.set_defaults(perform="record")


def _sweep(groups: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    sweep = groups.add_parser("sweep", help="train and record a list of runs; what has a result already is left out")
    sweep.add_argument(
        "sweep", choices=["ablation", "networks"], help="ablation: from the report's recipe to ours; networks: all under one recipe"
    )
    _data_options(sweep)
    sweep.add_argument("--runs", type=Path, required=True, metavar="DIR", help="holds one folder for each run")
    _results_option(sweep)
    sweep.add_argument("--only", nargs="+", metavar="NAME", help="these recipes (of networks: these networks) alone")
    sweep.add_argument("--seeds", nargs="+", type=int, default=[0], metavar="SEED", help="one run for each (default: 0)")
    _machine_options(sweep)
    sweep.set_defaults(perform="sweep")


def _pace(groups: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    pace = groups.add_parser("pace", help="seconds an epoch and milliseconds a prediction of every network; on an idle machine")
    _data_options(pace)
    _results_option(pace)
    _machine_options(pace)
    pace.set_defaults(perform="pace")


def _leakage(groups: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    leakage = groups.add_parser("leakage", help="near duplicates between test and training images, and the accuracy without them")
    _subject_options(leakage)
    _data_options(leakage)
    _results_option(leakage)
    leakage.set_defaults(perform="leakage")


def _curve(groups: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    curve = groups.add_parser("curve", help="size against accuracy of the compact forms of a run")
    curve.add_argument("--run", type=Path, required=True)
    _data_options(curve)
    _results_option(curve)
    curve.add_argument(
        "--ranks", nargs="+", type=int, help="of the largest dense layer (default: those of 8 16 32 64 128 that save weights)"
    )
    curve.set_defaults(perform="curve")


def _report(groups: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    report = groups.add_parser("report", help="one page with the report's figures and tables, and ours beside them")
    _data_options(report)
    _results_option(report)
    report.add_argument("--artifact", type=Path, metavar="DIR", help="version whose answers are shown (default: the newest shipped one)")
    report.add_argument("--out", type=Path, required=True, metavar="DIR", help="where index.html and its pictures go")
    report.set_defaults(perform="report")


def _subject_options(command: argparse.ArgumentParser) -> None:
    what = command.add_mutually_exclusive_group(required=True)
    what.add_argument("--run", type=Path, help="folder of a run; its best weights are measured")
    what.add_argument("--artifact", type=Path, help="folder of a published version")


def _machine_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    command.add_argument(
        "--precision", choices=["auto", "32-true", "bf16-mixed"], default="auto", help="auto: bfloat16 where the processor computes in it"
    )


def _results_option(command: argparse.ArgumentParser) -> None:
    command.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="where results are kept (default: results)")


def _grounds_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--grounds",
        nargs="+",
        type=Path,
        default=[],
        metavar="DIR",
        help="photos to set plants on (recipes with a [field]); of those with a folder `masks` beside theirs, the bare parts",
    )


def _data_options(command: argparse.ArgumentParser, required: bool = True) -> None:
    command.add_argument("--data", required=required, type=Path, metavar="DIR", help="holds one folder of images for each species")
    command.add_argument("--cache", type=Path, metavar="DIR", help="where decoded images are kept (default: ~/.cache/seedlings)")


if __name__ == "__main__":
    sys.exit(main())
