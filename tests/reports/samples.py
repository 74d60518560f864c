"""Results such as runs leave them, with numbers like those of MNIST."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from keras_ext.diagnosis import ErrorEstimate, diagnose
from keras_ext.records import (
    Augmentation,
    AugmentedImages,
    Check,
    Mistake,
    Mistakes,
    Round,
    RunResult,
    TrainConfig,
)

DIGITS = tuple("0123456789")
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "$\\frac{$",
    "a\n\x00b",
    "日本",
    "{{ 7 * 7 }}",
)
CONFUSED = {(4, 9): 7, (9, 4): 5, (3, 5): 5, (7, 2): 4, (2, 7): 4, (5, 3): 4, (6, 0): 4, (8, 3): 3}
CONFUSED |= {(7, 1): 3, (1, 7): 2, (9, 7): 3, (5, 6): 2, (0, 6): 2, (8, 9): 2, (2, 1): 1, (6, 1): 2}
CONFUSED |= {(9, 8): 1, (4, 6): 1, (3, 8): 1, (0, 2): 1, (1, 3): 1, (7, 9): 1}
GLYPHS = {
    0: (14, 17, 19, 21, 25, 17, 14),
    1: (4, 12, 4, 4, 4, 4, 14),
    2: (14, 17, 1, 2, 4, 8, 31),
    3: (31, 2, 4, 2, 1, 17, 14),
    4: (2, 6, 10, 18, 31, 2, 2),
    5: (31, 16, 30, 1, 1, 17, 14),
    6: (6, 8, 16, 30, 17, 17, 14),
    7: (31, 1, 2, 4, 8, 8, 8),
    8: (14, 17, 17, 14, 17, 17, 14),
    9: (14, 17, 17, 15, 1, 2, 12),
}


def share(wrong: int, count: int) -> ErrorEstimate:
    """The error of ``wrong`` among ``count`` examples."""
    return ErrorEstimate.from_values(np.arange(count) < wrong)


def digit(number: int, *, seed: int, channels: int = 1) -> np.ndarray:
    """A badly written digit, uint8 of shape (28, 28, channels)."""
    random = np.random.default_rng(seed)
    rows = [[bits >> place & 1 for place in (4, 3, 2, 1, 0)] for bits in GLYPHS[number]]
    image = np.zeros((28, 28))
    image[3:24, 6:21] = np.kron(rows, np.ones((3, 3)))
    lean = random.uniform(-0.25, 0.25)
    image = np.stack([np.roll(row, round(lean * (14 - y))) for y, row in enumerate(image)])
    for axis in (0, 1):
        image = (np.roll(image, 1, axis) + 2 * image + np.roll(image, -1, axis)) / 4
    return np.repeat((255 * image).astype("uint8")[:, :, None], channels, axis=2)


def history(train: float, validation: float, epochs: int) -> tuple[dict[str, float], ...]:
    """Errors that fall from some percent to the given ones, as fractions."""
    rows = []
    for epoch in range(epochs):
        left = 0.035 * (1 - (epoch + 1) / epochs) ** 2 * (1 + 0.2 * np.cos(epoch * 2.1))
        row: dict[str, float] = {"epoch": epoch, "measured_epoch": float(epoch)}
        for name, end, count in (("train", train, 6000), ("validation", validation, 6000)):
            estimate = share(round(count * (end + left)), count)
            low, high = estimate.interval()
            row |= {f"{name}_error": estimate.error, f"{name}_low": low, f"{name}_high": high}
            row[f"{name}_cost"] = 3.2 * estimate.error + 0.004
        rows.append(
            row
            | {"learning_rate": 0.01 * (1 - epoch / (epochs + 1)), "seconds": 14.2 * (epoch + 1)}
        )
    return tuple(rows)


def costs(epochs: int = 3, iterations: int = 211) -> tuple[tuple[float, ...], ...]:
    """The cost of each iteration: falling, with noise."""
    random = np.random.default_rng(0)
    step = np.arange(epochs * iterations)
    level = 2.3 * np.exp(-step / 18) + 0.35 * np.exp(-step / 150) + 0.02
    values = level * random.lognormal(0, 0.3, len(step))
    return tuple(tuple(float(cost) for cost in part) for part in values.reshape(epochs, iterations))


def a_round(
    config: TrainConfig,
    wrong: tuple[int, int],
    *,
    knob: str | None = None,
    before: Any = None,
    after: Any = None,
    reason: str = "",
    kept: bool = True,
) -> Round:
    """One round with so many wrong of 6,000 training and 6,000 validation examples."""
    train, validation = share(wrong[0], 6000), share(wrong[1], 6000)
    knobs = {"epochs": config.epochs, "dropout": config.dropout, "l2": config.l2, "magnitude": 0.25}
    diagnosis = diagnose(
        train,
        validation,
        optimal_error=config.optimal_error,
        tolerance=config.tolerance,
        knobs=knobs,
    )
    return Round(
        knob,
        before,
        after,
        reason,
        kept,
        config,
        train,
        validation,
        diagnosis,
        history(train.error, validation.error, config.epochs),
        costs(),
        92.4,
        85.1,
    )


def mistakes(classes: tuple[str, ...] = DIGITS, channels: int = 1) -> Mistakes:
    """Some digits taken for others."""
    size = len(classes)
    confusion = np.diag([1000] * size)
    for (label, predicted), count in CONFUSED.items():
        if label < size and predicted < size:
            confusion[label, predicted] += count
            confusion[label, label] -= count
    worst = []
    for place, (label, predicted) in enumerate(pair for pair in CONFUSED if max(pair) < size):
        sure = 0.999 - 0.03 * place
        odds = np.full(size, 0.001)
        odds[[label, predicted]] = (1 - sure) * 0.9, sure
        image = digit(label, seed=place, channels=channels)
        worst.append(
            Mistake(37 * place + 8, label, predicted, tuple(map(float, odds / odds.sum())), image)
        )
    return Mistakes(tuple(tuple(map(int, row)) for row in confusion), tuple(worst[:12]), classes)


def augmented(augmentation: Augmentation, channels: int = 1) -> AugmentedImages:
    """Some digits, and others like them for their changed versions."""
    originals = np.stack([digit(n, seed=n, channels=channels) for n in range(4)])
    shown = [[digit(n, seed=10 * n + v, channels=channels) for v in range(7)] for n in range(4)]
    return AugmentedImages(augmentation, True, originals, np.array(shown))


def sample_result(**changes: Any) -> RunResult:
    """A finished run of three rounds: augmentation helped, dropout did not."""
    plain = TrainConfig(epochs=6, optimal_error=0.002, tolerance=0.0015, learning_rate=0.01)
    moved = replace(
        plain, augmentation=Augmentation(rotation=10, zoom=0.1, translation=0.1, magnitude=0.25)
    )
    why = "variance is the larger gap: stronger augmentation comes first"
    rounds = (
        a_round(
            plain, (3, 66), reason="no regularization yet: what does the network do by itself?"
        ),
        a_round(moved, (12, 37), knob="magnitude", before=0.0, after=0.25, reason=why),
        a_round(
            replace(moved, dropout=0.1),
            (21, 39),
            knob="dropout",
            before=0.0,
            after=0.1,
            reason="variance is still the larger gap: regularize more",
            kept=False,
        ),
    )
    kept = rounds[1]
    result = RunResult(
        name="mnist",
        config=moved,
        errors={"train": kept.train, "validation": kept.validation, "test": share(58, 10_000)},
        diagnosis=kept.diagnosis,
        history=kept.history,
        rounds=rounds,
        seconds=291.3,
        versions={
            "python": "3.11.2",
            "keras": "3.15.1",
            "tensorflow": "2.21.0",
            "keras-ext": "0.1.0",
        },
        sizes={"train": 54_000, "validation": 6_000, "test": 10_000},
        checks=(
            Check(
                "splits are alike",
                True,
                "train and validation have the same distribution",
                0.41,
                None,
            ),
            Check("cost at initialisation", True, "2.31, near ln 10 = 2.30", 2.31, 2.302585),
            Check("gradients", True, "analytic and numeric gradients agree", 3.1e-9, 1e-7),
            Check("cost goes down", False, "the cost rose in epoch 4 of 6", None, None),
        ),
        iteration_costs=kept.iteration_costs,
        mistakes=mistakes(),
        augmented=augmented(moved.augmentation),
    )
    return replace(result, **changes)


def fast_result() -> RunResult:
    """One round, nothing turned."""
    result = sample_result()
    first = result.rounds[0]
    return replace(
        result,
        rounds=(first,),
        config=first.config,
        diagnosis=first.diagnosis,
        history=first.history,
        errors={**result.errors, "train": first.train, "validation": first.validation},
    )


def interrupted_result() -> RunResult:
    """Stopped in the first epoch of the first round: no test error, no history, no picture."""
    result = fast_result()
    first = replace(result.rounds[0], history=(), iteration_costs=(), status="interrupted")
    return replace(
        result,
        status="interrupted",
        rounds=(first,),
        history=(),
        iteration_costs=(),
        checks=(),
        mistakes=None,
        augmented=None,
        errors={name: result.errors[name] for name in ("train", "validation")},
    )


def hostile_result() -> RunResult:
    """Class names and a run name that try to break out; images of three channels."""
    return sample_result(name=HOSTILE[0], mistakes=mistakes(HOSTILE, channels=3))


def regression_result() -> RunResult:
    """Squared errors of house prices: no proportions, no classes."""
    random = np.random.default_rng(1)
    config = TrainConfig(model="mlp", tolerance=1.0)
    train = ErrorEstimate.from_values(random.gamma(1.0, 8.0, 400))
    validation = ErrorEstimate.from_values(random.gamma(1.0, 14.0, 100))
    diagnosis = diagnose(train, validation, tolerance=1.0, knobs={"dropout": 0.0, "epochs": 5})
    rows = tuple(
        {
            "epoch": epoch,
            "measured_epoch": float(epoch),
            "train_error": 80 / (epoch + 1),
            "train_low": 70 / (epoch + 1),
            "train_high": 90 / (epoch + 1),
            "validation_error": 85 / (epoch + 1),
        }
        for epoch in range(5)
    )
    only = Round(
        knob=None,
        before=None,
        after=None,
        reason="no regularization yet: what does the network do by itself?",
        kept=True,
        config=config,
        train=train,
        validation=validation,
        diagnosis=diagnosis,
        history=rows,
        iteration_costs=((81.0, 60.5, 70.1),),
    )
    test = ErrorEstimate.from_values(random.gamma(1.0, 13.0, 100))
    return RunResult(
        name="houses",
        config=config,
        errors={"train": train, "validation": validation, "test": test},
        diagnosis=diagnosis,
        history=rows,
        rounds=(only,),
        seconds=4.2,
        versions={"keras": "3.15.1"},
        sizes={"train": 400, "validation": 100, "test": 100},
        iteration_costs=only.iteration_costs,
    )
