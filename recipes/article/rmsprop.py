"""RMSprop divides each component of the gradient by its recent root mean square: steep directions
are slowed, flat ones sped up, so that a larger learning rate can be used.

S = beta S + (1 - beta) dW^2, W = W - alpha dW / (sqrt(S) + epsilon). As S falls and rises with
dW^2, the step doesn't depend on the scale of the cost: the first one is alpha / sqrt(1 - beta) in
every direction, however steep.

Keras's RMSprop adds epsilon inside the root, sqrt(S + epsilon). So Keras's epsilon, 1e-7 by
default, compares with gradients of sqrt(1e-7) = 3e-4, where Ng's 1e-8 compares with gradients of
1e-8. It calls beta rho. Its further argument, momentum, adds up the divided steps and is 0 here.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import keras
import numpy as np

from keras_ext.claim_records import Finding, Number, Rule
from recipes.article import bowl, race
from recipes.article.effort import Effort
from recipes.article.page import alone

ALPHA, BETA, STEPS = 0.1, 0.9, 150
EPSILON = 1e-2
"""Far larger than usual, so that its place can be seen."""
SINGLE = 1e-5
"""Keras holds rates in single precision."""


def update(
    dw: np.ndarray, state: np.ndarray, _: int, *, epsilon: float = 1e-8, inside: bool = False
) -> Any:
    """S = beta S + (1 - beta) dW^2, W = W - alpha dW / (sqrt(S) + epsilon)."""
    s = BETA * state[1] + (1 - BETA) * dw**2
    root = np.sqrt(s + epsilon) if inside else np.sqrt(s) + epsilon
    return -ALPHA * dw / root, np.array([state[0], s])


def experiment(effort: Effort) -> Finding:
    """The formula, the bowl, and a race on MNIST."""
    theirs = bowl.keras_walk(keras.optimizers.RMSprop(ALPHA, rho=BETA, epsilon=EPSILON), STEPS)
    inside, outside = (
        bowl.apart(bowl.walk(partial(update, epsilon=EPSILON, inside=where), STEPS), theirs)
        for where in (True, False)
    )
    ours = bowl.walk(update, STEPS)
    scaled = bowl.apart(ours, bowl.walk(update, STEPS, scale=1000.0))
    first = np.abs(ours[1] - ours[0])
    formula = ALPHA / np.sqrt(1 - BETA)
    plain = bowl.walk(partial(bowl.descend, rate=0.019), STEPS)
    arrivals = [bowl.arrival(path, 0.05) for path in (plain, ours)]
    seeds = effort.seeds(2, 5, 10)
    train = race.digits(effort, 6_400, 12_800, 60_000)
    target = race.TARGETS[effort.mode]
    racers = race.race(race.entries(effort, "SGD", "RMSprop"), train, seeds, target=target)
    ratio = racers["RMSprop"].relative_to(racers["SGD"])
    return Finding(
        setup=f"The bowl (w1^2 + 100 w2^2) / 2, alpha = {ALPHA}, beta = {BETA}. MNIST: "
        f"784-64-64-10, {len(train):,} images, mini-batches of 128, {len(seeds)} seeds, to a "
        f"training cost of {target:g}; each method with the best of three learning rates, "
        "chosen on another seed.",
        numbers=(
            Number.of("MNIST: iterations of RMSprop, relative to SGD", ratio),
            Number("bowl: steps to 5 % of the way, gradient descent at its largest rate",
                   arrivals[0]),
            Number("bowl: the same, RMSprop", arrivals[1]),
            Number("first step along the flat direction, relative to the steep one",
                   first[0] / first[1]),
            Number("change of the path when the cost is multiplied by 1,000", scaled),
            Number(f"difference to Keras's RMSprop, epsilon = {EPSILON:g} inside the root", inside),
            Number("the same, epsilon outside the root", outside),
        ),
        rules=(
            Rule(f"With epsilon inside the root the formula is Keras's, to {SINGLE:g} of the way; "
                 "outside it is not", inside < SINGLE < outside),
            Rule("The first step is alpha / sqrt(1 - beta) in both directions, to 1e-6",
                 bool(np.allclose(first, formula, rtol=1e-6))),
            Rule("The path is the same, to 1e-6, when the cost is multiplied by 1,000",
                 scaled < 1e-6),
            Rule("On the bowl fewer steps than gradient descent with 95 % of its largest stable "
                 "rate", arrivals[1] < arrivals[0]),
            Rule("On MNIST fewer iterations than SGD (the interval of the ratio is below 1)",
                 ratio.below(1),
                 "The pixels are normalised and the weights start with the right variance, so no "
                 "direction is much steeper than the others, and little is left to even out."),
        ),
        explanation="RMSprop is insurance against badly scaled directions. Near the minimum its "
        "steps stay about as long as alpha, so alpha has to fall in the end.",
        charts=(
            bowl.chart(
                bowl.panel("", {"gradient descent": plain, "RMSprop": ours}, 60),
                more="Gradient descent at rate 0.019, just below 0.02, where it diverges.",
            ),
            race.chart(racers),
        ),
        values={"inside": inside, "outside": outside, "scaled": scaled,
                "flat": first[0] / formula, "steep": first[1] / formula},
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(alone("rmsprop"))
