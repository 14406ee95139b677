"""How soon a network has learnt: ours and the loop that most people write, one after the other on this machine.

    python -m benchmarks.training --data DIR --out benchmarks/results/training.json

Ours is `python -m training fit` with a recipe, the other `peers/plain_training.py`: ImageFolder, DataLoader, torchvision's
transforms, Adam in float32, at each of some learning rates; the best of them counts. Network, training and validation
images, batch size and seed are the same, and both validate after every epoch.

Seconds are those of the epochs, from the first step on: delivering batches, steps, validation. Importing, and the
checkpoints that ours alone writes, do not count. Ours decodes all images once before it begins, which is measured apart.
"""

import argparse
import contextlib
import csv
import datetime
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from training import machine, recipe
from training.data import split
from training.data.images import load
from training.errors import RecipeError, TrainingError
from training.fitting import run_folder

PLAIN = Path(__file__).parent / "peers" / "plain_training.py"
POLL_S = 0.5
Curve = list[tuple[float, float]]  # after each epoch: seconds since the first step, validation accuracy


@dataclass(frozen=True)
class Side:
    """How one of the loops went."""

    name: str
    curve: Curve

    @property
    def seconds(self) -> float:
        """How long it ran."""
        return self.curve[-1][0]

    def reached(self, accuracy: float) -> tuple[float, int] | None:
        """Seconds and epochs until a validation accuracy was first there, or None."""
        # An accuracy comes from float32: 0.90 may read 0.8999999.
        return next(((seconds, epoch) for epoch, (seconds, found) in enumerate(self.curve, 1) if found > accuracy - 1e-6), None)


def ratio(ours: Side, plain: Sequence[Side], accuracy: float) -> dict[str, Any] | None:
    """How many times our seconds the fastest plain loop took; `at_least` so many where none got there. None: ours did not."""
    mine = ours.reached(accuracy)
    if mine is None or not plain:
        return None
    arrived = [found[0] for side in plain if (found := side.reached(accuracy))]
    seconds = min(arrived or [side.seconds for side in plain])
    return {"times": round(seconds / mine[0], 2), "at_least": not arrived}


def read_curve(metrics: Path) -> Curve:
    """The curve in a CSV that has `seconds` and `validation_accuracy` of each epoch; empty where there is none yet."""
    if not metrics.exists():
        return []
    curve: Curve = []
    with metrics.open(newline="") as stream:
        for row in csv.DictReader(stream):
            before = curve[-1][0] if curve else 0.0
            curve.append((round(before + float(row["seconds"]), 2), round(float(row["validation_accuracy"]), 4)))
    return curve


def follow(name: str, command: list[str], metrics: Path, limit_s: float) -> Side:
    """Run a loop to its end, or to that of the epoch in which it passes `limit_s`. Raises RuntimeError when it fails."""
    environ = os.environ | {"PYTHONPATH": str(PLAIN.parents[2])}
    curve: Curve = []
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, env=environ, stdout=log, stderr=log, start_new_session=True) as process,
    ):
        try:
            ended = False
            while not ended and not (curve and curve[-1][0] >= limit_s):
                ended = process.poll() is not None  # looked at first, so that the last epoch is read after it was written
                known, curve = len(curve), read_curve(metrics)
                for epoch, (seconds, accuracy) in enumerate(curve[known:], known + 1):
                    print(f"{name}: epoch {epoch}, {seconds:.0f} s, {accuracy:.2%}", file=sys.stderr)
                if not ended:
                    time.sleep(POLL_S)
            if process.returncode or not curve:
                log.seek(0)
                raise RuntimeError(f"{name} failed: {log.read().decode(errors='replace')[-2000:]}")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with the workers of its DataLoader
    return Side(name, curve)


def document(sides: Sequence[Side], until: Sequence[float]) -> dict[str, Any]:
    """What was measured of the sides, ours first."""
    return {
        "sides": {
            side.name: {
                "curve": side.curve,
                "reached": {
                    f"{accuracy:g}": {"seconds": found[0], "epochs": found[1]} if (found := side.reached(accuracy)) else None
                    for accuracy in until
                },
            }
            for side in sides
        },
        "ratio": {f"{accuracy:g}": ratio(sides[0], sides[1:], accuracy) for accuracy in until},
    }


