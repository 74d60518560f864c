"""Ratios of speed, both sides in one process and interleaved: ``make benchmark``.

Prints one JSON line for each benchmark: name, ratio (median over the repeats), target, unit, n.
What happened in each repeat goes to stderr.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import recipes  # Before TensorFlow, which it sets up, for both sides of each ratio.
from keras_ext import data, training
from keras_ext.training import open_test
from recipes.mnist import PRESETS, VALIDATION
from tests.benchmarks.augmentation import BENCHMARKS as AUGMENTATION
from tests.benchmarks.callbacks import BENCHMARKS as CALLBACKS
from tests.benchmarks.gradients import BENCHMARKS as GRADIENTS
from tests.benchmarks.keras_io_convnet import seconds_to_accuracy
from tests.benchmarks.knobs import BENCHMARKS as KNOBS
from tests.benchmarks.sweeps import BENCHMARKS as SWEEPS

TARGET_ACCURACY = 0.99


def mnist_fast(repeats: int) -> dict[str, object]:
    """Time in ``fit`` of the recipe's fast preset over the keras.io convnet's time to 99.0 %."""
    arrays = data.load("mnist")
    test = arrays.part("test")
    ratios = []
    for seed in range(repeats):
        config = replace(PRESETS["fast"].config, seed=seed)
        splits = data.split(arrays, seed=seed, validation=VALIDATION)
        result = open_test(training.run(config, splits, quiet=True), splits)
        ours = result.rounds[0].fit_seconds
        accuracy = 1 - result.errors["test"].error
        train = arrays.part("train")
        theirs, epochs, reached = seconds_to_accuracy(
            (train.x, train.y), (test.x, test.y), TARGET_ACCURACY, seed
        )
        print(
            f"seed {seed}: fast {accuracy:.2%} in {ours:.1f} s; "
            f"keras.io {reached:.2%} in {theirs:.1f} s, {epochs} epochs",
            file=sys.stderr,
        )
        ratios.append(ours / theirs)
    return {
        "name": "mnist_fast_fit",
        "ratio": round(statistics.median(ratios), 3),
        "target": 0.2,
        "unit": "time of the keras.io convnet to 99.0 % test accuracy",
        "n": repeats,
    }


BENCHMARKS = {
    "mnist_fast_fit": mnist_fast,
    **AUGMENTATION,
    **CALLBACKS,
    **KNOBS,
    **GRADIENTS,
    **SWEEPS,
}


def main() -> None:
    """Run the benchmarks that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", choices=[*BENCHMARKS, []], help="which ones (default: all)"
    )
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    print(f"with {recipes.FASTER}", file=sys.stderr)
    for name in given.names or BENCHMARKS:
        print(json.dumps(BENCHMARKS[name](given.repeats)), flush=True)


if __name__ == "__main__":
    main()
