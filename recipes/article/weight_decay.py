"""L2 regularization is weight decay for SGD, and is not for Adam.

The penalty lambda/(2m) sum W^2 adds (lambda/m) W to the gradient dW of the cost. One step of SGD
is then W - alpha (dW + (lambda/m) W) = (1 - alpha lambda/m) W - alpha dW: every weight first decays
by the same factor. Adam divides the gradient, penalty and all, by the size that the gradient of
each weight has had so far, so that every weight decays by a factor of its own. AdamW leaves the
penalty out of the gradient and multiplies the weights itself (Loshchilov and Hutter 2019).

Two twins take one step from the same state, one of them with the penalty. What the penalty did is
the difference between them: alpha (lambda/m) W, if it is weight decay.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from keras_ext import data
from keras_ext.chart_records import Chart, Line, Panel
from keras_ext.claim_records import Finding, Number, Rule
from keras_ext.diagnosis import over_seeds
from keras_ext.records import Arrays, TrainConfig
from keras_ext.training.round import compiled_model
from recipes.article.effort import Effort
from recipes.article.page import alone

EXAMPLES, STEPS_BEFORE, DECAY = 1000, 20, 0.05  # DECAY is lambda/m
ROUNDING = 8 * float(np.finfo("float32").eps)
BASE = TrainConfig(model="mlp", units=32, layers=1, activation="tanh", batch_norm=False)
BASE = replace(BASE, schedule="constant", batch_size=EXAMPLES, learning_rate=0.01, weight_decay=0.0)
SGD = replace(BASE, optimizer="sgd", momentum=0.0, learning_rate=0.1)
ADAM, ADAMW = replace(BASE, optimizer="adam"), replace(BASE, optimizer="adamw")
TWINS = {
    "SGD": (SGD, replace(SGD, l2=DECAY / 2)),
    "Adam": (ADAM, replace(ADAM, l2=DECAY / 2)),
    "AdamW": (ADAMW, replace(ADAMW, weight_decay=DECAY)),
}


def experiment(effort: Effort) -> Finding:
    """One step with and without decay, for three optimizers."""
    train = data.sample(data.load("mnist").part("train"), EXAMPLES, seed=effort.seed)
    seeds = effort.seeds(2, 10, 30)
    steps = {name: [one_step(name, train, seed) for seed in seeds] for name in TWINS}
    off = {name: max(float(step["off"]) for step in made) for name, made in steps.items()}
    near = over_seeds([np.mean(np.abs(step["share"] - 1) < 0.1) for step in steps["Adam"]])
    tenths = {name: [by_tenth(step) for step in made] for name, made in steps.items()}
    trend = over_seeds([each[0] - each[-1] for each in tenths["Adam"]])
    return Finding(
        setup=f"{EXAMPLES:,} images of MNIST, a hidden layer of {BASE.units} tanh units, full "
        f"batches, lambda/m = {DECAY}, {len(seeds)} seeds. The twins part after {STEPS_BEFORE} "
        "steps, when Adam knows its gradients; we look at all weights of the hidden layer.",
        numbers=(
            *(Number(f"{k}: away from the formula, of the largest weight", v, seeds=len(seeds))
              for k, v in off.items()),
            Number.of("Adam: weights whose decay is within 10 % of the formula's", near, "%"),
            Number.of("Adam: decay at small minus at large gradients (formula: 1)", trend),
        ),
        rules=(
            Rule(f"SGD's step is the formula's, up to rounding ({ROUNDING:.0e} of a weight)",
                 off["SGD"] < ROUNDING),
            Rule("AdamW's step is the formula's, up to rounding", off["AdamW"] < ROUNDING),
            Rule("Adam: L2 is within 10 % of the formula for fewer than a fifth of the weights "
                 "(the interval is below 20 %)", near.below(0.2)),
            Rule("Adam: L2 acts more on the tenth of the weights with the smallest gradients than "
                 "on that with the largest (the interval is above 0)", trend.above(0)),
        ),
        explanation="With SGD both names mean one thing. With Adam, L2 pulls hardest where the "
        "data say least, and lambda no longer is a rate of decay: for that take AdamW.",
        charts=(drawn(tenths),),
        values={**off, "near": near.value},
    )  # fmt: skip


def one_step(name: str, train: Arrays, seed: int) -> dict[str, np.ndarray]:
    """What the penalty did in one step: the share of the formula's decay, weight by weight."""
    plain, decayed = (compiled_model(replace(c, seed=seed), train)[0] for c in TWINS[name])
    decayed.optimizer.build(decayed.trainable_variables)
    for _ in range(STEPS_BEFORE):
        plain.train_on_batch(train.x, train.y)
    ours, theirs = ([*m.trainable_variables, *m.optimizer.variables] for m in (decayed, plain))
    for variable, value in zip(ours, theirs, strict=True):
        variable.assign(value)
    before = np.array(plain.trainable_variables[0], "float64")
    sizes = [np.array(v) for v in plain.optimizer.variables if "velocity" in v.path]
    for model in (plain, decayed):
        model.train_on_batch(train.x, train.y)
    after, with_penalty = (np.array(m.trainable_variables[0], "float64") for m in (plain, decayed))
    did, decay = after - with_penalty, TWINS[name][0].learning_rate * DECAY * before
    return {
        "off": np.abs(did - decay).max() / np.abs(before).max(),
        "share": did / decay,
        "gradient": sizes[0] if sizes else np.abs(before - after),
    }


def by_tenth(step: dict[str, np.ndarray]) -> list[float]:
    """The median share of each tenth of the weights, from the smallest gradient to the largest."""
    share = step["share"].ravel()[np.argsort(step["gradient"], axis=None)]
    return [float(np.median(part)) for part in np.array_split(share, 10)]


def drawn(tenths: dict[str, list[list[float]]]) -> Chart:
    """The decay over the size of the gradient."""
    kinds = {"SGD": "line", "Adam": "line", "AdamW": "dashed"}
    lines = [Line.over_seeds(k, range(1, 11), v, kind=kinds[k]) for k, v in tenths.items()]
    x = "tenths of the weights, from small gradients to large"
    panel = Panel(x_label=x, y_label="decay (1 = the formula's)", lines=tuple(lines), log_y=True)
    return Chart(
        title="How much a weight decays, by the size of its gradient",
        caption="Medians of each tenth of the weights, means over seeds; bands are 95 % intervals "
        "over seeds. Under SGD and AdamW all weights decay alike, under Adam with L2 they don't.",
        panels=(panel,),
    )


if __name__ == "__main__":
    raise SystemExit(alone("weight_decay"))
