"""The winner of a sweep, trained again on fresh seeds and judged on the test examples."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial

from keras_ext.sweep_records import best
from keras_ext.tuning.journal import Journal
from keras_ext.tuning.outcome import confirmation_of, trials_of
from keras_ext.tuning.tuner import ConfigTuner

FRESH = 1000
"""Seeds of the confirmation begin so far above those of the trials."""


def confirm_winner(tuner: ConfigTuner, journal: Journal, seeds: int) -> None:
    """Train the winner on the fresh seeds that are not in the journal yet."""
    winner = best(trials_of(journal))
    before = confirmation_of(journal)
    done = {item.seed for item in before.executions} if before else set()
    for index in range(seeds):
        config = replace(winner.config, seed=winner.config.seed + FRESH + index)
        if config.seed in done:
            continue
        name = f"confirmation-{winner.trial_id}-{index}"
        tuner.watcher.begins(name, dict(winner.values), "the winner on a fresh seed", config.epochs)
        made = tuner.trainer.train(
            config,
            tuner.states / name,
            epochs=winner.epochs,
            on_epoch=partial(tuner.watcher.epoch, name),
        )
        test = tuner.trainer.test(None if index else tuner.states.parent / "model.keras")
        journal.append(
            {
                "event": "confirmed",
                "trial_id": winner.trial_id,
                "execution": asdict(made),
                "test": asdict(test),
            }
        )
        tuner.watcher.says(
            f"trial {winner.trial_id} with seed {config.seed}: validation error "
            f"{made.validation.error:.4g}, test error {test.error:.4g}"
        )
