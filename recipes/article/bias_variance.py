"""Bias is cured by a larger network, variance by data and regularization, not the other way round.

Three networks learn the same digits. The tiny one has bias: its train error is far above the
optimal error, that of a careful person. The oversized one has variance: its validation error is far
above its train error. The good one has less of both together. ``diagnose`` says which it
is, and each illness is then treated with the right remedy and with the wrong one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from keras_ext.chart_records import Chart, Line, Panel
from keras_ext.claim_records import Finding, Number, Rule
from keras_ext.diagnosis import OverSeeds, over_seeds
from keras_ext.records import Round, TrainConfig
from recipes.article.effort import Effort
from recipes.article.page import alone
from recipes.article.trained import Trainer, mnist

OPTIMAL = 0.002
TINY = TrainConfig(model="mlp", units=4, layers=1, batch_norm=False, optimal_error=OPTIMAL)
TINY = replace(TINY, activation="tanh", batch_size=64, learning_rate=0.003, tolerance=0.02)
OVERSIZED = replace(TINY, units=256, layers=2, activation="relu", learning_rate=0.001)
GOOD = replace(OVERSIZED, model="convnet", units=8, layers=2, dropout=0.3)
NETWORKS = {"tiny": TINY, "good": GOOD, "oversized": OVERSIZED}
MORE_DATA = "oversized, 4 times the data"
REMEDIES = {
    "tiny, more units": replace(TINY, units=64),
    "tiny, dropout": replace(TINY, dropout=0.3),
    "oversized, more units": replace(OVERSIZED, units=512),
    "oversized, dropout": replace(OVERSIZED, dropout=0.5),
    MORE_DATA: OVERSIZED,
}


def experiment(effort: Effort) -> Finding:
    """Three networks, and five treatments."""
    examples, epochs = effort.pick(500, 1000, 5000), effort.pick(16, 20, 30)
    seeds = effort.seeds(3, 4, 10)
    runs = {name: [] for name in (*NETWORKS, *REMEDIES)}  # type: dict[str, list[Round]]
    trainer = Trainer()
    for seed in seeds:
        most = mnist(4 * examples, seed=seed, validation=effort.pick(2000, 4000, 10_000))
        few = replace(most, train=most.train.take(np.arange(examples)))
        for name, config in {**NETWORKS, **REMEDIES}.items():
            made = replace(config, seed=seed, epochs=epochs)
            runs[name].append(trainer(made, most if name == MORE_DATA else few)[0])
    errors = {name: [round.validation.error for round in made] for name, made in runs.items()}
    cured = {name: saved(errors, name.split(",")[0], name) for name in REMEDIES}
    said = {name: [round.diagnosis.dominant for round in runs[name]] for name in NETWORKS}
    gaps = {name: over_seeds(np.subtract(errors[name], OPTIMAL)) for name in NETWORKS}
    better = [saved(errors, name, "good").above() for name in ("tiny", "oversized")]
    right = saved(errors, "oversized, more units", MORE_DATA)
    return Finding(
        setup=f"{examples:,} images of MNIST; a hidden layer of {TINY.units} units, a convnet with "
        f"dropout, two layers of {OVERSIZED.units}; Adam, {epochs} epochs, {len(seeds)} seeds. "
        f"Optimal error {100 * OPTIMAL:g} %; gaps matter from {100 * TINY.tolerance:g} points on.",
        numbers=(
            *(Number.of(f"validation error saved: {n}", c, "points") for n, c in cured.items()),
            *(Number.of(f"{n}: error above the optimal", g, "points") for n, g in gaps.items()),
        ),
        rules=(
            Rule("the tiny network has bias, says the diagnosis of every seed",
                 set(said["tiny"]) == {"bias"}),
            Rule("the oversized one has variance, says the diagnosis of every seed",
                 set(said["oversized"]) == {"variance"}),
            Rule("the good one has a lower error than both (intervals above 0)", all(better)),
            Rule("more units cure bias (interval above 0)", cured["tiny, more units"].above()),
            Rule("dropout does not cure bias (interval not above 0)",
                 not cured["tiny, dropout"].above()),
            Rule("more data cure variance (interval above 0)", cured[MORE_DATA].above()),
            Rule("dropout cures variance (interval above 0)", cured["oversized, dropout"].above(),
                 "it saves as little as seeds differ, or needs more epochs"),
            Rule("a larger network cures variance less than data do (interval above 0)",
                 right.above()),
        ),
        explanation="Look at the errors before you turn a knob: the diagnosis needs no more than "
        "three. Size is the first thing to try against bias, data and regularization are against "
        "variance, and the other way round they cost time and save little.",
        charts=(drawn(runs, cured),),
        values={name: cure.value for name, cure in cured.items()},
    )  # fmt: skip


def saved(errors: dict[str, list[float]], before: str, after: str) -> OverSeeds:
    """How much less the validation error is, seed by seed."""
    return over_seeds(np.subtract(errors[before], errors[after]))


def drawn(runs: dict[str, list[Round]], cured: dict[str, OverSeeds]) -> Chart:
    """Both errors of each network, and what each treatment saved."""
    pairs = np.array([[(r.train.error, r.validation.error) for r in runs[n]] for n in NETWORKS])
    errors = [
        Line.over_seeds(split, range(3), pairs[:, :, n].T, kind="points")
        for n, split in enumerate(("train", "validation"))
    ]
    errors.append(Line("optimal", [-0.4, 2.4], [OPTIMAL] * 2, kind="dashed", color="optimal"))
    y, low, high = ([getattr(c, part) for c in cured.values()] for part in ("value", "low", "high"))
    zero = Line("", [-0.4, len(cured) - 0.6], [0, 0], kind="dashed", color="muted")
    treated = (zero, Line("", range(len(cured)), y, low, high, kind="points"))
    rows: dict[str, Any] = {"y_label": "", "percent": True}
    return Chart(
        title="What ails each network, and what each treatment saves",
        caption="First: from the optimal to the train error is bias, from there to the validation "
        "error variance. Second: right of the dashed line a treatment helped, seed by seed against "
        "the same network untreated. Dots are means, bars 95 % intervals over seeds.",
        panels=(Panel(x_label="error", names=tuple(NETWORKS), lines=tuple(errors), **rows),
                Panel(x_label="validation error saved", names=tuple(cured), lines=treated, **rows)),
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(alone("bias_variance"))
