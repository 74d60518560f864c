"""Normalizing the inputs makes the cost round: larger steps are stable, and fewer are needed.

Two features of the digits 0 and 1 in MNIST: the ink of an image (the mean of its pixels, from 0 to
255) and its slimness (height over width, about 1). A linear unit with a bias learns to tell them
apart by gradient descent on half the mean squared error, with inputs as they are or normalized. The
cost is a quadratic: with curvatures from l to L, rates up to 2/L are stable, and 2/(L + l) is best
(Nesterov 2004, theorem 2.1.15). A step multiplies the distance along a direction of curvature c by
1 - rate c. Where it turns unstable we see by taking 4,000 steps at rates around 2/L.
"""

from __future__ import annotations

import numpy as np

from keras_ext import data
from keras_ext.chart_records import Chart, Line, Panel, Surface
from keras_ext.claim_records import Finding, Number, Rule
from keras_ext.data.normalizer import moments
from keras_ext.diagnosis import over_seeds
from keras_ext.diagnosis.intervals import least
from keras_ext.records import Arrays
from recipes.article.effort import Effort
from recipes.article.page import alone

EXAMPLES, PRECISION = 1000, 0.01
WAYS = ("normalized", "as they are")
ROWS = {"condition": "condition number L/l", "rate": "largest stable rate", "steps": "steps"}


def experiment(effort: Effort) -> Finding:
    """Gradient descent with and without normalized inputs."""
    seeds = effort.seeds(3, 10, 30)
    problems = [features(seed) for seed in seeds]
    runs = [[descend(inputs, y) for inputs in both] for *both, y in problems]
    logs = {what: np.log10([[run[what] for run in pair] for pair in runs]) for what in ROWS}
    saved, rate = over_seeds(logs["steps"] @ [-1, 1]), over_seeds(logs["rate"] @ [1, -1])
    edge = max(abs(run["edge"] - 1) for pair in runs for run in pair)
    return Finding(
        setup=f"{EXAMPLES:,} images of the digits 0 and 1, {len(seeds)} seeds of other images. "
        f"Steps are counted to {100 * PRECISION:g} % of the way above the lowest cost.",
        numbers=tuple(Number.of_log10(f"{ROWS[what]}, {WAYS[n]}", over_seeds(logs[what][:, n]))
                      for what in ROWS for n in range(2)),
        rules=(
            Rule("normalized inputs converge in fewer steps (the ratio is above 1)", saved.above()),
            Rule("their largest stable rate is higher (the ratio is above 1)", rate.above()),
            Rule("descent turns unstable where theory says, at 2/L, to 1 %", edge < 0.01),
        ),
        explanation="A feature of large numbers makes the cost steep along its weight, by their "
        "square. This one direction limits the learning rate, and along the others descent creeps. "
        "Use one mean and variance for all parts of the data: here they are a layer of the model.",
        charts=(drawn(*problems[0]),),
        values={"edge": edge, "saved": saved.value, "rate": rate.value},
    )  # fmt: skip


def features(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ink and slimness normalized, the same as they are, and which digit it is (0 or 1)."""
    train = data.load("mnist").part("train")
    rows = np.flatnonzero(train.y < 2)
    some = data.sample(Arrays(train.x[rows], train.y[rows]), EXAMPLES, seed=seed)
    height, width = ((some.x[..., 0] > 64).any(axis=axis).sum(axis=1) for axis in (2, 1))
    raw = np.stack([some.x.mean(axis=(1, 2, 3)), height / width], axis=1)
    mean, variance = moments(raw)
    return (raw - mean) / np.sqrt(variance), raw, some.y.astype("float64")


def descend(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Condition number, steps, the largest stable rate, and that over theory's."""
    inputs = np.column_stack([x, np.ones(len(x))])
    hessian = inputs.T @ inputs / len(y)
    curvatures, directions = np.linalg.eigh(hessian)
    low, *_, high = curvatures
    distance = directions.T @ np.linalg.solve(hessian, inputs.T @ y / len(y))
    shrink = 1 - 2 / (low + high) * curvatures

    def converged(steps: int) -> bool:
        left = distance * shrink**steps
        return bool(curvatures @ left**2 <= PRECISION * (curvatures @ distance**2))

    stable = max(f for f in np.arange(0.95, 1.05, 0.005) if stays(hessian, 2 * f / high))
    steps = least(converged) or 0
    return {"condition": high / low, "rate": 2 * stable / high, "edge": stable, "steps": steps}


def stays(hessian: np.ndarray, rate: float) -> bool:
    """Whether thousands of steps of descent don't run away from the optimum."""
    step = np.eye(len(hessian)) - rate * hessian
    return bool(np.abs(np.linalg.matrix_power(step, 4000)).max() < 10)


def drawn(normal: np.ndarray, raw: np.ndarray, y: np.ndarray) -> Chart:
    """The cost over both weights, at the best bias, with the first steps of descent."""
    return Chart(
        title="The cost over the weights of both features, and ten steps of descent",
        caption="Contours of half the mean squared error, each twice as far above the lowest value "
        "as the one within; the bias is at its best. Steps with the best rate; one seed.",
        panels=(contours(normal, y, WAYS[0]), contours(raw, y, WAYS[1])),
    )


def contours(x: np.ndarray, y: np.ndarray, way: str) -> Panel:
    """One picture."""
    hessian, slope = np.cov(x.T, bias=True), (x - x.mean(axis=0)).T @ y / len(y)
    best, ends = np.linalg.solve(hessian, slope), np.linalg.eigvalsh(hessian)
    axes = [b + 2.2 * np.abs(best).max() * np.linspace(-1, 1, 161) for b in best]
    grid = np.stack(np.meshgrid(*axes), axis=-1) - best
    cost = 0.5 * np.einsum("rci,ij,rcj->rc", grid, hessian, grid)
    path, rate = [np.zeros(2)], 2 / (ends[0] + ends[-1])
    for _ in range(10):
        path.append(path[-1] - rate * (hessian @ path[-1] - slope))
    lines = (Line("descent", [w[0] for w in path], [w[1] for w in path], kind="path"),
             Line("lowest cost", best[:1], best[1:], kind="points", color="optimal"))  # fmt: skip
    surface = Surface(axes[0], axes[1], cost, cost.max() / 2.0 ** np.arange(10, 0, -1))
    return Panel(title=f"Features {way}", lines=lines, surface=surface, square=True,
                 x_label="weight of the ink", y_label="weight of the slimness")  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(alone("normalizing"))
