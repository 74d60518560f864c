"""The steps that every recipe takes, in the order of a careful engineer's work.

A recipe gives the name of its data and its presets; what is done is the same for all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from keras_ext import data, reports, training
from keras_ext.records import Arrays, Check, RunResult, Splits, TrainConfig
from recipes.command import INTERRUPTED, run_directory
from recipes.options import Options, Preset, parse


def work(
    name: str,
    description: str,
    presets: Mapping[str, Preset],
    argv: Sequence[str] | None = None,
    *,
    load: Callable[[str], Arrays] = data.load,
    validation: int | None = None,
) -> int:
    """Run a recipe from its command line; the exit status is 0, or 130 after Ctrl-C.

    Args:
        name: of the data set, as ``load`` knows it, and of the folder of its runs.
        description: for ``--help``.
        presets: the configurations to choose from.
        argv: the command line, None for that of the process.
        load: gives the data set for its name.
        validation: how many examples to hold out, None for ``data.split_sizes``.
    """
    options = parse(description, presets, argv)
    with run_directory(options.output_dir, name) as directory:
        console = Console(quiet=options.quiet)
        result = study(options, directory, console, lambda: load(name), validation)
        reports.write_result_folder(result, directory)
    reports.print_report(result, console=Console(), directory=directory)
    return INTERRUPTED if result.status == "interrupted" else 0


def study(
    options: Options,
    directory: Path,
    console: Console,
    load: Callable[[], Arrays],
    validation: int | None,
) -> RunResult:
    """The six steps; returns what was found out, the kept model with it."""
    began = time.perf_counter()

    console.rule("1. load and split", align="left")
    splits = divided(load(), options.config, validation=validation, limit=options.limit)
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
        placement=options.placement,
        announce=lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True),
        quiet=options.quiet,
    )
    if result.status == "completed":
        console.rule("6. open the test set, once", align="left")
        result = training.open_test(result, splits)
    return replace(result, seconds=time.perf_counter() - began)


def divided(
    arrays: Arrays, config: TrainConfig, *, validation: int | None, limit: int | None
) -> Splits:
    """The splits that a configuration is trained on, with ``limit`` training examples at the most.

    They are decided by the seed of the configuration.
    """
    splits = data.split(arrays, seed=config.seed, validation=validation)
    if not limit:
        return splits
    return replace(splits, train=data.sample(splits.train, limit, seed=config.seed))


def tell(console: Console, checks: Sequence[Check]) -> None:
    """A line for each check."""
    for check in checks:
        mark = "[green]ok[/]" if check.passed else "[yellow]look[/]"
        console.print(mark, escape(check.message), highlight=False, soft_wrap=True)
