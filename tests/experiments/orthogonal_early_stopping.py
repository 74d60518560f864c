"""OrthogonalEarlyStopping against Keras's EarlyStopping, on 2,000 MNIST images.

Claim to be tested: trained until its cost has converged (or for 100 epochs), while one variance
knob (dropout, from 0 on) is turned notch by notch as it overfits, a network has a lower validation
error and a lower training cost than the same network stopped early.

Hardware: a CPU, two cores are enough. Runs: five seeds, three fits each. Settings: MLP
784-256-256-10 with ReLU and live dropout, Adam at its default rate, batches of 50, at most 100
epochs, patience 5 everywhere, best weights restored everywhere. Early stopping monitors the
validation cost ("val_loss" of a network without penalty), and in another fit the validation error;
ours watches the cost. Each seed draws its own 2,000 training images, 10,000 for validation, which
the callbacks see, and 10,000 that none of them sees, without overlap, from MNIST's training part.

    python tests/experiments/orthogonal_early_stopping.py [--seeds 0 1 2 3 4] [--untouched]

With --untouched there is a fourth fit: ours without turning the knob, which tells how much of the
difference comes from not stopping and how much from the knob.

Prints a row a seed; a star marks a difference that is significant on the seed's 10,000 images
(paired, 95 %). Ends with the mean over the seeds of each difference and its 95 % interval
(Student's t).
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import keras
import numpy as np

from keras_ext import data
from keras_ext.callbacks import BiasVariance, OrthogonalEarlyStopping
from keras_ext.callbacks.measure import measure_each
from keras_ext.diagnosis import paired_interval
from keras_ext.regularization import Dropout

PATIENCE = 5
MOST_EPOCHS = 100
TRAIN, HELD, BATCH = 2_000, 10_000, 50
NAMES = {
    "ours": "ours",
    "cost": "early stopping on cost",
    "error": "early stopping on error",
    "untouched": "ours without a turn",
}
# Student's t for a two-sided 95 % interval, by degrees of freedom.
STUDENT = {1: 12.71, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}


@dataclass(frozen=True)
class Outcome:
    """What a fit ended with; errors are arrays of shape (examples,)."""

    epochs: int
    train_cost: float
    validation: np.ndarray
    unseen: np.ndarray
    note: str
    seconds: float


def network(seed: int) -> keras.Model:
    """The MLP; its knob is off."""
    keras.utils.set_random_seed(seed)
    layers: list[Any] = [keras.Input((28, 28, 1)), keras.layers.Rescaling(1 / 255)]
    layers.append(keras.layers.Flatten())
    for number in range(2):
        layers.append(keras.layers.Dense(256, "relu", kernel_initializer="he_normal"))
        layers.append(Dropout(0.0, seed=seed + number))
    model = keras.Sequential([*layers, keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.001), loss, steps_per_execution=TRAIN // BATCH)
    return model


def examples(arrays: data.Arrays, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Training, validation and unseen images, drawn at random without overlap."""
    train = arrays.part("train")
    rows = np.random.default_rng(seed).permutation(len(train.x))[: TRAIN + 2 * HELD]
    parts = np.split(rows, [TRAIN, TRAIN + HELD])
    return [(train.x[part], train.y[part]) for part in parts]


def fit(parts: list[tuple[np.ndarray, np.ndarray]], seed: int, how: str) -> Outcome:
    """One run: "cost" and "error" stop early on that, "ours" turns dropout, "untouched" doesn't."""
    model, watch = network(seed), BiasVariance(parts[0], parts[1])
    stop: Any = OrthogonalEarlyStopping(
        watch,
        patience=PATIENCE,
        monitor="cost",
        restore="best_validation",
        on_overfitting="dropout" if how == "ours" else None,
    )
    if how in ("cost", "error"):
        stop = keras.callbacks.EarlyStopping(
            f"validation_{how}", patience=PATIENCE, mode="min", restore_best_weights=True
        )
    began = time.perf_counter()
    options = {"batch_size": BATCH, "epochs": MOST_EPOCHS, "verbose": 0}
    logs = model.fit(*parts[0], callbacks=[watch, stop], **options).history
    seconds, note = time.perf_counter() - began, ""
    if how == "ours":
        print(stop.report.summary(), file=sys.stderr)
        note = ", ".join(f"{turn.after:g} after {turn.epoch + 1}" for turn in stop.turns)
    train, validation, unseen = (measure_each(model, part) for part in parts)
    assert train.cost is not None
    return Outcome(
        len(logs["loss"]), train.cost, validation.errors, unseen.errors, note or "none", seconds
    )


def interval(values: list[float]) -> str:
    """Mean over the seeds, and its 95 % interval where there are several."""
    mean = statistics.mean(values)
    if len(values) < 2:
        return f"{mean:+.4f}"
    quantile = STUDENT.get(len(values) - 1, STUDENT[9])  # Too wide for more than ten seeds.
    half = quantile * statistics.stdev(values) / sqrt(len(values))
    return f"{mean:+.4f} [{mean - half:+.4f}, {mean + half:+.4f}]"


def cells(outcome: Outcome) -> str:
    """Epochs, training cost, validation error, unseen error."""
    errors = f"{outcome.validation.mean():.4f} {outcome.unseen.mean():.4f}"
    return f"{outcome.epochs:>3} {outcome.train_cost:.5f} {errors}"


def difference(ours: Outcome, other: Outcome) -> str:
    """Ours minus the other on the validation images, paired."""
    low, high = paired_interval(ours.validation, other.validation)
    value = ours.validation.mean() - other.validation.mean()
    return f"{value:+.4f} [{low:+.4f}, {high:+.4f}]{'*' if low > 0 or high < 0 else ' '}"


def totals(rows: list[dict[str, Outcome]]) -> None:
    """The mean of each difference over the seeds."""
    for name in list(rows[0])[1:]:
        print(f"ours minus {NAMES[name]}, mean over {len(rows)} seeds")
        for what in ("validation", "unseen"):
            pairs = [(getattr(row["ours"], what), getattr(row[name], what)) for row in rows]
            print(f"  {what} error {interval([float(a.mean() - b.mean()) for a, b in pairs])}")
        costs = [row["ours"].train_cost - row[name].train_cost for row in rows]
        print(f"  training cost {interval(costs)}")


def main() -> None:
    """Run all seeds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--untouched", action="store_true", help="a fourth fit without the knob")
    given = parser.parse_args()
    arrays = data.load("mnist")
    names = list(NAMES) if given.untouched else list(NAMES)[:-1]
    print("epochs, training cost, validation error, unseen error of each; then ours minus each")
    print("other, validation error; then the values of the knob")
    print(" | ".join(["seed", *(f"{NAMES[name]:<25}" for name in names)]))
    rows = []
    for seed in given.seeds:
        parts = examples(arrays, seed)
        found = {how: fit(parts, seed, how) for how in names}
        rows.append(found)
        shown = [cells(outcome) for outcome in found.values()]
        shown += [difference(found["ours"], found[name]) for name in names[1:]]
        print(" | ".join([f"{seed:>4}", *shown, found["ours"].note]), flush=True)
        seconds = [round(outcome.seconds, 1) for outcome in found.values()]
        print(f"seconds in fit: {seconds}", file=sys.stderr)
    totals(rows)


if __name__ == "__main__":
    main()
