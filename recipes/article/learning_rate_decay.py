"""With a constant rate, mini-batch gradient descent wanders around the minimum and never settles.
Let the rate fall slowly, alpha = alpha_0 / (1 + decay_rate * epoch), and it wanders closer and
closer; with the same first rate the validation error gets lower.

Along a direction of curvature h, with noise of standard deviation sigma in the gradient, a constant
rate wanders with a variance of alpha sigma^2 / (h (2 - alpha h)): about in proportion to alpha.

TimeBasedDecay counts epochs from 0, so that the first epoch has alpha_0. The article counts from 1:
its table for alpha_0 = 0.2 and a decay rate of 1 begins with 0.1, 0.067, 0.05, ours with 0.2, 0.1.

We watch walkers on a noisy bowl, then train on MNIST with constant and with falling rates, and
measure how far the weights still move from epoch to epoch.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from keras_ext import data
from keras_ext.chart_records import Chart, Line, Panel
from keras_ext.claim_records import Finding, Number, Rule
from keras_ext.diagnosis import over_seeds
from keras_ext.records import TrainConfig
from recipes.article import wander
from recipes.article.effort import Effort
from recipes.article.page import alone

DECAY = 0.5
RATES, DECAY_RATE = (0.1, 0.3, 0.6), 0.5
BASE = TrainConfig(
    model="mlp", units=64, layers=2, batch_norm=False, optimizer="sgd", momentum=0.0,
    batch_size=32, schedule="constant",
)  # fmt: skip


def experiment(effort: Effort) -> Finding:
    """Walkers on a bowl, the formula, and MNIST."""
    far, near = (wander.walkers(effort, decay) for decay in (0.0, DECAY))
    radius = float(np.sqrt((far[-20:] ** 2).mean()) / wander.theory())
    closer = float(near[-1] / far[-1])
    count, epochs = effort.pick((2_000, 6), (6_400, 12), (50_000, 30))
    splits = data.split(data.load("mnist"), seed=effort.seed)
    train = data.sample(splits.train, count, seed=effort.seed)
    unseen = data.sample(splits.validation, effort.pick(1_000, 3_000, 10_000), seed=effort.seed)
    seeds = effort.seeds(2, 5, 10)
    constant = replace(BASE, epochs=epochs, decay_rate=DECAY_RATE)
    kinds = {"constant": constant, "falling": replace(constant, schedule="time_based")}
    best, runs = wander.settled(kinds, RATES, train, unseen, seeds)
    ends = {arm: np.array([(errors[-1], moved) for errors, moved in made]).T
            for arm, made in runs.items()}  # fmt: skip
    pairs = (("constant", "constant"), ("falling", "constant"), ("falling", "falling"))
    plain, *falling = (ends[kind, best[name]] for kind, name in pairs)
    same, own = (over_seeds(arm[0] - plain[0]) for arm in falling)
    nearer = over_seeds(falling[0][1] / plain[1], geometric=True)
    rates, formula = wander.callback_rates(), [0.2 / (1 + 1.0 * epoch) for epoch in range(4)]
    return Finding(
        setup=f"A bowl of curvatures 1 and 10, noise of {wander.NOISE:g} in each gradient, alpha = "
        f"{wander.ALPHA}, {wander.STEPS} steps an epoch, decay rate {DECAY}. MNIST: 784-64-64-10, "
        f"SGD, {count:,} images, {len(unseen):,} unseen ones, {epochs} epochs, decay rate "
        f"{DECAY_RATE}, {len(seeds)} seeds; the best of three first rates, from another seed.",
        numbers=(
            Number.of("MNIST: validation error with decay minus without, same first rate",
                      same, "points"),
            Number.of("MNIST: the same, each with its best first rate", own, "points"),
            Number.of("MNIST: movement of the weights in the last epochs, with decay relative to "
                      "without", nearer),
            Number("bowl: wandering radius at a constant rate, relative to the theory", radius),
            Number("bowl: final radius with decay, relative to without", closer),
        ),
        rules=(
            Rule("On the bowl the radius at a constant rate is that of the theory, to 5 %",
                 abs(radius - 1) < 0.05),
            Rule("On the bowl decay makes the final radius less than half as large", closer < 0.5),
            Rule("TimeBasedDecay sets alpha_0 / (1 + decay_rate * epoch), to single precision",
                 bool(np.allclose(rates, formula, rtol=1e-6))),
            Rule("On MNIST the weights move less in the last epochs (the interval of the ratio is "
                 "below 1)", nearer.below(1)),
            Rule("On MNIST, with the same first rate, the validation error is lower with decay "
                 "(the interval of the difference is below 0)", same.below(0),
                 "Once the network fits its training images no gradient is left to wander with; "
                 "what remains is variance, which decay doesn't cure."),
            Rule("So it is where each has its best first rate", own.below(0), "As above."),
        ),
        explanation="Decay does what it should to the wandering. Whether the validation error "
        "gains depends on how much of it the wandering was: look at the training cost first.",
        charts=(drawn(far, near, runs),),
        values={"radius": radius, "closer": closer,
                "rates_off": float(np.abs(np.divide(rates, formula) - 1).max())},
    )  # fmt: skip


def drawn(far: np.ndarray, near: np.ndarray, runs: dict[tuple[str, float], Any]) -> Chart:
    """The radius and the validation error over epochs."""
    walked = {"constant": far, "falling": near}
    radii = tuple(Line(name, range(1, wander.EPOCHS + 1), each) for name, each in walked.items())
    lines = tuple(
        Line.over_seeds(f"{kind}, first rate {rate:g}", range(1, len(made[0][0]) + 1),
                        [errors for errors, _ in made])
        for (kind, rate), made in runs.items()
    )  # fmt: skip
    return Chart(
        title="Wandering around the minimum, and the validation error",
        caption="Left: RMS distance of 500 walkers on the bowl. Right: MNIST, means over seeds "
        "with 95 % intervals.",
        panels=(
            Panel(x_label="epoch", y_label="distance to the minimum", lines=radii, log_y=True),
            Panel(x_label="epoch", y_label="validation error", lines=lines, percent=True),
        ),
    )


if __name__ == "__main__":
    raise SystemExit(alone("learning_rate_decay"))
