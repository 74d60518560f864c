"""Compare backpropagation with two-sided differences, (J(theta + epsilon) - J(theta - epsilon)) /
(2 epsilon). A relative difference of 1e-7 is great, 1e-5 is worth a look, 1e-3 is probably a bug;
if it is large, look at the components to find where the bug is.

The two-sided difference is off by a multiple of epsilon^2, the one-sided one by a multiple of
epsilon. Both lose digits to round-off as epsilon falls, in proportion to 1 / epsilon: the best
epsilon lies between, and in single precision no epsilon is good enough for 1e-7.

A right network, and one with a bug planted: its penalty on the weights forgets the gradient of a
single weight. check_gradients compares each variable by itself and halves the one that fails down
to the element; the one figure over all weights is the article's.
"""

from __future__ import annotations

import numpy as np

from keras_ext import data
from keras_ext.chart_records import Chart, Line, Panel
from keras_ext.claim_records import Finding, Number, Rule
from keras_ext.diagnosis.slopes import slope_interval
from recipes.article.differences import STEPS, differences
from recipes.article.effort import Effort
from recipes.article.page import alone
from recipes.article.planted import UNITS, checked, place, spot

EXAMPLES = 32
GREAT, BUG = 1e-7, 1e-3
SIZES = (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)


def experiment(effort: Effort) -> Finding:
    """Differences over epsilon, a right gradient, and planted bugs of several sizes."""
    digits = data.sample(data.load("mnist").part("train"), EXAMPLES, seed=effort.seed)
    courses = {kind: differences(digits, kind) for kind in ("one-sided", "two-sided", "single")}
    one, two = (
        slope_interval(np.log10(STEPS[1:6]), np.log10(courses[kind][1:6]))[0]
        for kind in ("one-sided", "two-sided")
    )
    best = float(STEPS[np.argmin(courses["two-sided"])])
    seeds = effort.seeds(1, 3, 10)
    good = max(checked(digits, seed, 0.1, planted=False).relative_error for seed in seeds)
    sizes = effort.pick(SIZES[-2:], SIZES, SIZES)
    wrong = {s: {seed: checked(digits, seed, s, planted=True) for seed in seeds} for s in sizes}
    found = {s: all(spot(r) == place(n) for n, r in made.items()) for s, made in wrong.items()}
    figures = {s: [report.relative_error for report in made.values()] for s, made in wrong.items()}
    least, hidden = min(figures[0.1]), [s for s in sizes if found[s] and max(figures[s]) < BUG]
    return Finding(
        setup=f"784-{UNITS}-10 with tanh on {EXAMPLES} images of MNIST, checked in double "
        f"precision, {len(seeds)} seed(s). The planted bug: the penalty strength * W^2 of one of "
        f"the first layer's {784 * UNITS:,} weights, another one for each "
        "seed, is missing from the gradient.",
        numbers=(
            Number("relative difference, right gradient (largest)", good, seeds=len(seeds)),
            Number("relative difference, bug of strength 0.1 (smallest)", least, seeds=len(seeds)),
            Number("smallest strength of a bug that was found at its very weight for every seed",
                   min((s for s in sizes if found[s]), default=float("inf")), seeds=len(seeds)),
            Number("power of epsilon in the error, one-sided", one),
            Number("power of epsilon in the error, two-sided", two),
            Number("best epsilon, two-sided, double precision", best),
            Number("smallest error, two-sided, single precision", min(courses["single"])),
        ),
        rules=(
            Rule(f"A right gradient differs by less than {GREAT:g} for every seed", good < GREAT),
            Rule("A bug of strength 0.1 is found at its very weight, for every seed", found[0.1]),
            Rule("The error of the two-sided difference falls with epsilon^2, that of the "
                 "one-sided one with epsilon (powers within 0.1)",
                 abs(two - 2) < 0.1 and abs(one - 1) < 0.1),
            Rule(f"The one figure is enough: it is above {BUG:g} for every bug that was found at "
                 "its weight", not hidden,
                 "The figure divides by the norm over all weights, which dilutes a bug in one of "
                 "thousands below any limit; the row of its variable still names it."),
        ),
        explanation="Check each variable by itself, in double precision. The article's epsilon of "
        "1e-7 works there, a larger one is better; in single precision no epsilon comes near 1e-7.",
        charts=(drawn(courses, figures),),
        values={"good": good, "bug": least, "found": float(found[0.1]), "one": one, "two": two,
                "best": best, "single": float(min(courses["single"]))},
    )  # fmt: skip


def drawn(courses: dict[str, np.ndarray], figures: dict[float, list[float]]) -> Chart:
    """Errors over epsilon, and the one figure over the size of the bug."""
    kinds = {"one-sided": "one-sided", "two-sided": "two-sided", "single": "two-sided, single"}
    errors = tuple(Line(kinds[kind], STEPS, course) for kind, course in courses.items())
    sizes = list(figures)
    found = Line("all weights", sizes, [np.mean(figures[size]) for size in sizes])
    ends = [min(sizes), max(sizes)]
    limit = Line("probably a bug", ends, [BUG] * 2, kind="dashed", color="muted")
    return Chart(
        title="Differences over epsilon, and a planted bug in the one figure over all weights",
        caption="Left: one cost in one direction, no seed. Right: mean over seeds; the dashed line "
        "is the article's limit for a probable bug.",
        panels=(
            Panel(x_label="epsilon", y_label="relative error", lines=errors,
                  log_x=True, log_y=True),
            Panel(x_label="strength of the bug", y_label="relative difference",
                  lines=(found, limit), log_x=True, log_y=True),
        ),
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(alone("gradient_checking"))
