"""Searches in stages: the learning rate first, then what matters less and less."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras_ext.errors import ConfigError
from keras_ext.tuning.axes import Axis
from keras_ext.tuning.proposal import Proposal, Tried
from keras_ext.tuning.ruled_oracle import RuledOracle
from keras_ext.tuning.staged import staged


class StagedOracle(RuledOracle):
    """Ng's order of tuning, each stage on top of the best before; see ``tuning.staged``.

    It reads "avoidable_bias" and "variance" of each trial to decide whether regularization is
    worth a stage; without them, which it says once, the stage is taken.

    >>> import keras_tuner
    >>> space = keras_tuner.HyperParameters()
    >>> rate = space.Float("learning_rate", 1e-4, 1e-1, sampling="log", default=1e-3)
    >>> oracle = StagedOracle(max_trials=9, seed=0, hyperparameters=space)
    >>> oracle.populate_space("0")["values"]
    {'learning_rate': 0.001}

    Args:
        objective, max_trials, seed, roles, learning_rates: as for every strategy here.
        noise: the standard deviation of the objective from one seed to the next, if known;
            otherwise trials may report it as "seed_noise", as those of ``sweep`` do that are
            trained more than once.
        options: what ``keras_tuner.Oracle`` takes besides.
    """

    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = 10,
        *,
        noise: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(objective, max_trials, **options)
        if noise is not None and not noise >= 0:
            raise ConfigError(f"noise must be at least 0, got noise={noise!r}")
        self.noise = noise

    def propose(self, axes: Sequence[Axis], tried: Sequence[Tried]) -> Proposal | None:
        """The next trial by the rules."""
        self.tell_once(tried, "all hyperparameters get their stage")
        return staged(
            axes,
            tried,
            budget=self.max_trials,
            seed=self.seed,
            learning_rates=self.learning_rates,
            noise=self.noise,
        )
