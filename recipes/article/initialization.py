"""In a very deep network, weights a little too large or too small make activations and gradients
grow or shrink exponentially. Variance 1/n for tanh and 2/n for ReLU keeps them, n = fan-in.

A layer of ReLU multiplies the mean square of its input by n Var(w) / 2, since half of it is cut
off; over 50 layers a factor of 0.7 leaves 1e-8. For tanh, which is linear around 0, the factor is
at most n Var(w): at 1/n the signal falls slowly, and with larger weights tanh holds it back.

layer_health measures activations and gradients before the first step. Then each network is trained
for a short while with Adam at the better of two rates: with more than half of the unseen images
right it has learned something.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from keras_ext import data
from keras_ext.callbacks import layer_health
from keras_ext.chart_records import Chart, Line, Panel
from keras_ext.claim_records import Finding, Number, Rule
from keras_ext.diagnosis import LayerHealthReport, over_seeds
from recipes.article import deep
from recipes.article.effort import Effort
from recipes.article.page import alone

GAINS = {0.25: "0.25/n", 1.0: "1/n", 2.0: "2/n", 4.0: "4/n"}
SUITED = {"tanh": 1.0, "relu": 2.0}
RATES = (1e-4, 3e-4)
LEARNED = 0.5
STRAY = (
    "The variance keeps the mean square over all draws; one draw of so many narrow layers strays "
    "from it (Hanin and Rolnick 2018), and so few epochs don't make up for that."
)


def experiment(effort: Effort) -> Finding:
    """Signals of eight kinds of deep network, and which of them learn."""
    count, epochs = effort.pick((1_024, 1), (5_000, 5), (20_000, 10))
    digits = data.sample(data.load("mnist").part("train"), count + 2_000, seed=effort.seed)
    train, unseen = digits.take(slice(0, count)), digits.take(slice(count, None))
    seeds, rates = effort.seeds(2, 3, 5), effort.pick(RATES[1:], RATES, RATES)
    reports: dict[tuple[str, float], list[LayerHealthReport]] = {}
    errors: dict[tuple[str, float], list[float]] = {}
    for activation in SUITED:
        model = deep.network(activation, train)
        for gain in GAINS:
            key = activation, gain
            reports[key] = []
            for seed in seeds:
                deep.draw(model, gain, seed)
                reports[key].append(layer_health(model, train.x[:256], train.y[:256]))
            rate = deep.best_rate(model, gain, seeds[0] + 1000, rates, train, unseen, epochs)
            errors[key] = [deep.learn(model, gain, n, rate, train, unseen, epochs) for n in seeds]
    forwards = {k: deep.factor(made) for k, made in reports.items()}
    theory = {gain: math.sqrt(gain / 2) for gain in GAINS}
    off = max(abs(forwards["relu", gain] / theory[gain] - 1) for gain in GAINS)
    learned = {k: over_seeds(values) for k, values in errors.items()}
    return Finding(
        setup=f"{deep.DEPTH} layers of {deep.UNITS} units, {count:,} images of MNIST, Adam, "
        f"mini-batches of {deep.BATCH}, epochs: {epochs}, rates: {len(rates)}, the best by another "
        f"seed. 2,000 unseen images, {len(seeds)} seeds. One draw is scaled to all variances.",
        numbers=(
            *(Number.of(f"{a}, variance {GAINS[g]}: error on unseen images", learned[a, g], "%")
              for a, suited in SUITED.items() for g in (suited, *sorted(GAINS.keys() - {suited}))),
            *(Number(f"{a}, variance {GAINS[g]}: factor of the activations a layer", forwards[a, g])
              for a in SUITED for g in GAINS),
        ),
        rules=(
            Rule("ReLU multiplies the activations by sqrt(n Var(w) / 2) a layer, to 6 %",
                 off < 0.06),
            Rule("The suited variance keeps the factor of activations and of gradients between 0.9 "
                 "and 1.1", all(0.9 < f < 1.1 for a, g in SUITED.items()
                                for f in (forwards[a, g], deep.factor(reports[a, g], True)))),
            Rule("0.25/n lets the activations of both vanish, and 4/n those of ReLU explode, by "
                 "1e6 or more over the layers",
                 max(deep.span(forwards[a, 0.25]) for a in SUITED) < 1e-6
                 and deep.span(forwards["relu", 4.0]) > 1e6),
            *(Rule(f"With the suited variance {a} learns (the interval of the error is below 50 %)",
                   learned[a, gain].below(LEARNED), STRAY) for a, gain in SUITED.items()),
            Rule("With a quarter of 1/n, and for ReLU with 1/n, they don't (the interval is above "
                 "50 %)", all(learned[k].above(LEARNED)
                              for k in (("tanh", 0.25), ("relu", 0.25), ("relu", 1.0)))),
            Rule("No other variance of the four does better than the suited one (the suited one's "
                 "error is the lowest)", all(learned[a, g].value >= learned[a, s].value
                                             for a, s in SUITED.items() for g in GAINS),
                 "Few seeds; and tanh can't explode: with 2/n its activations stay large."),
        ),
        explanation="A factor a layer is raised to the power of the depth. Choose he_normal for "
        "ReLU and lecun_normal for tanh; layer_health says before the first step what is wrong.",
        charts=(signals(reports),),
        values={"off": off, **{f"{a}_{g:g}": forwards[a, g] for a in SUITED for g in GAINS}},
    )  # fmt: skip


def signals(reports: dict[Any, list[LayerHealthReport]]) -> Chart:
    """RMS of activations and gradients over depth."""
    panels = []
    for activation in SUITED:
        for what in ("activation", "gradient"):
            lines = []
            for gain, name in GAINS.items():
                rows = [[getattr(x, f"{what}_rms") for x in r.layers if not x.output]
                        for r in reports[activation, gain]]  # fmt: skip
                x, y = range(1, len(rows[0]) + 1), np.maximum(rows, 1e-30)
                lines.append(Line.over_seeds(f"variance {name}", x, y, geometric=True))
            panels.append(Panel(x_label="layer", y_label=f"RMS of the {what}s", log_y=True,
                                title=activation, lines=tuple(lines)))  # fmt: skip
    return Chart(
        title="How signals run through 50 layers before training",
        caption="Geometric means over seeds with 95 % intervals; less than 1e-30 is drawn there.",
        panels=tuple(panels),
    )


if __name__ == "__main__":
    raise SystemExit(alone("initialization"))
