"""L2 regularization keeps weights small and the boundary smooth: against variance, up to too much.

With lambda the norm of the weights falls and the boundary between two classes goes from one that
winds around single points to one that is smooth, and then to a line. So the gap between train and
validation error closes; beyond that the network is too simple for the data, and both errors rise:
oversmoothing is bias.

A network that is far too large for 60 points of two half moons is trained with growing lambda. The
best error that any classifier can have here is that of noise alone; validation is on 4,000 points.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np

from keras_ext.chart_records import Chart, Line, Panel, Surface
from keras_ext.claim_records import Finding, Number, Rule
from keras_ext.diagnosis import over_seeds
from keras_ext.records import Arrays, TrainConfig
from recipes.article.effort import Effort
from recipes.article.page import alone
from recipes.article.trained import Trainer, two_moons, wrong

STRENGTHS = (1e-7, 1e-5, 1e-4, 1e-3, 5e-3, 2e-2, 1e-1, 3e-1)
SHOWN = (0, 3, 6)
BASE = TrainConfig(model="mlp", units=64, layers=2, batch_norm=False, schedule="constant")
BASE = replace(BASE, activation="tanh", learning_rate=0.01)
EXAMPLES, NOISE, VALIDATION_SEED = 60, 0.3, 10_000


def experiment(effort: Effort) -> Finding:
    """Norm, boundary and errors over lambda."""
    seeds = effort.seeds(3, 6, 20)
    validation = two_moons(4000, seed=VALIDATION_SEED, noise=NOISE)
    trainer, pictures = Trainer(), []  # type: Trainer, list[Panel]
    norm, train_error, error = np.zeros((3, len(seeds), len(STRENGTHS)))
    for row, seed in enumerate(seeds):
        train = two_moons(EXAMPLES, seed=seed, noise=NOISE)
        for column, strength in enumerate(STRENGTHS):
            config = replace(BASE, l2=strength, seed=seed, epochs=effort.pick(300, 600, 1500))
            model = trainer.steps(config, train)
            norm[row, column] = weight_norm(model)
            train_error[row, column] = wrong(model, train)
            error[row, column] = wrong(model, validation)
            if row == 0 and column in SHOWN:
                pictures.append(boundary(model, train, strength))
    best = int(error.mean(axis=0).argmin())
    shrinks = over_seeds(norm[:, -1] / norm[:, 0])
    helps = over_seeds(error[:, 0] - error[:, best])
    gap = over_seeds((error - train_error)[:, 0] - (error - train_error)[:, best])
    bias, worse = (over_seeds(e[:, -1] - e[:, best]) for e in (train_error, error))
    return Finding(
        setup=f"{EXAMPLES} points of two half moons (noise {NOISE}), two hidden layers of "
        f"{BASE.units} tanh units, Adam, {len(seeds)} seeds with points of their own.",
        numbers=(
            Number.of(f"validation error saved by L2 {STRENGTHS[best]:g}", helps, "points"),
            Number.of("gap between validation and train error closed by it", gap, "points"),
            Number.of("norm of the weights, strongest over weakest L2", shrinks, "%"),
            Number.of("train error added by the strongest L2", bias, "points"),
            Number.of("validation error added by it", worse, "points"),
        ),
        rules=(
            Rule("the norm of the weights falls (interval of the ratio below 1)", shrinks.below(1)),
            Rule("some L2 lowers the validation error (interval of what it saves above 0)",
                 helps.above(), "60 points differ much from seed to seed: more seeds may tell"),
            Rule("it closes the gap to the train error (interval above 0)", gap.above()),
            Rule("too much is bias: train error rises (interval above 0)", bias.above()),
            Rule("and validation error with it (interval above 0)", worse.above()),
        ),
        explanation="One knob leads from variance to bias, and only the validation error tells "
        "where to stop. The best L2 was chosen by it, so its saving looks a little too good.",
        charts=(
            Chart(title="The boundary with little, enough and too much L2", panels=tuple(pictures),
                  caption="Training points of one seed, and where the network changes its mind."),
            errors_drawn(norm, train_error, error),
        ),
        values={"shrinks": shrinks.value, "helps": helps.value, "bias": bias.value},
    )  # fmt: skip


def weight_norm(model: keras.Model) -> float:
    """The root of the sum of all squared kernel weights."""
    kernels = [w.numpy() for w in model.trainable_variables if len(w.shape) == 2]
    return float(np.sqrt(sum(np.square(kernel).sum() for kernel in kernels)))


def boundary(model: keras.Model, train: Arrays, strength: float) -> Panel:
    """Where both classes are equally likely."""
    x, y = np.linspace(-2, 3, 61), np.linspace(-1.5, 2, 61)
    places = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype("float32")
    logits = np.asarray(model(places))
    surface = Surface(x, y, (logits[:, 1] - logits[:, 0]).reshape(61, 61), [0.0], regions=True)
    groups = [train.x[train.y == label] for label in range(2)]
    points = [Line(f"class {n}", g[:, 0], g[:, 1], kind="points") for n, g in enumerate(groups)]
    return Panel(title=f"L2 {strength:g}", x_label="first feature", y_label="second feature",
                 lines=tuple(points), surface=surface, square=True)  # fmt: skip


def errors_drawn(norm: np.ndarray, *errors: np.ndarray) -> Chart:
    """All three over lambda."""
    x: dict[str, Any] = {"x_label": "L2 strength, lambda/(2m)", "log_x": True}
    both = zip(("train", "validation"), errors, strict=True)
    lines = tuple(Line.over_seeds(name, STRENGTHS, values) for name, values in both)
    norms = (Line.over_seeds("", STRENGTHS, norm, color="optimal"),)
    return Chart(
        title="Errors and weights over the strength of L2",
        caption="Means over seeds; bands are 95 % intervals over seeds.",
        panels=(Panel(title="Error", y_label="error", percent=True, lines=lines, **x),
                Panel(title="Norm of the weights", y_label="norm", lines=norms, **x)),
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(alone("l2"))
