"""Dropout spreads the weights and acts in training only; turn it on once the cost is seen to fall.

A unit is kept with probability keep_prob and then scaled up by 1 / keep_prob: the mean stays, and
nothing is left to do at inference. No unit can rely on any one input, so it spreads its weights:
(sum w^2)^2 / sum w^4 inputs carry it, 1 if one weight is large, n if all n are equal. Each layer
has its own keep_prob, the lowest after the layer with most weights: here the first has 100,000.

With other masks in each step the cost no longer falls at every iteration: a wrong gradient hides
behind that. So train without, see the cost fall, then let ``RegularizationActivation`` turn it on.
"""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np

from keras_ext.callbacks import RegularizationActivation
from keras_ext.chart_records import Chart, Line, Panel
from keras_ext.claim_records import Finding, Number, Rule
from keras_ext.diagnosis import over_seeds
from keras_ext.records import TrainConfig
from keras_ext.regularization import Dropout
from recipes.article.effort import Effort
from recipes.article.page import alone
from recipes.article.reasons import why_not
from recipes.article.trained import Trainer, mnist, wrong

KEEP = {"1 and 1": (0, 0), "0.5 and 1": (0.5, 0), "1 and 0.5": (0, 0.5), "0.5 and 0.5": (0.5, 0.5)}
"""The rate, 1 - keep_prob, in each hidden layer."""
BASE = TrainConfig(model="mlp", units=128, layers=2, batch_norm=False, schedule="constant")
FALL = replace(BASE, dropout=0.5, optimizer="sgd", momentum=0.0, learning_rate=0.05, epochs=60)
OFF, DRAWN = 30, 100_000


def experiment(effort: Effort) -> Finding:
    """Dropout in no layer, in one of them or in both; then off first and on later."""
    examples, epochs = effort.pick(500, 1000, 5000), effort.pick(15, 40, 80)
    seeds, trainer, falls, passed = effort.seeds(3, 4, 10), Trainer(), [], []
    error, spread = found = np.zeros((2, len(seeds), len(KEEP)))
    for row, seed in enumerate(seeds):
        splits = mnist(examples, seed=seed, validation=effort.pick(1000, 3000, 10_000))
        small = replace(BASE, seed=seed, epochs=epochs, batch_size=64)
        for column, rates in enumerate(KEEP.values()):
            model = trainer.fitted(replace(small, dropout=rates), splits.train)
            found[:, row, column] = wrong(model, splits.validation), carrying(model)
        later = RegularizationActivation(after_epochs=OFF, on_rising_cost="ignore")
        fall = replace(FALL, seed=seed, batch_size=examples)
        falls.append(trainer(fall, splits, later)[0].history)
        passed.append(later.falling.passed is True)
    costs, clean = np.array([[[e[k] for e in f] for f in falls] for k in ("cost", "train_cost")])
    rises = (np.diff(costs[:, OFF:]) > 0).mean(axis=1)
    wider = over_seeds(spread[:, 1] - spread[:, 0])
    saved, order = over_seeds(error[:, 0] - error[:, 3]), over_seeds(error[:, 2] - error[:, 1])
    step, (moved, mean) = np.diff(costs[:, :OFF]).max(), in_training_and_not(0.5, effort.seed)
    return Finding(
        setup=f"{examples:,} images of MNIST, two hidden layers of {BASE.units} ReLU units, Adam, "
        f"{epochs} epochs, {len(seeds)} seeds. Full batches: dropout from step {OFF + 1} on.",
        numbers=(
            Number.of("validation error saved by keep_prob 0.5 in both layers", saved, "points"),
            Number.of("saved by 0.5 in the first layer beyond 0.5 in the second", order, "points"),
            Number.of("more inputs that carry a unit, with 0.5 of them kept", wider, "inputs"),
            Number.of("iterations at which the cost rises with dropout on", over_seeds(rises), "%"),
        ),
        rules=(
            Rule("with dropout off the full-batch cost falls at every iteration, in every seed",
                 all(passed) and step < 0, "the learning rate is too high"),
            Rule("with dropout on it rises at some iterations, in every seed", rises.min() > 0),
            Rule("at inference a layer gives back its inputs, in training their mean stays (to "
                 "4 standard errors)", moved == 0 and abs(mean - 1) < 4 / np.sqrt(DRAWN)),
            Rule("units spread their weights over more inputs (interval above 0)", wider.above(),
                 why_not(wider, "they start out spread, and dropout moves them away from there")),
            Rule("0.5 in both layers lowers the validation error (interval above 0)",
                 saved.above(), why_not(saved, "with it the network needs more epochs")),
            Rule("0.5 saves more after the first layer, which has six times the weights (interval "
                 "above 0)", order.above(), why_not(order, "not weights alone decide")),
        ),
        explanation="The cost is of another network at each iteration: look for errors without it.",
        charts=(fall_drawn(costs, clean), layers_drawn(error, spread)),
        values={"step": step, "rises": rises.min(), "moved": moved, "mean": mean},
    )  # fmt: skip


def carrying(model: keras.Model) -> float:
    """How many inputs carry a unit of the second hidden layer, in the mean of the units."""
    squares = np.square(model.trainable_variables[2].numpy().astype("float64"))
    return float(np.mean(squares.sum(axis=0) ** 2 / np.square(squares).sum(axis=0)))


def in_training_and_not(rate: float, seed: int) -> tuple[float, float]:
    """What dropout changes ones by at inference, and the mean it makes of them in training."""
    layer, ones = Dropout(rate, seed=seed), np.ones(DRAWN, "float32")
    inference, training = (np.asarray(layer(ones, training=how)) for how in (False, True))
    return float(np.abs(inference - 1).max()), float(training.mean(dtype="float64"))


def fall_drawn(costs: np.ndarray, clean: np.ndarray) -> Chart:
    """The cost of each iteration: with the masks that were drawn, and with all units."""
    x = range(1, FALL.epochs + 1)
    on = Line("dropout on", [OFF + 0.5] * 2, [0, costs.max()], kind="dashed", color="mistake")
    both = Line("in training, one seed", x, costs[0]), Line.over_seeds("all units", x, clean)
    panel = Panel(x_label="iteration (full batch)", y_label="cost", lines=(*both, on))
    words = "All units: mean over seeds with its 95 % interval. In training: with masks."
    return Chart(title="Cost of each iteration", caption=words, panels=(panel,))


def layers_drawn(error: np.ndarray, spread: np.ndarray) -> Chart:
    """Error and spread for each choice of keep_prob."""
    shown = ("validation error", True, error), ("inputs that carry a unit", False, spread)
    panels = [Panel(x_label=label, y_label="keep_prob of both layers", names=tuple(KEEP),
                    percent=shares, lines=(Line.over_seeds("", range(len(KEEP)), each),))
              for label, shares, each in shown]  # fmt: skip
    words = "Means over seeds, with 95 % intervals; all units kept, 0.5 of one layer's, or of both."
    return Chart(title="Error and spread by keep_prob", caption=words, panels=tuple(panels))


if __name__ == "__main__":
    raise SystemExit(alone("dropout"))
