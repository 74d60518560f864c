"""Adam is momentum and RMSprop in one, with bias correction. It works well on many problems; alpha
has to be tuned, while beta_1 = 0.9, beta_2 = 0.999 and epsilon = 1e-8 seldom have to.

V = beta_1 V + (1 - beta_1) dW, S = beta_2 S + (1 - beta_2) dW^2, both divided by 1 - beta^t, then W
= W - alpha V / (sqrt(S) + epsilon). Both averages start at 0, so the first ones are too small by 1
- beta^t; divided by that they are right from the first step on. Without the correction S lags
behind V: the first step would be (1 - beta_1) / sqrt(1 - beta_2) = 3.2 times alpha instead of
alpha.

Keras puts both corrections into the rate, alpha sqrt(1 - beta_2^t) / (1 - beta_1^t), and adds
epsilon to the uncorrected root of S. In Ng's terms its epsilon is divided by sqrt(1 - beta_2^t): 32
times as large at the first step, and the same in the long run. Its default is 1e-7, not 1e-8.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
import numpy as np

from keras_ext.chart_records import Line, Panel
from keras_ext.claim_records import Finding, Number, Rule
from keras_ext.diagnosis import moving_average
from recipes.article import bowl, race
from recipes.article.effort import Effort
from recipes.article.page import alone

ALPHA, BETA_1, BETA_2, STEPS = 0.1, 0.9, 0.999, 150
EPSILON = 1e-2
"""Far larger than usual, so that its place can be seen."""
SINGLE = 1e-5
"""Keras holds its constants in single precision."""
CLOSE = 1.1
"""Adam may take a tenth more iterations than the fastest of the others."""


def update(
    dw: np.ndarray, state: np.ndarray, t: int, *, epsilon: float = 1e-8, correct: bool = True,
    keras_epsilon: bool = False,
) -> Any:  # fmt: skip
    """Adam's formula; without bias correction; with epsilon where Keras has it."""
    v = BETA_1 * state[0] + (1 - BETA_1) * dw
    s = BETA_2 * state[1] + (1 - BETA_2) * dw**2
    corrections = (1 - BETA_1**t, 1 - BETA_2**t) if correct else (1.0, 1.0)
    added = epsilon / np.sqrt(1 - BETA_2**t) if keras_epsilon else epsilon
    step = v / corrections[0] / (np.sqrt(s / corrections[1]) + added)
    return -ALPHA * step, np.array([v, s])


def experiment(effort: Effort) -> Finding:
    """The formula, the bowl, and a race on MNIST."""
    theirs = bowl.keras_walk(keras.optimizers.Adam(ALPHA, BETA_1, BETA_2, EPSILON), STEPS)
    same, other = (
        bowl.apart(bowl.walk(partial(update, epsilon=EPSILON, keras_epsilon=k), STEPS), theirs)
        for k in (True, False)
    )
    ours, biased = (bowl.walk(partial(update, correct=c), STEPS) for c in (True, False))
    first, wrong = (float(np.abs(path[1] - path[0]).max() / ALPHA) for path in (ours, biased))
    seeds = effort.seeds(2, 5, 10)
    train = race.digits(effort, 6_400, 12_800, 60_000)
    target = race.TARGETS[effort.mode]
    racers = race.race(race.entries(effort, *race.OPTIMIZERS), train, seeds, target=target)
    ratios = {n: racers["Adam"].relative_to(r) for n, r in racers.items() if n != "Adam"}
    return Finding(
        setup=f"The bowl (w1^2 + 100 w2^2) / 2, alpha = {ALPHA}. MNIST: 784-64-64-10, "
        f"{len(train):,} images, mini-batches of 128, {len(seeds)} seeds, to a training cost of "
        f"{target:g}; each method with the best of three learning rates, chosen on another seed.",
        numbers=(
            *(Number.of(f"MNIST: iterations of Adam, relative to {name}", ratio)
              for name, ratio in ratios.items()),
            Number("first step on the bowl, in alpha", first),
            Number("the same without bias correction", wrong),
            Number(f"difference to Keras's Adam, epsilon = {EPSILON:g} where Keras has it", same),
            Number("the same, epsilon where Ng has it", other),
        ),
        rules=(
            Rule("With epsilon added to the uncorrected root the formula is Keras's, to "
                 f"{SINGLE:g} of the way; with epsilon as in the article it is not",
                 same < SINGLE < other),
            Rule("The first step is alpha with bias correction, to 1e-6, and (1 - beta_1) / sqrt(1 "
                 "- beta_2) = 3.16 times alpha without", abs(first - 1) < 1e-6 and
                 abs(wrong - (1 - BETA_1) / np.sqrt(1 - BETA_2)) < 1e-4),
            *(Rule(f"On MNIST Adam takes at most a tenth more iterations than {name} (the interval "
                   f"of the ratio is below {CLOSE:g})", ratio.below(CLOSE),
                   "On so easy a problem a well-chosen rate leaves little between the methods.")
              for name, ratio in ratios.items()),
        ),
        explanation="Adam is a safe first choice: about as fast as the best of the others here. "
        "Whether its betas are worth tuning is measured under what to tune first.",
        charts=(
            bowl.chart(
                bowl.panel("", {"Adam": ours, "without bias correction": biased}, 60),
                Panel(x_label="step", y_label="average of ones", lines=averages()),
                more="Right: averages, beta = 0.9, of a number that is 1 at every step.",
            ),
            race.chart(racers),
        ),
        values={"same": same, "other": other, "first": first, "wrong": wrong},
    )  # fmt: skip


def averages() -> tuple[Line, ...]:
    """The average of ones with and without bias correction."""
    ones = [1.0] * 40
    return (
        Line("corrected", range(1, 41), moving_average(ones, 10)),
        Line("as it is", range(1, 41), moving_average(ones, 10, bias_correction=False)),
    )


if __name__ == "__main__":
    raise SystemExit(alone("adam"))
