"""The learning rates that a sweep begins with, from one range test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras_ext.records import TrainConfig
from keras_ext.tuning.axes import with_role
from keras_ext.tuning.axes_of import axes_of
from keras_ext.tuning.journal import Journal
from keras_ext.tuning.ruled_oracle import RuledOracle
from keras_ext.tuning.trainer import Trainer

EVENT = "range"


def set_first_rates(
    oracle: Any,
    journal: Journal,
    trainer: Any,
    config: TrainConfig,
    say: Callable[[str], None],
) -> None:
    """Tell a staged or guided search which learning rates are worth a trial.

    The test is made once, before the first trial, and kept in the journal: a sweep that goes on
    begins with the same rates. A test that fails, or sees no fall of the cost, limits nothing.

    Args:
        oracle: others than these, and one that was given rates, are left as they are.
        journal: of the sweep.
        trainer: of its points; without a test if it is no ``Trainer``.
        config: the default point.
        say: is told what the test saw.
    """
    if not isinstance(oracle, RuledOracle) or oracle.learning_rates is not None:
        return
    axis = with_role(axes_of(oracle.hyperparameters, oracle.roles), "learning_rate")
    if axis is None or axis.fixed:
        return
    if not journal.of("proposed") and not journal.of(EVENT) and isinstance(trainer, Trainer):
        journal.append({"event": EVENT, **_test(trainer, config)})
        say(journal.events[-1]["summary"])
    for made in journal.of(EVENT)[:1]:
        if made["range"] is not None:
            low, high = made["range"]
            oracle.learning_rates = low, high


def _test(trainer: Trainer, config: TrainConfig) -> dict[str, Any]:
    try:
        seen = trainer.learning_rate_range(config)
    except Exception as error:  # The default point may not run; others may.
        return {"range": None, "summary": f"no learning-rate range test: {error}"}
    return {"range": seen.range, "summary": f"learning-rate range test: {seen.summary()}"}
