"""Dropout spreads the weights, acts in training only, and must wait until the cost is seen to fall.

Each layer has its own keep_prob: here 0.8 of the first hidden layer's units are kept and 0.5 of the
second's. A unit can't rely on any one input that may be gone, so it spreads its weights: the number
of inputs that carry a unit, (sum w^2)^2 / sum w^4, rises. With masks drawn anew at each step the
cost no longer falls at every iteration, and a wrong gradient hides behind that. So first train
without, see the cost fall at every full-batch iteration, then switch dropout on: that is what
``RegularizationActivation`` does, without building anything anew.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np

from keras_ext.callbacks import RegularizationActivation
from keras_ext.claim_records import Chart, Finding, Line, Number, Panel, Rule
from keras_ext.diagnosis import over_seeds
from keras_ext.records import TrainConfig
from recipes.article.effort import Effort
from recipes.article.page import alone
from recipes.article.trained import Trainer, mnist

RATES = (0.2, 0.5)
"""1 - keep_prob, by layer."""
BASE = TrainConfig(model="mlp", units=128, layers=2, batch_norm=False, schedule="constant")
FALL = replace(BASE, dropout=RATES, optimizer="sgd", momentum=0.0, learning_rate=0.05, epochs=40)
OFF_EPOCHS = 20
BEFORE, AFTER = slice(0, OFF_EPOCHS - 1), slice(OFF_EPOCHS, None)


def experiment(effort: Effort) -> Finding:
    """With and without dropout; then off first and on later."""
    examples, epochs = effort.pick(500, 1000, 5000), effort.pick(15, 30, 60)
    seeds, trainer = effort.seeds(3, 5, 10), Trainer()
    rows: list[dict[str, Any]] = []
    for seed in seeds:
        splits = mnist(examples, seed=seed, validation=effort.pick(2000, 4000, 10_000))
        small = replace(BASE, epochs=epochs, batch_size=64, seed=seed)
        without, model = trainer(small, splits)
        row: dict[str, Any] = {"plain": without.validation.error, "spread": -spread(model)}
        made, model = trainer(replace(small, dropout=RATES), splits)
        row |= {"dropped": made.validation.error, "spread": row["spread"] + spread(model)}
        row["live"] = changes(model, splits.train.x[:256])
        fall = replace(FALL, seed=seed, batch_size=examples)
        later = RegularizationActivation(after_epochs=OFF_EPOCHS, on_rising_cost="ignore")
        made, _ = trainer(fall, splits, later)
        row["costs"] = np.array([epoch["loss"] for epoch in made.history])
        rows.append(row)
    saved = over_seeds([row["plain"] - row["dropped"] for row in rows])
    spread_by = over_seeds([row["spread"] for row in rows])
    rises = [np.diff(row["costs"]) > 0 for row in rows]
    off, on = ([each[part].sum() for each in rises] for part in (BEFORE, AFTER))
    inference, training = (max(row["live"][n] for row in rows) for n in range(2))
    return Finding(
        setup=f"{examples:,} images of MNIST, two hidden layers of {BASE.units} ReLU units, "
        f"keep_prob 0.8 and 0.5, Adam for {epochs} epochs, {len(seeds)} seeds. Then gradient "
        f"descent with full batches, dropout off for {OFF_EPOCHS} iterations and then on.",
        numbers=(
            Number.of("validation error saved by dropout", saved, "points"),
            Number.of("more inputs that carry a unit of the second layer", spread_by),
            Number("rises of the cost with dropout off, most of any seed", float(max(off)),
                   f"of {OFF_EPOCHS - 1} iterations", seeds=len(seeds)),
            Number.of("rises of the cost with dropout on", over_seeds(on),
                      f"of {FALL.epochs - OFF_EPOCHS - 1} iterations"),
        ),
        rules=(
            Rule("without dropout the full-batch cost falls at every iteration", max(off) == 0),
            Rule("with dropout it rises at some iterations in every seed", min(on) > 0,
                 "the steps are so long that the cost falls by more than the masks move it"),
            Rule("at inference two answers are the same, in training they are not",
                 inference == 0 and training > 0),
            Rule("units spread their weights over more inputs (interval above 0)",
                 spread_by.above(), "the weights are still near their random start"),
            Rule("validation error is lower with dropout (interval of what is saved above 0)",
                 saved.above(), "so few seeds and epochs leave the interval wide"),
        ),
        explanation="The cost with dropout is that of another network at each iteration: plot it "
        "with dropout off when you look for errors. Layers with many weights get the "
        "lowest keep_prob.",
        charts=(drawn([row["costs"] for row in rows]),),
        values={"off": float(max(off)), "on": float(min(on)), "spread": spread_by.value},
    )  # fmt: skip


def spread(model: keras.Model) -> float:
    """How many inputs carry a unit of the second hidden layer, in the mean of the units."""
    squares = np.square(model.trainable_variables[2].numpy().astype("float64"))
    return float(np.mean(squares.sum(axis=0) ** 2 / np.square(squares).sum(axis=0)))


def changes(model: keras.Model, x: np.ndarray) -> tuple[float, float]:
    """The largest difference between two answers at inference, and in training."""
    pairs = [[np.asarray(model(x, training=how)) for _ in range(2)] for how in (False, True)]
    inference, training = (float(np.abs(one - two).max()) for one, two in pairs)
    return inference, training


def drawn(values: list[np.ndarray]) -> Chart:
    """The cost of each iteration, a line a seed."""
    lines = [Line("", range(1, len(v) + 1), v, color="train") for v in values]
    ends = [min(map(np.min, values)), max(map(np.max, values))]
    on = Line(
        "dropout is switched on", [OFF_EPOCHS + 0.5] * 2, ends, kind="dashed", color="mistake"
    )
    panel = Panel(x_label="iteration (full batch)", y_label="cost in training", lines=(*lines, on))
    return Chart(
        title="Cost of each iteration, dropout off and then on",
        caption="A line is a seed. Left of the dashed line the network is whole; right of it each "
        "iteration draws other masks, and the cost is of what they leave.", panels=(panel,),
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(alone("dropout"))
