"""Tune the learning rate alpha first; then momentum beta, hidden units and mini-batch size; then
the number of layers and the decay of the rate. Adam's beta_1 = 0.9, beta_2 = 0.999 and epsilon =
1e-8 are seldom worth tuning.

A real sweep: random points in all of these at once, each trained on MNIST. Importance is the share
of the differences in (log) validation error that a hyperparameter explains by itself: four groups
of trials by its value, omega squared. How far that may be chance is seen by drawing the trials
again, with replacement.

It depends on the ranges: each is what one would try without knowing better, alpha over four powers
of ten. The optimizer is Adam, whose beta_1 is the article's beta.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from keras_ext import data, tuning
from keras_ext.chart_records import Chart, Line, Panel
from keras_ext.claim_records import Finding, Number, Rule
from keras_ext.diagnosis.search import Importances, importances
from keras_ext.records import Splits
from keras_ext.reports.sweep_story import knobs
from recipes.article.defaults import tuned_minus_default
from recipes.article.effort import Effort
from recipes.article.page import alone
from recipes.article.search_space import BASE, NAMES, ranges, space

FIRST, SECOND = ["learning_rate"], ["momentum", "units", "batch_size"]
THIRD, NEVER = ["layers", "decay_rate"], ["beta_2", "epsilon"]
FRESH = 2000
WORTH = 0.005
"""Half a point of error."""


def experiment(effort: Effort) -> Finding:
    """A random sweep, the importance of each, and Adam's defaults against the winner's."""
    count, epochs = effort.pick((1_500, 2), (3_000, 3), (20_000, 5))
    splits = data.split(data.load("mnist"), seed=effort.seed)
    splits = Splits(
        *(data.sample(part, size, seed=effort.seed) for part, size in
          ((splits.train, count), (splits.validation, 3_000), (splits.test, 1_000)))
    )  # fmt: skip
    base = replace(BASE, epochs=epochs, seed=effort.seed)
    with effort.folder() as folder:
        result = tuning.sweep(
            base, space, splits, max_trials=effort.pick(16, 56, 200), directory=folder,
            strategy="random", seed=effort.seed + 1, confirm=0, quiet=True,
        )  # fmt: skip
    if result.status == "interrupted":
        raise KeyboardInterrupt
    views = {view.name: view for view in knobs(result)}
    found = importances({n: v.places for n, v in views.items()}, views["units"].errors)
    tiers = {
        "alpha minus the others together": found.difference(FIRST, SECOND + THIRD + NEVER),
        "second tier minus third": found.difference(SECOND, THIRD),
        "third tier minus beta_2 and epsilon": found.difference(THIRD, NEVER),
    }
    rivals = {n: found.difference(FIRST, [n])[1] for n in NAMES if n != "learning_rate"}
    seeds = [seed + FRESH for seed in effort.seeds(2, 5, 10)]
    gain = tuned_minus_default(result.best.config, splits, seeds)
    few = (
        "The interval contains 0, or lies below: alpha explains so much that little is left for "
        f"the others, and {len(result.trials)} trials can't tell their order."
    )
    return Finding(
        setup=f"{len(result.trials)} random points, {count:,} images of MNIST, epochs: {epochs}, "
        "judged on 3,000 validation images. Ranges: " + ", ".join(map(ranges, result.space)) + ". "
        f"The winner against Adam's defaults: {len(seeds)} fresh seeds.",
        numbers=(
            *(Number(f"importance of {NAMES[n]}", found.values[n], "%", *found.interval(n))
              for n in sorted(NAMES, key=lambda n: -found.values[n])),
            *(Number(f"mean importance, {name}", value, "points", low, high)
              for name, (value, low, high) in tiers.items()),
            Number.of("error of the winner's beta_1, beta_2 and epsilon minus that of the defaults",
                      gain, "points"),
        ),
        rules=(
            Rule("Alpha matters more than every other one (the interval of each difference is "
                 "above 0)", min(rivals.values()) > 0, few),
            Rule("Momentum, units and mini-batch size matter more, on average, than layers and "
                 "decay (the interval is above 0)", tiers["second tier minus third"][1] > 0, few),
            Rule("Layers and decay matter more than beta_2 and epsilon (the interval is above 0)",
                 tiers["third tier minus beta_2 and epsilon"][1] > 0, few),
            Rule(f"Tuned, Adam's betas and epsilon gain less than {100 * WORTH:g} points (the "
                 "interval of the gain is below)", gain.above(-WORTH),
                 "The gain, or its interval over the seeds, is larger than that."),
        ),
        explanation="Importance is that of the ranges tried, here with few epochs. With the time "
        "for few trials, spend them on alpha.",
        charts=(drawn(found),),
        values={"alpha": found.values["learning_rate"], "epsilon": found.values["epsilon"]},
    )  # fmt: skip


def drawn(found: Importances) -> Chart:
    """The importance of each, the largest on top."""
    order = sorted(NAMES, key=lambda name: -found.values[name])
    low, high = np.transpose([found.interval(name) for name in order])
    values = [found.values[name] for name in order]
    rows = Line("", range(len(order)), values, low, high, kind="points")
    panel = Panel(
        x_label="share of the differences explained", y_label="", percent=True, lines=(rows,),
        names=tuple(NAMES[name] for name in order),
    )  # fmt: skip
    return Chart(
        title="What explains the differences between the trials",
        caption="Omega squared with 95 % intervals from 1,000 samples of the trials.",
        panels=(panel,),
    )


if __name__ == "__main__":
    raise SystemExit(alone("what_to_tune"))
