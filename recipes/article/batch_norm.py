"""Batch norm makes a network work with many more hyperparameters. What deeper layers see depends
less on the weights of earlier ones, and as each mini-batch has its own mean and variance it adds a
little noise, which is smaller for larger mini-batches.

Each pre-activation is normalised with mean and variance of the mini-batch before it is scaled by
gamma and shifted by beta. So whatever the first layer's weights do, the inputs of the second stay
near one mean and variance. A mean over m examples is off by their deviation over sqrt(m): the noise
falls with 1 / sqrt(m).

We draw hyperparameters at random and train each setting with and without batch norm; we shake the
first layer's weights and see how far the inputs of deeper layers move; and we normalise one and the
same image in many random mini-batches.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from keras_ext import data
from keras_ext.chart_records import Chart, Line, Panel
from keras_ext.claim_records import Finding, Number, Rule
from keras_ext.diagnosis import over_seeds, paired_interval
from keras_ext.diagnosis.intervals import wilson
from keras_ext.diagnosis.slopes import slope_interval
from keras_ext.training.course import course
from keras_ext.training.reuse import CompiledModels
from recipes.article.drift import KINDS, SHAKES, SIZES, settings, shaken
from recipes.article.effort import Effort
from recipes.article.page import alone


def experiment(effort: Effort) -> Finding:
    """Settings that work, drift of deeper inputs, and noise by mini-batch size."""
    count, epochs, target = effort.pick((1_280, 2, 0.25), (3_200, 3, 0.15), (20_000, 5, 0.05))
    digits = data.sample(data.load("mnist").part("train"), count + 2_000, seed=effort.seed)
    train, unseen = digits.take(slice(0, count)), digits.take(slice(count, None))
    make = CompiledModels()
    kinds = effort.pick(["sgd"], ["sgd", "adam"], ["sgd", "adam"])
    drawn = settings(effort.pick(12, 40, 200), effort.seed, kinds)
    errors = {
        name: np.array([
            course(replace(config, batch_norm=norm, epochs=epochs), train, validation=unseen,
                   make=make).errors[-1] for config in drawn]) for name, norm in KINDS.items()
    }  # fmt: skip
    works = {name: (found <= target).astype(float) for name, found in errors.items()}
    shares = {name: float(found.mean()) for name, found in works.items()}
    more = paired_interval(works["with"], works["without"])
    seeds = effort.seeds(2, 5, 10)
    drifts, noise = shaken(train, unseen, seeds, epochs)
    ratios = (drifts["with"] / drifts["without"])[:, :, 1]
    less = [over_seeds(column, geometric=True) for column in ratios.T]
    power, low, high = slope_interval(np.tile(np.log(SIZES), len(seeds)), np.log(noise).ravel())
    return Finding(
        setup=f"MNIST, {count:,} images, {epochs} epochs in mini-batches of 64, "
        f"784-64-64-64-64-10. {len(drawn)} settings: {' or '.join(kinds)}, ReLU or tanh, learning "
        "rate 1e-4 to 3, decay 0.01 to 1 and L2 1e-6 to 1e-3 on log scales; target: an "
        f"error of {target:.0%} on 2,000 unseen images. Drift and noise: {len(seeds)} networks "
        "each, trained with Adam, rate 0.001.",
        numbers=(
            *(Number(f"settings that reach the target {name} batch norm", share, "%",
                     *wilson(share, len(drawn))) for name, share in shares.items()),
            Number("difference of the shares, same settings", shares["with"] - shares["without"],
                   "points", *more),
            *(Number.of("drift of the third layer's inputs with batch norm, relative to without, "
                        f"weights shaken by {shake:g}", found)
              for shake, found in zip(SHAKES, less, strict=True) if shake in (0.2, 1.0)),
            Number("power of the mini-batch size in the noise", power, "", low, high, len(seeds)),
        ),
        rules=(
            Rule("More settings reach the target with batch norm (the interval of the difference "
                 "is above 0)", more[0] > 0),
            Rule("The third layer's inputs drift less with batch norm, however strongly the first "
                 "layer's weights are shaken (the interval of each ratio is below 1)",
                 all(found.below(1) for found in less),
                 "Batch norm fixes mean and variance before the activation; that of single units "
                 "behind it still moves with the weights."),
            Rule("The noise falls with 1 / sqrt(m): the interval of the power lies within -0.6 and "
                 "-0.4", -0.6 < low <= high < -0.4),
        ),
        explanation="Settings count as working after a short training: without batch norm some of "
        "them would get there later.",
        charts=(pictures(errors, drifts, noise, target),),
        values={"power": power, "more": shares["with"] - shares["without"],
                "drift": less[-1].value},
    )  # fmt: skip


def pictures(errors: Any, drifts: Any, noise: Any, target: float) -> Chart:
    """The three parts of the claim."""
    order = np.arange(1, len(errors["with"]) + 1) / len(errors["with"])
    ranked = tuple(Line(f"{name} batch norm", order, np.sort(e)) for name, e in errors.items())
    limit = Line("target", [0, 1], [target] * 2, kind="dashed", color="muted")
    moved = tuple(
        Line.over_seeds(f"{name} batch norm", SHAKES, found[:, :, 1], geometric=True)
        for name, found in drifts.items()
    )
    measured = Line.over_seeds("measured", SIZES, noise, geometric=True)
    law = Line("1 / sqrt(m)", SIZES, np.mean(noise, axis=0)[3] * np.sqrt(64 / np.array(SIZES)),
               kind="dashed", color="muted")  # fmt: skip
    return Chart(
        title="Settings that work, drift of deeper inputs, noise",
        caption="Left: settings in the order of their error. Middle: the third layer's inputs. "
        "Middle and right: geometric means over seeds with 95 % intervals.",
        panels=(
            Panel(x_label="share of the settings", y_label="validation error", percent=True,
                  lines=(*ranked, limit)),
            Panel(x_label="shake of the first weights",
                  y_label="drift of inputs", lines=moved, log_x=True, log_y=True),
            Panel(x_label="mini-batch size m", y_label="noise of a value",
                  lines=(measured, law), log_x=True, log_y=True),
        ),
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(alone("batch_norm"))
