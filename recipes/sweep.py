"""Search for good hyperparameters: try many points, keep what each one taught, judge the winner.

  python -m recipes.sweep mnist --max-trials 30 --limit 2000
  python -m recipes.sweep mnist --max-trials 60 --limit 2000      goes on from there
  python -m recipes.sweep my_project.data:splits --space my_project.search:space

Every trial is one configuration of the recipe, trained as the recipe trains it. The report shows
the best so far, what each hyperparameter did, and whether a range was too narrow: a winner at the
edge of a range says that the range should move. In the end the winner is trained again on fresh
seeds and judged on the test examples, because the best of many trials is partly luck.

Stopped by Ctrl-C, or killed, the same command goes on: nothing that was finished is lost, and the
trial that was running goes on after its last epoch. The best point is in best.json:

  python -m recipes.mnist --config runs/sweeps/mnist-guided/best.json --limit 2000

With --workers 2 two processes train at a time, each on its part of the cores or on a GPU of its
own; for workers on several hosts see docs/distributed.md.

DATA is mnist, fashion_mnist, cifar10, tabular, or module:function for a function of your own that
takes no argument and gives keras_ext.records.Splits, or Arrays to be divided. A SPACE of your own
is a function of (hp, base) that gives a TrainConfig; hp is keras_tuner's, and base is what isn't
tuned: the recipe's default preset, and for data of your own TrainConfig(), a convnet for images of
at least 8 x 8 pixels. For tables and other numbers give another one, as a file for --config:

  echo '{"model": "mlp", "units": 64, "layers": 2}' > base.json
  python -m recipes.sweep my_project.data:splits --config base.json

or in the space:

  def space(hp, base):
      return dataclasses.replace(base, model="mlp", units=hp.Int("units", 16, 256, sampling="log"))
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from keras_ext import data, reports, tuning
from keras_ext.errors import ConfigError, SweepError
from keras_ext.records import Arrays, Splits, TrainConfig
from keras_ext.sweep_records import SweepResult
from keras_ext.tuning.project import project_directory
from recipes import cifar10, fashion_mnist, mnist, tabular
from recipes.command import INTERRUPTED, command
from recipes.options import DEFAULT, read_config
from recipes.sweep_options import named, parser
from recipes.workflow import divided

DATA: dict[str, tuple[Any, Callable[[], Arrays], int | None]] = {
    "mnist": (mnist, lambda: data.load("mnist"), mnist.VALIDATION),
    "fashion_mnist": (
        fashion_mnist,
        lambda: data.load("fashion_mnist"),
        fashion_mnist.VALIDATION,
    ),
    "cifar10": (cifar10, lambda: data.load("cifar10"), cifar10.VALIDATION),
    "tabular": (tabular, lambda: data.load_table("breast_cancer"), None),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the sweep; the exit status is 0, or 130 after Ctrl-C."""
    given = parser(__doc__ or "", DATA).parse_args(argv)
    base = _base(given)
    name = given.name or f"{given.data.replace(':', '-')}-{given.strategy}"
    directory = project_directory(Path(given.output_dir) / "sweeps", name)
    space = named(given.space) if given.space else tuning.default_space
    try:
        result = tuning.sweep(
            base,
            space,
            _splits(given, base),
            max_trials=given.max_trials,
            directory=directory,
            strategy=given.strategy,
            seed=given.seed,
            objective=given.objective,
            executions=given.executions,
            confirm=given.confirm,
            retries=given.retries,
            layer_health=given.layer_health,
            workers=given.workers,
            insecure_network=given.insecure_network,
            quiet=given.quiet,
        )
    except SweepError as error:
        if isinstance(error.result, SweepResult):
            reports.write_sweep_folder(error.result, directory)
        raise
    reports.write_sweep_folder(result, directory)
    reports.print_sweep(result, console=Console(), directory=directory)
    if result.status == "interrupted":
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    return 0


def _base(given: argparse.Namespace) -> TrainConfig:
    """The configuration that the space starts from."""
    base = TrainConfig()
    if given.data in DATA:
        base = DATA[given.data][0].PRESETS[DEFAULT].config
    if given.config is not None:
        base = TrainConfig.from_dict({**base.to_dict(), **read_config(given.config)})
    return base if given.epochs is None else replace(base, epochs=given.epochs)


def _splits(given: argparse.Namespace, base: TrainConfig) -> Splits:
    validation = None
    if given.data in DATA:
        _, load, validation = DATA[given.data]
        found: Any = load()
    else:
        found = named(given.data, DATA)()
    if isinstance(found, Arrays):
        return divided(found, base, validation=validation, limit=given.limit)
    if not isinstance(found, Splits):
        raise ConfigError(f"{given.data} must give Splits or Arrays, got {type(found).__name__}")
    if given.limit:
        return replace(found, train=data.sample(found.train, given.limit, seed=base.seed))
    return found


if __name__ == "__main__":
    raise SystemExit(command(main))
