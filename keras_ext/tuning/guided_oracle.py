"""Searches that choose the next trial from the diagnosis of the last ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras_ext.tuning.axes import Axis
from keras_ext.tuning.guided import guided
from keras_ext.tuning.proposal import Proposal, Tried
from keras_ext.tuning.ruled_oracle import RuledOracle


class GuidedOracle(RuledOracle):
    """Turn the knob that the best trial's diagnosis names; see ``tuning.guided`` for the rules.

    It reads "avoidable_bias" and "variance" of each trial, and "unsteadiness" where there is one:
    the metrics that ``callbacks.BiasVariance`` writes into ``logs``. Without them it takes the same
    steps without a diagnosis, and says so once.

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> rate = space.Float("learning_rate", 1e-4, 1e-1, sampling="log", default=1e-3)
    >>> oracle = GuidedOracle(max_trials=9, seed=0, hyperparameters=space)
    >>> oracle.populate_space("0")["values"], oracle.reasons["0"]
    ({'learning_rate': 0.001}, 'the default values, to start from')

    Args:
        objective, max_trials, seed, roles, learning_rates: as for every strategy here; the
            hyperparameters' defaults are where the search starts.
        diagnose: False for the same steps without a diagnosis, to compare with.
        options: what ``keras_tuner.Oracle`` takes besides: hyperparameters, max_retries_per_trial,
            max_consecutive_failed_trials, ...
    """

    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = 10,
        *,
        diagnose: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(objective, max_trials, **options)
        self.diagnose = diagnose

    def propose(self, axes: Sequence[Axis], tried: Sequence[Tried]) -> Proposal | None:
        """The next trial by the rules."""
        if self.diagnose:
            self.tell_once(tried, "the search goes on without a diagnosis")
        return guided(
            axes,
            tried,
            budget=self.max_trials,
            seed=self.seed,
            diagnose=self.diagnose,
            learning_rates=self.learning_rates,
        )
