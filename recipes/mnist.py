"""Handwritten digits: train, diagnose, turn the knob that the diagnosis names, report.

Does what a careful engineer does by hand, and prints each step:

  1. load 70,000 images, hold out a validation set, check the split; the model normalises by itself;
  2. before training: the cost of an untrained network against ln 10, gradients on a small batch;
  3. train without any regularization: does the cost go down?
  4. measure train and validation error on clean images at the same weights, against the optimal
     error (0.2 %, human): is it bias or variance?
  5. turn the one knob that the diagnosis names, train again, keep what helps on validation;
  6. open the test set, once, and write the report.

Digits are never flipped: a mirrored 2 is no 2.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from keras_ext import data, reports, training
from keras_ext.records import Augmentation, Check, RunResult, TrainConfig
from recipes.command import INTERRUPTED, command, run_directory
from recipes.options import Options, Preset, parse

VALIDATION = 3_948
"""Images held out: what the figures of README were measured with."""

BASE = TrainConfig(
    model="convnet",
    units=32,
    layers=2,
    learning_rate=0.01,
    epochs=1,
    batch_size=256,
    augmentation=Augmentation(rotation=20, zoom=0.2, translation=0.1, magnitude=0.0),
    optimal_error=0.002,
    tolerance=0.001,
)

PRESETS = {
    "fast": Preset("one epoch, no knob is turned", BASE),
    "default": Preset(
        "seven epochs, then again with one knob turned: within five minutes on two cores",
        replace(BASE, epochs=7),
        max_rounds=1,
    ),
    "thorough": Preset(
        "a deeper network, more rounds, then 24 epochs: about half an hour on two cores",
        replace(
            BASE,
            layers=5,
            epochs=12,
            learning_rate=0.005,
            augmentation=replace(BASE.augmentation, rotation=40, zoom=0.4, translation=0.2),
        ),
        max_rounds=2,
        final_factor=2,
    ),
}


def study(options: Options, directory: Path, console: Console) -> RunResult:
    """The six steps; returns what was found out, the kept model with it."""
    began = time.perf_counter()

    console.rule("1. load and split", align="left")
    splits = data.split(data.load("mnist"), seed=options.config.seed, validation=VALIDATION)
    if options.limit:
        splits = replace(
            splits, train=data.sample(splits.train, options.limit, seed=options.config.seed)
        )
    checks = [data.check_split(splits)]
    tell(console, checks)

    console.rule("2. before training", align="left")
    before = training.preflight(options.config, splits)
    tell(console, before)

    console.rule("3. to 5. train, diagnose, turn one knob at a time", align="left")
    result = training.improve(
        options.config,
        splits,
        max_rounds=options.max_rounds,
        final_epochs=options.final_epochs,
        directory=directory,
        checks=[*checks, *before],
        announce=lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True),
        quiet=options.quiet,
    )
    if result.status == "completed":
        console.rule("6. open the test set, once", align="left")
        result = training.open_test(result, splits)
    return replace(result, seconds=time.perf_counter() - began)


def tell(console: Console, checks: Sequence[Check]) -> None:
    """A line for each check."""
    for check in checks:
        mark = "[green]ok[/]" if check.passed else "[yellow]look[/]"
        console.print(mark, escape(check.message), highlight=False, soft_wrap=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the recipe; the exit status is 0, or 130 after Ctrl-C."""
    options = parse(__doc__ or "", PRESETS, argv)
    with run_directory(options.output_dir, "mnist") as directory:
        result = study(options, directory, Console(quiet=options.quiet))
        reports.write_result_folder(result, directory)
    reports.print_report(result, console=Console(), directory=directory)
    return INTERRUPTED if result.status == "interrupted" else 0


if __name__ == "__main__":
    raise SystemExit(command(main))
