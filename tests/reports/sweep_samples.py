"""Sweep results to draw: a usual one, a hostile one, one without any success, a short one."""

from __future__ import annotations

from dataclasses import replace
from math import nan
from typing import Any

import numpy as np

from keras_ext.diagnosis import ErrorEstimate, diagnose
from keras_ext.records import TrainConfig
from keras_ext.sweep_records import Confirmation, Execution, SweepResult, Trial

HOSTILE = '<script>alert("x")</script>&amp;$\\alpha$'

SPACE: tuple[dict[str, Any], ...] = (
    {
        "kind": "Float",
        "name": "learning_rate",
        "min_value": 1e-4,
        "max_value": 0.1,
        "sampling": "log",
        "parents": [],
    },
    {"kind": "Choice", "name": "units", "values": [16, 32, 64], "ordered": True, "parents": []},
    {"kind": "Boolean", "name": "batch_norm", "default": True, "parents": []},
)


def proportion(error: float, count: int = 2000) -> ErrorEstimate:
    return ErrorEstimate.from_values(
        [1] * round(error * count) + [0] * round(count - error * count)
    )


def execution(error: float, seed: int = 0) -> Execution:
    history = tuple(
        {
            "epoch": epoch,
            "train_error": 0.02,
            "validation_error": error + 0.02 * (2 - epoch),
            "train_cost": 0.1,
            "validation_cost": 0.3,
        }
        for epoch in range(3)
    )
    return Execution(seed, proportion(0.02), proportion(error), history, seconds=2.0)


def trial(number: int, rng: np.random.Generator, reason: str = "") -> Trial:
    rate = float(10 ** rng.uniform(-4, -1))
    values = {
        "learning_rate": rate,
        "units": int(rng.choice([16, 32, 64])),
        "batch_norm": bool(rng.integers(2)),
    }
    error = 0.05 + 0.1 * (np.log10(rate) + 2) ** 2 / 4 + 0.02 * (64 - values["units"]) / 48
    made = execution(float(round(error, 4)))
    return Trial(
        trial_id=f"{number:04d}",
        status="completed",
        values=values,
        config=TrainConfig(learning_rate=rate, units=values["units"], epochs=3),
        reason=reason,
        executions=(made,),
        metrics={"validation_error": made.validation.error, "train_error": 0.02},
        diagnosis=diagnose(made.train, made.validation),
        seconds=2.5,
    )


def sample_sweep(trials: int = 30) -> SweepResult:
    """With reasons, one failure and a confirmation."""
    rng = np.random.default_rng(0)
    made = [trial(n, rng, f"variance is present: knob {n}" if n % 3 else "") for n in range(trials)]
    if trials > 3:
        made[2] = replace(made[2], status="failed", metrics={}, message="MemoryError: no room\n...")
    return SweepResult(
        name="digits",
        strategy="guided",
        objective="final",
        seed=0,
        base=TrainConfig(),
        space=SPACE,
        trials=tuple(made),
        confirmation=Confirmation(
            (execution(0.08, 1000), execution(0.09, 1001)), (proportion(0.09), proportion(0.1))
        ),
        seconds=2.5 * trials,
        versions={"keras": "3.15"},
        sizes={"train": 2000, "validation": 2000, "test": 2000},
    )


def short_sweep() -> SweepResult:
    """A single trial, interrupted before it was confirmed."""
    return replace(sample_sweep(1), confirmation=None, status="interrupted")


def failed_sweep() -> SweepResult:
    """No trial was completed; the numbers that there are are none."""
    result = sample_sweep(5)
    failed = tuple(
        replace(t, status="failed", metrics={"validation_error": nan}, message="RuntimeError: no")
        for t in result.trials
    )
    return replace(result, trials=failed, confirmation=None)


def hostile_sweep() -> SweepResult:
    """Everything that a user names tries to be markup."""
    result = sample_sweep()
    space = (*SPACE, {"kind": "Choice", "name": HOSTILE, "values": [HOSTILE, "b"], "parents": []})
    trials = tuple(
        replace(
            t,
            values={**t.values, HOSTILE: (HOSTILE, "b")[n % 2]},
            reason=f"{HOSTILE} {t.reason}",
            message=f"{HOSTILE}\n{t.message}" if t.message else "",
        )
        for n, t in enumerate(result.trials)
    )
    named = {"name": HOSTILE, "strategy": HOSTILE, "versions": {HOSTILE: HOSTILE}}
    return replace(result, space=space, trials=trials, **named)