def table(sides: Sequence[Side], until: Sequence[float]) -> str:
    """The same for people."""
    rows = []
    for accuracy in until:
        times = ratio(sides[0], sides[1:], accuracy)
        cells = [
            f"{found[0]:.0f} s, {found[1]} epochs" if (found := side.reached(accuracy)) else f"not reached in {side.seconds:.0f} s"
            for side in sides
        ]
        rows.append([f"to {accuracy:.0%}", *cells, f"{'at least ' * times['at_least']}{times['times']:.1f}" if times else ""])
    rows.append(["last epoch", *(f"{side.curve[-1][1]:.2%} after {side.seconds:.0f} s, {len(side.curve)} epochs" for side in sides), ""])
    rows.append(["best epoch", *(f"{max(accuracy for _, accuracy in side.curve):.2%}" for side in sides), ""])
    pace = [statistics.median(b - a for a, b in zip([0.0, *found], found, strict=False)) for found in map(_seconds, sides)]
    rows.append(["seconds an epoch", *(f"{seconds:.1f}" for seconds in pace), f"{min(pace[1:]) / pace[0]:.1f}" if pace[1:] else ""])
    head = ["validation accuracy", *(side.name for side in sides), "plain ÷ ours"]
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def _seconds(side: Side) -> list[float]:
    return [seconds for seconds, _ in side.curve]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="holds one folder of images for each species")
    parser.add_argument("--recipe", default="speed", help="of ours (default: speed)")
    parser.add_argument("--rates", type=float, nargs="*", default=[1e-3, 3e-4], help="Adam's, a plain loop for each (default: 1e-3 3e-4)")
    parser.add_argument("--until", type=float, nargs="+", default=[0.90, 0.95], help="validation accuracies (default: 0.90 0.95)")
    parser.add_argument("--max-epochs", type=int, default=60, help="of a plain loop; ours ends with its recipe (default: 60)")
    parser.add_argument("--limit-seconds", type=float, default=3600, help="each ends with the epoch that passes them (default: 3600)")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="JSON file for the results; the table goes beside it")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table, write the files, after each of the loops anew."""
    options = _parser().parse_args(arguments)
    device = options.device if options.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    try:
        settings = recipe.load(options.recipe, seed=options.seed)
        if settings.start:
            raise RecipeError(f"recipe {options.recipe} starts from trained weights, the plain loop from none; choose another one")
        with tempfile.TemporaryDirectory() as folder:
            return _measure(options, settings, device, Path(folder))
    except (TrainingError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _measure(options: argparse.Namespace, settings: recipe.Recipe, device: str, work: Path) -> int:
    root = options.data.absolute()
    conditions = machine.describe() | {"load": os.getloadavg()[0], "date": datetime.datetime.now(datetime.UTC).date().isoformat()}
    began = time.perf_counter()
    images = load(root, work / "cache")
    decode_s = round(time.perf_counter() - began, 1)
    parts = split.of_recipe(images, settings)
    files = {name: [images.files[row] for row in parts.rows(name)] for name in ("train", "validation")}
    (work / "split.json").write_text(json.dumps(files))
    shared = ["--data", str(root), "--device", device, "--seed", str(options.seed)]
    ours = ["-m", "training", "fit", "--recipe", options.recipe, *shared, "--cache", str(work / "cache"), "--run", str(work / "run")]
    plain = [str(PLAIN), *shared, "--split", str(work / "split.json"), "--network", settings.network, "--species", str(len(images.species))]
    plain += ["--batch-size", str(settings.batch_size), "--epochs", str(options.max_epochs)]
    loops = [(f"ours, {Path(options.recipe).stem}", ours, work / "run" / run_folder.METRICS)]
    for rate in options.rates:
        metrics = work / f"plain-{rate:g}.csv"
        loops.append((f"plain, Adam {rate:g}", [*plain, "--rate", str(rate), "--out", str(metrics)], metrics))
    sides: list[Side] = []
    text = ""
    for name, command, metrics in loops:
        sides.append(follow(name, [sys.executable, *command], metrics, options.limit_seconds))
        results = {
            "machine": conditions,
            "device": device,
            "precision": {"ours": run_folder.read_description(work / "run").precision, "plain": "32-true"},
            "recipe": settings.model_dump(mode="json"),
            "images": parts.counts(),
            "limit_seconds": options.limit_seconds,
            "decode_seconds": decode_s,
            **document(sides, options.until),
        }
        text = table(sides, options.until) + f"\n\nDecoding all images once, before ours begins: {decode_s:.0f} s."
        if options.out:
            options.out.parent.mkdir(parents=True, exist_ok=True)
            options.out.write_text(json.dumps(results, indent=1) + "\n")
            options.out.with_suffix(".md").write_text(text + "\n")
    print(text)
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that a loop is ended with it
    sys.exit(main())
