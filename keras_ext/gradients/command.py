"""Checks the gradients of a saved model from a shell."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.console import Console

from keras_ext.errors import ConfigError, KerasExtError
from keras_ext.gradients import algorithm, random_data
from keras_ext.gradients.check import check_gradients, check_input_gradients
from keras_ext.gradients.gradient_report import GradientReport
from keras_ext.gradients.remaking import reason_of

OK, WRONG, FAILED, INTERRUPTED = 0, 1, 2, 130

EXAMPLES = 16

HELP = """\
Compare the gradients that a saved Keras model would be trained with (backpropagation)
with central differences of its cost, weight by weight, in double precision.

Without --data the examples are random: inputs of the model's shapes, labels that fit its
compiled loss. That is enough to find a wrong gradient.

exit status: 0 no gradient is wrong, 1 one is wrong or not finite, 2 it could not be checked"""

EXAMPLE = """\
examples:
  python -m keras_ext.gradients model.keras
  python -m keras_ext.gradients model.keras --data batch.npz --inputs
  python -m keras_ext.gradients model.keras --import my_layers --loss mse --json

batch.npz holds x and y, and sample_weight if you like: numpy.savez("batch.npz", x=x, y=y).
Of several inputs or outputs, x_NAME and y_NAME, by the names of the model's inputs and outputs.
Own layers must be registered (keras.saving.register_keras_serializable) by the module that
--import names; it is looked for in the current folder too."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = _parser().parse_args(argv)
    try:
        report = _checked(options)
        _show(report, options)
    except (KerasExtError, MemoryError) as error:
        if options.debug:
            raise
        print(f"error: {error or 'out of memory: try fewer --examples'}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    return OK if report.ok else WRONG


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m keras_ext.gradients",
        description=HELP,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", type=Path, metavar="MODEL.keras", help="a saved, compiled model")
    parser.add_argument("--data", type=Path, metavar="FILE.npz", help="examples instead of random")
    parser.add_argument(
        "--examples", type=_count, default=EXAMPLES, help="how many, at the most (default: 16)"
    )
    parser.add_argument("--loss", help="the name of a Keras loss, instead of the compiled one")
    parser.add_argument(
        "--method",
        choices=algorithm.METHODS,
        default="projection",
        help="random directions, or every element (slow; default: projection)",
    )
    parser.add_argument(
        "--inputs", action="store_true", help="check the gradient of the inputs, not of the weights"
    )
    parser.add_argument(
        "--inference", action="store_true", help="without dropout, batch norm by its averages"
    )
    parser.add_argument("--seed", type=_seed, default=0, help="of examples and directions")
    parser.add_argument(
        "--import", action="append", default=[], dest="modules", metavar="MODULE", help="own layers"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def _count(text: str) -> int:
    number = _seed(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {text}")
    return number


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 0, got {text}")
    return int(text)


def _checked(options: argparse.Namespace) -> GradientReport:
    model = _load(options.model, options.modules)
    rng = np.random.default_rng(options.seed)
    loss = options.loss
    if loss is not None:
        try:
            keras.losses.get(loss)
        except ValueError as error:
            raise ConfigError(f"--loss must be the name of a Keras loss, got {loss}") from error
    elif not model.compiled:
        raise ConfigError(f"{options.model} is not compiled: pass --loss, such as --loss mse")
    if options.data is None:
        x = random_data.random_inputs(model, options.examples, rng)
        y = random_data.labels_for(model, x, loss or model.loss, rng)
        weight = None
    else:
        x, y, weight = _read(options.data, model, options.examples)
    check = check_input_gradients if options.inputs else check_gradients
    return check(
        model,
        x,
        y,
        sample_weight=weight,
        loss=loss,
        method=options.method,
        training=not options.inference,
        seed=options.seed,
    )


def _load(path: Path, modules: Sequence[str]) -> keras.Model:
    """The model; what a file may do while it is loaded stays as Keras limits it."""
    if not path.is_file():
        raise ConfigError(f"no such file: {path}")
    sys.path.insert(0, os.getcwd())
    try:
        for module in modules:
            importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(f"--import can't import {error.name or error}: {error}") from error
    finally:
        sys.path.pop(0)
    try:
        model = keras.saving.load_model(path)
    except Exception as error:  # All that a file can be wrong in.
        own = "" if modules else "; own layers must be registered, see --import in --help"
        raise ConfigError(f"can't load {path}: {reason_of(error)}{own}") from error
    if not isinstance(model, keras.Model):
        raise ConfigError(f"{path} holds no model but a {type(model).__name__}")
    return model


def _read(path: Path, model: keras.Model, most: int) -> tuple[Any, Any, Any]:
    """x, y and sample_weight of an npz file; its first examples."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name][:most] for name in archive.files}
    except FileNotFoundError as error:
        raise ConfigError(f"no such file: {path}") from error
    except (OSError, ValueError, AttributeError, zipfile.BadZipFile, IndexError) as error:
        raise ConfigError(f"can't read {path} as npz: {reason_of(error)}") from error
    return _inputs(arrays, model, path), _labels(arrays, model), arrays.get("sample_weight")


def _inputs(arrays: dict[str, Any], model: keras.Model, path: Path) -> Any:
    """The array ``x``, or all ``x_NAME`` in the structure that the model takes."""
    if "x" in arrays:
        return arrays["x"]
    specs = random_data.input_specs(model)
    names = [f"x_{spec.name}" for spec in keras.tree.flatten(specs)]
    wanted = ["x"] if len(names) == 1 else [name for name in names if name not in arrays]
    if wanted:
        there = ", ".join(arrays) or "nothing"
        raise ConfigError(f"{path} must hold {', '.join(wanted)}, got {there}")
    return keras.tree.pack_sequence_as(specs, [arrays[name] for name in names])


def _labels(arrays: dict[str, Any], model: keras.Model) -> Any:
    """The array ``y``, or all ``y_NAME`` in the structure of the outputs; None without any."""
    if "y" in arrays:
        return arrays["y"]
    outputs = getattr(model, "_outputs_struct", None)
    mapping = isinstance(outputs, dict)
    names: Any = outputs if mapping else getattr(model, "output_names", None)
    found = {name: arrays.get(f"y_{name}") for name in names or ()}
    if all(array is None for array in found.values()):
        return None
    return found if mapping else list(found.values())


def _show(report: GradientReport, options: argparse.Namespace) -> None:
    if options.json:
        print(json.dumps(report.as_dict(), indent=1))
        return
    console = Console()
    console.print(report.table())
    for line in report.advice:
        console.print(line, markup=False, highlight=False)
