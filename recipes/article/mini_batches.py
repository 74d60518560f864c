"""With mini-batches the cost falls noisily, with the whole training set at a time it falls at every
iteration. The fastest lies between: one example at a time loses the speed of vectorized code, and
all at a time takes too long for one step. Typical sizes are 64 to 512, if they fit into memory.

We train one network with sizes from 1 to all, each at the best of a few learning rates, and watch
the cost of each iteration and the time until a validation error is reached. Times are of this
machine: they change from run to run, all other numbers don't. The time for measuring isn't counted.

Memory: backpropagation keeps the activations of every layer for every example of the mini-batch, so
it grows in proportion. We compute it from the shapes; weights and images come on top.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from keras_ext import data
from keras_ext.chart_records import Chart, Line, Panel
from keras_ext.claim_records import Finding, Number, Rule
from keras_ext.diagnosis import falling, over_seeds
from keras_ext.diagnosis.falling import FULL_BATCH_NOISE
from keras_ext.records import TrainConfig
from keras_ext.training.course import course
from keras_ext.training.reuse import CompiledModels
from recipes.article.arrival import Arrival, Plan, activations, best_arrivals, share_of_rises
from recipes.article.effort import Effort
from recipes.article.page import alone

BASE = TrainConfig(
    model="mlp", units=64, layers=2, batch_norm=False, optimizer="sgd", momentum=0.0,
    schedule="constant",
)  # fmt: skip
CALM, FIRST = 0.05, 40
TYPICAL = (64, 128, 256, 512)


def experiment(effort: Effort) -> Finding:
    """Cost per iteration, time to a validation error, and memory, by size."""
    count = effort.pick(1_000, 5_000, 20_000)
    target, images = effort.pick((0.3, 3_000), (0.09, 25_000), (0.06, 200_000))
    digits = data.sample(data.load("mnist").part("train"), count + 2_000, seed=effort.seed)
    train, unseen = digits.take(slice(0, count)), digits.take(slice(count, None))
    plans = {1: Plan(500, (0.003, 0.01, 0.03))}
    sizes = effort.pick((64, 512), TYPICAL, TYPICAL)
    plans |= {size: Plan(max(1, 512 // size), (0.1, 0.2, 0.4)) for size in sizes}
    plans[count] = Plan(5, (0.2, 0.4))
    seeds, arrivals, make = effort.seeds(2, 5, 10), {}, CompiledModels()
    for size, plan in plans.items():
        most = effort.pick(12, 80, 400) * plan.check if size == count else images // size
        config = replace(BASE, batch_size=size, epochs=max(2, most // plan.check))
        arrivals[size] = best_arrivals(config, plan, train, unseen, target, seeds, make)
    seconds = {size: [made.seconds for made in runs] for size, runs in arrivals.items()}
    typical = min(sizes, key=lambda size: float(np.mean(seconds[size])))
    ratios = {
        size: over_seeds(np.divide(seconds[typical], seconds[size]), geometric=True)
        for size in (1, count)
    }
    rises = {n: over_seeds([share_of_rises(a.found) for a in made]) for n, made in arrivals.items()}
    calm = replace(BASE, batch_size=count, epochs=effort.pick(4, 12, 40), learning_rate=CALM)
    calmly = [course(replace(calm, seed=n), train, make=make, steps_per_epoch=5) for n in seeds]
    monotone = [falling(made.costs, noise=FULL_BATCH_NOISE).passed for made in calmly]
    memory = activations(arrivals[64][0].found)
    return Finding(
        setup=f"784-64-64-10, SGD, {count:,} images of MNIST, to an error of {target:.0%} on 2,000 "
        f"unseen ones, each size at the best of a few rates, chosen on another seed; {len(seeds)} "
        "seeds.",
        numbers=(
            Number.of(f"time to the target: size {typical} relative to size 1", ratios[1]),
            Number.of(f"time to the target: size {typical} relative to all", ratios[count]),
            *(Number.of(f"iterations whose cost is above the one before, size {size}", share, "%")
              for size, share in rises.items() if size in (1, 64, 512, count)),
            *(Number(f"activations to keep, size {size}", size * memory / 2**20, "MiB")
              for size in (64, 512, count)),
        ),
        rules=(
            Rule(f"With all examples at a time and rate {CALM} the cost falls at every iteration, "
                 "for every seed", all(monotone), f"In {monotone.count(False)} of {len(seeds)} it "
                 "rises for a while: there, we think, the valley is too narrow for this rate."),
            Rule("With 64 it rises in a quarter of the iterations or more (the interval is above "
                 "25 %)", rises[64].above(0.25)),
            Rule("The fastest of 64 to 512 takes less time than one example at a time (the "
                 "interval of the ratio is below 1)", ratios[1].below(1)),
            Rule("It takes less time than all at a time (likewise)", ratios[count].below(1)),
        ),
        explanation="Small mini-batches need the fewest images, large ones the least time an "
        "image; the typical sizes are where neither costs much. At the fastest rate the cost of "
        "full batches may rise, too: that rate is near the largest stable one.",
        charts=(drawn(arrivals, seconds, calmly[0].costs),),
        values={"rises_64": rises[64].value, "monotone": float(all(monotone))},
    )  # fmt: skip


def drawn(
    arrivals: dict[int, list[Arrival]], seconds: dict[int, list[float]], calm: np.ndarray
) -> Chart:
    """Costs of the first iterations, and times by size."""
    costs = {"1": arrivals[1][0].found.costs, "64": arrivals[64][0].found.costs, "all": calm}
    first = {name: each[:FIRST] for name, each in costs.items()}
    shown = tuple(Line(name, range(1, len(each) + 1), each) for name, each in first.items())
    every = list(seconds)
    times = Line.over_seeds(
        "time to the target", every, np.transpose(list(seconds.values())), geometric=True
    )
    return Chart(
        title="Cost of each iteration, and time to the target by mini-batch size",
        caption=f"Left: the first {FIRST} iterations of one seed, all examples at rate {CALM}. "
        "Right: geometric means over seeds with 95 % intervals, of the time on this machine.",
        panels=(
            Panel(x_label="iteration", y_label="cost of the mini-batch", lines=shown),
            Panel(x_label="mini-batch size", y_label="seconds", lines=(times,),
                  log_x=True, log_y=True),
        ),
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(alone("mini_batches"))
