"""Early stopping couples two knobs: it fights overfitting by not optimizing the cost.

Where validation error stops falling, early stopping ends the training, and the cost stays where it
was. Keep the two apart: let the training cost alone decide when to stop, and fight overfitting with
regularization. ``OrthogonalEarlyStopping`` does so: where early stopping would give up, it turns
one knob and goes on. We train one network three ways with the same seeds, and look at both axes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from keras_ext.callbacks import OrthogonalEarlyStopping
from keras_ext.claim_records import Chart, Finding, Line, Number, Panel, Rule
from keras_ext.diagnosis import early_stop, over_seeds
from keras_ext.records import TrainConfig
from recipes.article.effort import Effort
from recipes.article.page import alone
from recipes.article.trained import Trainer, mnist

BASE = TrainConfig(model="mlp", units=128, layers=2, batch_norm=False, schedule="constant")
BASE = replace(BASE, batch_size=64, l2=1e-6, dropout=1e-3)
"""Both knobs are there, and so low that they do nothing."""
REGULARIZED = replace(BASE, l2=1e-3, dropout=0.5)
PATIENCE = 3
WAYS = ("early stopping", "orthogonal early stopping", "full training, regularized")


def experiment(effort: Effort) -> Finding:
    """Early stopping is read off the run that trains on without regularization."""
    examples, epochs = effort.pick(500, 1000, 5000), effort.pick(20, 40, 80)
    seeds, trainer = effort.seeds(3, 4, 10), Trainer()
    cost, error = np.zeros((2, len(seeds), len(WAYS)))
    curves = {name: [] for name in WAYS}  # type: dict[str, list[list[tuple[float, float]]]]
    turns = []
    for row, seed in enumerate(seeds):
        splits = mnist(examples, seed=seed, validation=effort.pick(2000, 4000, 10_000))
        base = replace(BASE, seed=seed, epochs=epochs)
        parts = ((part.x, part.y) for part in (splits.train, splits.validation))
        stop = OrthogonalEarlyStopping(
            *parts, patience=PATIENCE, monitor="cost", on_overfitting="dropout"
        )
        plain, turned = trainer(base, splits)[0], trainer(base, splits, stop)[0]
        regularized = trainer(replace(REGULARIZED, seed=seed, epochs=epochs), splits)[0]
        turns.append(len(stop.turns))
        costs = [epoch["validation_cost"] for epoch in plain.history]
        kept = early_stop(costs, patience=PATIENCE).kept_epoch or 0
        for column, (made, last) in enumerate(((plain, kept), (turned, -1), (regularized, -1))):
            both = [(r["train_cost"], r["validation_error"]) for r in made.history]
            cost[row, column], error[row, column] = both[last]
            curves[WAYS[column]].append(both)
    optimized, regular = (over_seeds(np.log10(cost[:, 0] / cost[:, n])) for n in (1, 2))
    better, best = (over_seeds(error[:, 0] - error[:, n]) for n in (1, 2))
    return Finding(
        setup=f"{examples:,} images of MNIST, two hidden layers of {BASE.units} ReLU units, Adam, "
        f"up to {epochs} epochs, {len(seeds)} seeds. Early stopping watches the validation cost "
        f"with patience {PATIENCE} and keeps the best epoch; the orthogonal one turns dropout up "
        f"instead; the third run has dropout {REGULARIZED.dropout} and L2 {REGULARIZED.l2:g}.",
        numbers=(
            Number.of_log10("train cost, early stopping over orthogonal", optimized, "times"),
            Number.of_log10("train cost, early stopping over regularized", regular, "times"),
            Number.of("validation error saved by orthogonal early stopping", better, "points"),
            Number.of("validation error saved by full training, regularized", best, "points"),
            Number.of("notches that dropout was turned", over_seeds(turns)),
        ),
        rules=(
            Rule("early stopping leaves the train cost higher than orthogonal early stopping does "
                 "(the ratio is above 1)", optimized.above()),
            Rule("and higher than full training with regularization does (the ratio is above 1)",
                 regular.above(), "dropout and L2 themselves keep the network from fitting"),
            Rule("orthogonal early stopping has the lower validation error (interval above 0)",
                 better.above(), "the validation error moves so little after the cost has turned "
                 "that so few seeds don't tell it from nothing"),
            Rule("so has full training with regularization (interval above 0)", best.above(),
                 "dropout and L2 were not searched for"),
        ),
        explanation="Early stopping is one run instead of a search over lambda: that is its charm. "
        "The price is on the chart: it ends where the cost is still high, and one knob has moved "
        "both axes. What the validation error pays for that the numbers say.",
        charts=(drawn(curves, cost, error),),
        values={"cost": optimized.value, "error": better.value},
    )  # fmt: skip


def drawn(curves: dict, cost: np.ndarray, error: np.ndarray) -> Chart:
    """Both axes of the three ways on one chart: a path for the first seed, a dot for each."""
    colors = ("validation", "train", "optimal")
    lines = []
    for column, (name, color) in enumerate(zip(WAYS, colors, strict=True)):
        x, y = zip(*curves[name][0], strict=True)
        lines.append(Line("", x, y, color=color))
        lines.append(Line(name, cost[:, column], error[:, column], kind="points", color=color))
    panel = Panel(x_label="train cost, without penalty", y_label="validation error", log_x=True,
                  percent=True, lines=tuple(lines))  # fmt: skip
    return Chart(
        title="Cost and validation error: where each way ends", panels=(panel,),
        caption="Dots are where each seed ends, lines the way of the first seed, from the right to "
        "the left; the first line goes on without early stopping.",
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(alone("early_stopping"))
