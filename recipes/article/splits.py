"""Validation must be large enough for the gap that matters, and be distributed like the test.

An error of 1 % measured on n examples is only known to within an interval that narrows like
1/sqrt(n). To see a difference of 0.4 points at an error of 2 % takes about 10,000 examples, however
many there are. That is why 10,000 examples are divided 70/20/10, and a million 98/1/1.

And the aim must not move: two networks are trained on the same digits, one as they are, one with
noise added in training. Validation on clean digits says which to keep; the test digits are noisy.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from keras_ext import data
from keras_ext.chart_records import Chart, Line, Panel
from keras_ext.claim_records import Finding, Number, Rule
from keras_ext.diagnosis import over_seeds
from keras_ext.diagnosis.intervals import wilson
from keras_ext.records import Arrays, Augmentation, Splits, TrainConfig
from recipes.article.effort import Effort
from recipes.article.page import alone
from recipes.article.trained import Trainer, mnist, wrong

ERROR, NOISE = 0.01, 0.5
SIZES = (100, 300, 1000, 3000, 10_000, 30_000, 100_000, 1_000_000)
BASE = TrainConfig(model="mlp", units=64, layers=1, batch_norm=False, schedule="constant")
NOISY = Augmentation(noise=NOISE, value_range=(0.0, 255.0))


def experiment(effort: Effort) -> Finding:
    """Intervals, sizes, and two networks judged on validation examples of both kinds."""
    rng = np.random.default_rng(effort.seed)
    limits = [wilson(ERROR, n) for n in SIZES]
    repeats = effort.pick(2000, 20_000, 100_000)
    inside = [share_inside(rng.binomial(n, ERROR, repeats), n) for n in SIZES[2:]]
    small, large = data.split_sizes(10_000), data.split_sizes(1_000_000)
    million = [round(100 * part / 1e6) for part in (large.train, large.validation, large.test)]
    seeds, examples = effort.seeds(3, 5, 10), effort.pick(1000, 2000, 20_000)
    runs = [judged(seed, examples, effort.pick(8, 15, 20)) for seed in seeds]
    clean, noisy = (over_seeds([run["plain"][n] - run["noise"][n] for run in runs]) for n in (0, 1))
    missed = over_seeds([run["plain"][1] - run["plain"][0] for run in runs])
    told, calm = (sum(bool(run[key]) for run in runs) for key in ("told", "calm"))
    divided = (small.train, small.validation, small.test) == (7000, 2000, 1000)
    return Finding(
        setup=f"Wilson's intervals of an error of 1 %, tried on {repeats:,} simulated validation "
        f"sets a size. Two networks of {BASE.units} ReLU units on {examples:,} images of "
        f"MNIST, {len(seeds)} seeds; the test images have noise of half the grey scale.",
        numbers=(
            Number("an error of 1 % on 1,000 examples", ERROR, "%", *limits[SIZES.index(1000)]),
            Number("an error of 1 % on 10,000 examples", ERROR, "%", *limits[SIZES.index(10_000)]),
            Number("simulated intervals that hold the true error, at the least", min(inside), "%"),
            Number.of("plain network: test error above validation error", missed, "points"),
            Number.of("plain minus noise-trained network, validation", clean, "points"),
            Number.of("plain minus noise-trained network, test", noisy, "points"),
        ),
        rules=(
            Rule("the intervals hold the true error in 93 % of cases or more", min(inside) > 0.93),
            Rule("10,000 examples are divided 70/20/10", divided),
            Rule("a million examples are divided 98/1/1", million == [98, 1, 1]),
            Rule("the test error is above the validation error (interval above 0)",
                 missed.above()),
            Rule("validation does not say that the plain network is the worse one (interval not "
                 "above 0), and on the test images it is (interval above 0)",
                 not clean.above() and noisy.above(), "noise in training helped everywhere"),
            Rule("same_distribution tells noisy from clean images for every seed, and calls clean "
                 "ones alike for most", told == len(runs) and calm > len(runs) / 2),
        ),
        explanation="More data make the shares of validation and test smaller, not their numbers. "
        "Take both from the data you expect, and let same_distribution compare them.",
        charts=(drawn(limits),),
        values={"inside": min(inside), "noisy": noisy.value},
    )  # fmt: skip


def share_inside(mistakes: np.ndarray, count: int) -> float:
    """How many measured errors have an interval that holds the true one."""
    values, times = np.unique(mistakes, return_counts=True)
    limits = [wilson(value / count, count) for value in values]
    return float(np.average([low <= ERROR <= high for low, high in limits], weights=times))


def judged(seed: int, examples: int, epochs: int) -> dict[str, Any]:
    """Errors of both networks on clean and on noisy images, and whether these are told apart."""
    splits = mnist(examples, seed=seed, validation=5000)
    other = splits.validation.take(np.arange(2500))
    held_out = splits.validation.take(np.arange(2500, 5000))
    noise = np.random.default_rng(seed).normal(scale=255 * NOISE, size=other.x.shape)
    test = Arrays(np.clip(other.x + noise, 0, 255).astype("uint8"), other.y)
    found: dict[str, Any] = {
        "told": not data.same_distribution(held_out, test, seed=seed).same,
        "calm": data.same_distribution(held_out, other, seed=seed).same,
    }
    trainer = Trainer()
    parts = Splits(splits.train, held_out, test)
    config = replace(BASE, epochs=epochs, seed=seed, batch_size=64)
    for name, way in (("plain", config), ("noise", replace(config, augmentation=NOISY))):
        made, model = trainer(way, parts)
        found[name] = (made.validation.error, wrong(model, test))
    return found


def drawn(limits: list[tuple[float, float]]) -> Chart:
    """The interval over the size of the validation set."""
    low, high = zip(*limits, strict=True)
    line = Line("measured error of 1 %", SIZES, [ERROR] * len(SIZES), low, high)
    x: dict[str, Any] = {"x_label": "validation examples", "log_x": True}
    panel = Panel(y_label="error", percent=True, lines=(line,), **x)
    return Chart(
        title="What a measured error of 1 % says about the true one",
        caption="The band is Wilson's 95 % interval; no seed has a part in it.", panels=(panel,),
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(alone("splits"))
