"""With strong L2 regularization tanh units work near zero, where tanh is linear.

The larger lambda, the smaller the weights, the smaller z = W x + b, and tanh(z) = z - z^3/3 + ...
is z itself up to a part that shrinks with the square of z. A network of any depth whose units all
work there is a linear function of its inputs, and too simple to overfit.

We train a network of two hidden layers on points of two half moons with growing lambda, look at z
in the first layer, and fit the best linear function to what the network says: what that leaves over
must go to zero, and, as a share of the output, with the square of z.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np

from keras_ext.chart_records import Chart, Line, Panel
from keras_ext.claim_records import Finding, Number, Rule
from keras_ext.diagnosis import over_seeds
from keras_ext.records import Arrays, TrainConfig
from recipes.article.effort import Effort
from recipes.article.page import alone
from recipes.article.trained import Trainer, two_moons

STRENGTHS = (1e-5, 1e-3, 1e-2, 3e-2, 5e-2, 8e-2, 0.3)
BASE = TrainConfig(model="mlp", units=16, layers=2, activation="tanh", batch_norm=False)
BASE = replace(BASE, schedule="constant", learning_rate=0.01)


def experiment(effort: Effort) -> Finding:
    """Size of z and distance from a linear function, over lambda."""
    seeds = effort.seeds(3, 5, 20)
    trainer = Trainer()
    size, over, output = np.zeros((3, len(seeds), len(STRENGTHS)))
    for row, seed in enumerate(seeds):
        train = two_moons(200, seed=seed)
        for column, strength in enumerate(STRENGTHS):
            config = replace(BASE, l2=strength, seed=seed, epochs=effort.pick(300, 500, 1000))
            model = trainer.steps(config, train)
            size[row, column] = rms(first_z(model, train))
            over[row, column], output[row, column] = left_over(model, train)
    shrunk = over_seeds(size[:, -1] / size[:, 0])
    left = over_seeds(over[:, -1] / over[:, 0])
    # The two strengths before the last, which makes the whole network zero.
    share, z = np.log(over / np.maximum(output, 1e-30) + 1e-30), np.log(size)
    power = over_seeds((share[:, -2] - share[:, -3]) / (z[:, -2] - z[:, -3]))
    weak, strong = (over_seeds(over[:, n] / output[:, n]) for n in (0, -2))
    return Finding(
        setup=f"200 points of two half moons, two hidden layers of {BASE.units} tanh units, Adam, "
        f"L2 strengths lambda/(2m) from {STRENGTHS[0]:g} to {STRENGTHS[-1]:g}, {len(seeds)} seeds.",
        numbers=(
            Number.of("left over at the strongest L2, of that at the weakest", left, "%"),
            Number.of("z at the strongest L2, of that at the weakest", shrunk, "%"),
            Number.of(f"share of the output that isn't linear, at {STRENGTHS[0]:g}", weak, "%"),
            Number.of(f"the same at {STRENGTHS[-2]:g}", strong, "%"),
            Number.of("that share falls with this power of z (theory: 2)", power),
        ),
        rules=(
            Rule("z shrinks (the interval of the ratio is below 1)", shrunk.below(1)),
            Rule("what a linear function leaves over goes to zero: below 1 % of what it was with "
                 "the weakest L2 (the whole interval)", left.below(0.01)),
            Rule("before that, its share falls with a power of z above 1 that may be 2 (both by "
                 "the interval)", power.above(1) and not power.below(2) and not power.above(2),
                 "the other layers' weights shrink with lambda too, and not in step with z"),
        ),
        explanation="Strong L2 makes a deep network act like logistic regression. That is how L2 "
        "fights variance, and why too much of it is bias: half moons need a curve. This is about "
        "activations that are smooth at 0; ReLU has its kink there.",
        charts=(drawn(size, over, len(seeds)),),
        values={"left": left.value, "shrunk": shrunk.value, "power": power.value,
                "weak": weak.value, "strong": strong.value},
    )  # fmt: skip


def first_z(model: keras.Model, arrays: Arrays) -> np.ndarray:
    """What goes into the units of the first hidden layer."""
    hidden = next(layer for layer in model.layers if isinstance(layer, keras.layers.Activation))
    part = keras.Model(model.inputs[0], hidden.input)
    return np.asarray(part(arrays.x), "float64")


def left_over(model: keras.Model, arrays: Arrays) -> tuple[float, float]:
    """The root mean squares of what the best linear fit leaves over, and of the output.

    The output is the difference of both classes' logits, at the points themselves.
    """
    logits = np.asarray(model(arrays.x), "float64")
    output = logits[:, 1] - logits[:, 0]
    inputs = np.column_stack([arrays.x, np.ones(len(arrays))])
    fit = inputs @ np.linalg.lstsq(inputs, output, rcond=None)[0]
    return rms(output - fit), rms(output - output.mean())


def rms(values: np.ndarray) -> float:
    """The root mean square."""
    return float(np.sqrt(np.mean(np.square(values))))


def drawn(size: np.ndarray, over: np.ndarray, seeds: int) -> Chart:
    """Both over lambda."""
    x: dict[str, Any] = {"x_label": "L2 strength, lambda/(2m)", "log_x": True}
    lines = (Line.over_seeds("", STRENGTHS, size), Line.over_seeds("", STRENGTHS, over))
    return Chart(
        title="z shrinks, and the network becomes linear",
        caption=f"Means of {seeds} seeds, bands are 95 % intervals over seeds. First: root mean "
        "square of z in the first hidden layer. Second: that of what the best linear fit leaves "
        "over of the network's output, in logits.",
        panels=(
            Panel(title="Size of z", y_label="root mean square of z", lines=lines[:1], **x),
            Panel(title="Not linear", y_label="left over, in logits", lines=lines[1:], **x),
        ),
    )


if __name__ == "__main__":
    raise SystemExit(alone("tanh"))
