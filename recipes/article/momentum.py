"""Momentum averages the last gradients: it damps the steps to and fro across a narrow valley, lets
those along it add up, and so reaches a cost in fewer iterations than gradient descent.

The update is V = beta V + (1 - beta) dW, W = W - alpha V. V is an exponentially weighted average: a
gradient of k steps ago counts (1 - beta) beta^k, which after 1/(1 - beta) steps has fallen to about
1/e. Across a valley the gradients change sign and cancel; along it they agree.

Keras's SGD writes it without (1 - beta): m = beta m - rate dW, W = W + m. Both are the same with
rate = (1 - beta) alpha; with rate = alpha Keras's steps are 1/(1 - beta) times as long.

First we walk down a bowl that is 100 times as steep in one direction as in the other, then we train
on MNIST: with mini-batches, where most of a gradient is noise, and with full batches.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
import numpy as np

from keras_ext.chart_records import Line, Panel
from keras_ext.claim_records import Finding, Number, Rule
from recipes.article import bowl, race
from recipes.article.effort import Effort
from recipes.article.page import alone

ALPHA, BETA, STEPS = 0.019, 0.9, 150
BETAS = (0.5, 0.9, 0.98)
SINGLE = 1e-5
"""Keras holds rates in single precision."""


def update(dw: np.ndarray, state: np.ndarray, _: int, *, alpha: float = ALPHA) -> Any:
    """V = beta V + (1 - beta) dW, W = W - alpha V."""
    v = BETA * state[0] + (1 - BETA) * dw
    return -alpha * v, np.array([v, state[1]])


def experiment(effort: Effort) -> Finding:
    """The formula, the bowl, and two races on MNIST."""
    ours = bowl.walk(update, STEPS)
    same, longer = (
        bowl.apart(ours, bowl.keras_walk(keras.optimizers.SGD(rate, momentum=BETA), STEPS))
        for rate in ((1 - BETA) * ALPHA, ALPHA)
    )
    plain = bowl.walk(partial(bowl.descend, rate=ALPHA), STEPS)
    fast = bowl.walk(partial(update, alpha=10 * ALPHA), STEPS)
    across = [float(np.abs(np.diff(path[:, 1])).sum()) for path in (plain, ours)]
    weights = {beta: beta ** (1 / (1 - beta)) for beta in BETAS}
    seeds = effort.seeds(2, 5, 10)
    train = race.digits(effort, 6_400, 12_800, 60_000)
    target = race.TARGETS[effort.mode]
    few = train.take(slice(0, effort.pick(500, 2_000, 2_000)))
    racing = race.entries(effort, "SGD", "momentum")
    noisy = race.race(racing, train, seeds, target=target)
    how = {"batch_size": len(few), "epochs": effort.pick(3, 10, 20)}
    racing = race.entries(effort, "SGD", "momentum", **how)
    smooth = race.race(racing, few, seeds[:3], target=target, averaged=1, steps_per_epoch=20)
    ratios = [racers["momentum"].relative_to(racers["SGD"]) for racers in (noisy, smooth)]
    return Finding(
        setup=f"The bowl (w1^2 + 100 w2^2) / 2, alpha = {ALPHA}, beta = {BETA}. MNIST: "
        f"784-64-64-10, {len(train):,} images in mini-batches of 128 ({len(seeds)} seeds) and "
        f"{len(few):,} images in full batches ({len(seeds[:3])} seeds), to a training cost of "
        f"{target:g}; each method with the best of three learning rates, chosen on another seed.",
        numbers=(
            Number.of("full batches: iterations with momentum, relative to without", ratios[1]),
            Number.of("mini-batches: the same", ratios[0]),
            *(Number(f"bowl: steps to 1 % of the way, {name}", bowl.arrival(path)) for name, path in
              (("gradient descent", plain), ("momentum, ten times the alpha", fast))),
            Number("bowl: way travelled to and fro, momentum relative to without",
                   across[1] / across[0]),
            Number("difference to Keras's SGD with rate = (1 - beta) alpha", same),
            Number("difference to Keras's SGD with rate = alpha", longer),
        ),
        rules=(
            Rule(f"The formula is Keras's with rate = (1 - beta) alpha, to {SINGLE:g} of the way",
                 same < SINGLE < longer),
            Rule("After 1/(1 - beta) steps a gradient's weight is 0.33 to 0.37 of its first, for "
                 "beta = 0.9 and 0.98", all(0.33 < weights[beta] < 0.37 for beta in BETAS[1:])),
            Rule("On the bowl, at the same alpha, less than half of the way to and fro",
                 across[1] < 0.5 * across[0]),
            Rule("On MNIST with full batches, fewer iterations (the interval of the ratio is below "
                 "1)", ratios[1].below(1)),
            Rule("On MNIST with mini-batches, fewer iterations (the interval of the ratio is below "
                 "1)", ratios[0].below(1),
                 "The pixels are normalised and the gradients of mini-batches are mostly noise: "
                 "averaging them lets alpha grow, but plain steps average the noise as well."),
        ),
        explanation="Momentum helps where a steep direction limits the learning rate and a flat "
        "one needs many steps. Where noise limits it, a good rate without momentum does as well.",
        charts=(
            bowl.chart(
                bowl.panel("the same alpha", {"gradient descent": plain, "momentum": ours}, 30),
                bowl.panel("ten times the alpha", {"momentum": fast}, 30),
                Panel(x_label="age of a gradient, steps", y_label="its weight in V", lines=ages()),
                more=f"alpha = {ALPHA}, just below 0.02, where gradient descent diverges. Right: a "
                "gradient's weight falls to about 1/e after 2, 10 and 50 steps.",
            ),
            race.chart(noisy, smooth, titles=("mini-batches of 128", "full batches"), full=True),
        ),
        values={"same": same, "longer": longer, "across": across[1] / across[0]},
    )  # fmt: skip


def ages() -> tuple[Line, ...]:
    """How much past gradients count."""
    age = np.arange(61)
    return tuple(Line(f"beta = {beta:g}", age, (1 - beta) * beta**age) for beta in BETAS)


if __name__ == "__main__":
    raise SystemExit(alone("momentum"))
