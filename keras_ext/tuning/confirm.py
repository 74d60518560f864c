"""The winner of a sweep, trained again on fresh seeds and judged on the test examples."""

from __future__ import annotations

import traceback
from dataclasses import asdict, replace
from functools import partial

from keras_ext.errors import OutputError
from keras_ext.sweep_records import best, objective_of
from keras_ext.tuning.journal import Journal
from keras_ext.tuning.outcome import trials_of
from keras_ext.tuning.outputs import MODEL
from keras_ext.tuning.tuner import ConfigTuner, summary

FRESH = 1000
"""Seeds of the confirmation begin so far above those of the trials."""


def confirm_winner(tuner: ConfigTuner, journal: Journal, seeds: int) -> None:
    """Train the winner on the fresh seeds that are not in the journal yet.

    The model of the first one that does not fail is saved, or of the next one where that is lost.
    """
    winner = best(trials_of(journal))
    mine = [e for e in journal.of("confirmed") if e["trial_id"] == winner.trial_id]
    done, judged = {e["seed"] for e in mine}, any("test" in e for e in mine)
    for index in range(seeds):
        config = replace(winner.config, seed=winner.config.seed + FRESH + index)
        if config.seed in done:
            continue
        name = f"confirmation-{winner.trial_id}-{index}"
        tuner.watcher.begins(name, dict(winner.values), "the winner on a fresh seed", config.epochs)
        event = {"event": "confirmed", "trial_id": winner.trial_id, "seed": config.seed}
        said = f"trial {winner.trial_id} with seed {config.seed}"
        try:
            made = tuner.trainer.train(
                config,
                tuner.states / name,
                epochs=winner.epochs,
                on_epoch=partial(tuner.watcher.epoch, name),
            )
        except OutputError:
            raise
        except Exception as error:
            journal.append({**event, "message": summary(traceback.format_exc())})
            tuner.watcher.says(f"{said} failed: {error}")
            continue
        model = tuner.states.parent / MODEL
        test = tuner.trainer.test(None if judged and model.exists() else model)
        journal.append({**event, "execution": asdict(made), "test": asdict(test)})
        judged = True
        reached = objective_of(made.history, tuner.objective)
        tuner.watcher.says(f"{said}: validation error {reached:.4g}, test error {test.error:.4g}")
