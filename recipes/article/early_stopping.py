"""Early stopping couples two knobs: it fights overfitting by not optimizing the cost.

Where the validation cost stops falling, early stopping ends the training; the training cost stays
where it was. Keep both apart: let the training cost alone say when to end, and fight overfitting
with a knob of its own. Where early stopping would give up, ``OrthogonalEarlyStopping`` turns
dropout up and trains on, until the training cost has converged. Or choose dropout beforehand, and
train to the end. We compare these three, and training to the end without dropout: early stopping is
the beginning of that run. Costs are those of clean training images, no unit dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import keras
import numpy as np

from keras_ext.callbacks import OrthogonalEarlyStopping
from keras_ext.chart_records import Chart, Line, Panel
from keras_ext.claim_records import Finding, Number, Rule
from keras_ext.diagnosis import over_seeds
from keras_ext.records import TrainConfig
from recipes.article.effort import Effort
from recipes.article.page import alone
from recipes.article.reasons import why_not
from recipes.article.trained import Trainer, mnist

BASE = TrainConfig(model="mlp", units=128, layers=2, batch_norm=False, schedule="constant")
BASE = replace(BASE, batch_size=64, dropout=0.001)
"""Dropout is as good as off, but there is a knob to turn."""
STRONG, PATIENCE, LEAST = 0.5, 5, 0.1
SLOW = "with dropout the cost falls slower"
WAYS = ("early stopping", "orthogonal", "regularized", "neither")
Row = Mapping[str, float]


def experiment(effort: Effort) -> Finding:
    """The cost and the validation error of each way."""
    examples, epochs = effort.pick(500, 1000, 5000), effort.pick(30, 50, 100)
    seeds, trainer = effort.seeds(3, 4, 10), Trainer()
    runs, ends, turned = [], [], []
    for seed in seeds:
        splits = mnist(examples, seed=seed, validation=effort.pick(1000, 3000, 10_000))
        parts = ((part.x, part.y) for part in (splits.train, splits.validation))
        orthogonal = OrthogonalEarlyStopping(*parts, patience=PATIENCE, min_delta=LEAST,
                                             monitor="cost", on_overfitting="dropout")  # fmt: skip
        stopping = keras.callbacks.EarlyStopping("validation_cost", mode="min", patience=PATIENCE,
                                                 restore_best_weights=True)  # fmt: skip
        config = replace(BASE, seed=seed, epochs=epochs)
        regularized = replace(config, dropout=STRONG)
        ways = ((config, stopping), (config, orthogonal), (regularized,), (config,))
        runs.append([trainer(way[0], splits, *way[1:])[0].history for way in ways])
        ends.append([runs[-1][0][stopping.best_epoch], *(rows[-1] for rows in runs[-1][1:])])
        turned.append(len(orthogonal.turns))
    apart = max(
        abs(a["cost"] - b["cost"]) for run in runs for a, b in zip(run[0], run[3], strict=False)
    )
    cost, error = (np.array([[row[what] for row in run] for run in ends])
                   for what in ("train_cost", "validation_error"))  # fmt: skip
    above = [over_seeds(np.log10(cost[:, 0] / cost[:, n])) for n in (1, 2, 3)]
    saved = [over_seeds(error[:, 0] - error[:, n]) for n in (1, 2, 3)]
    names = ("orthogonal early stopping", "full training with dropout", "full training without")
    least = f"stops when the cost falls by less than {LEAST:.0%} in {PATIENCE} epochs"
    return Finding(
        setup=f"{examples:,} images of MNIST, two hidden layers of {BASE.units} ReLU units, Adam, "
        f"at most {epochs} epochs, {len(seeds)} seeds. Keras's EarlyStopping watches the "
        f"validation cost (patience {PATIENCE}) and brings back the best epoch's weights; the "
        f"orthogonal one {least}; regularized is dropout {STRONG} from the beginning.",
        numbers=(
            *(Number.of_log10(f"train cost of early stopping over that of {name}", ratio, "times")
              for name, ratio in zip(names, above, strict=True)),
            *(Number.of(f"validation error that {name} saves", each, "points")
              for name, each in zip(names, saved, strict=True)),
            Number.of("notches that dropout was turned up on the way", over_seeds(turned)),
        ),
        rules=(
            Rule("early stopping leaves the cost higher than the same network reaches when it is "
                 "trained on (interval of the ratio above 1)", above[2].above()),
            Rule("and higher than orthogonal early stopping does (likewise)",
                 above[0].above(), why_not(above[0], SLOW)),
            Rule("and higher than full training with dropout does (likewise)",
                 above[1].above(), why_not(above[1], SLOW)),
            Rule("orthogonal early stopping has the lower validation error (interval above 0)",
                 saved[0].above(), why_not(saved[0], "dropout comes late, to a network that has "
                                           "overfitted already")),
            Rule("full training with dropout has the lower validation error (interval above 0)",
                 saved[1].above(), why_not(saved[1], f"dropout {STRONG} was not searched for")),
        ),
        explanation="Early stopping is one run, without a search for a strength: its charm. The "
        "price: one knob, the epoch, moves both panels. What training on alone saves is no merit "
        "of dropout. Early stopping's epoch was chosen on the validation images: that flatters it.",
        charts=(drawn(runs, ends),),
        values={"above": above[2].value, "apart": apart},
    )  # fmt: skip


def drawn(runs: list[list[tuple[Row, ...]]], ends: list[list[Row]]) -> Chart:
    """Cost and error of each epoch, and where the two kinds of early stopping end."""
    panels = []
    for what, label in (("train_cost", "training cost"), ("validation_error", "validation error")):
        lines, shares = [], what == "validation_error"
        for way, color in ((3, "muted"), (1, "train"), (2, "optimal")):
            each = [[row[what] for row in run[way]] for run in runs]
            values = [row[: min(map(len, each))] for row in each]
            lines.append(Line.over_seeds(WAYS[way], range(1, len(values[0]) + 1), values,
                                         geometric=not shares, color=color))  # fmt: skip
        for way, name, color in ((0, WAYS[0], "mistake"), (1, "", "train")):
            x, y = zip(*((run[way]["epoch"] + 1, run[way][what]) for run in ends), strict=True)
            lines.append(Line(name, x, y, kind="points", color=color))
        panels.append(Panel(x_label="epoch", y_label=label, log_y=not shares, percent=shares,
                            lines=tuple(lines)))  # fmt: skip
    words = "Means over seeds (costs: geometric) with 95 % intervals, up to where the first seed "
    words += "ends. Dots: a seed's epoch that early stopping keeps, and the orthogonal one's last."
    return Chart(title="Cost and error of each epoch", caption=words, panels=tuple(panels))


if __name__ == "__main__":
    raise SystemExit(alone("early_stopping"))
