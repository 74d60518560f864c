"""Does it pay to tune Adam's betas and epsilon?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from keras_ext.diagnosis import OverSeeds, over_seeds
from keras_ext.records import Splits, TrainConfig
from keras_ext.training.course import course
from keras_ext.training.reuse import CompiledModels
from recipes.article.race import TUNING_SEED


def tuned_minus_default(winner: TrainConfig, splits: Splits, seeds: Sequence[int]) -> OverSeeds:
    """The error of a tuned configuration minus that with Adam's defaults, at their best rate.

    Of three rates, a third of the winner's to three times it, the best on another seed.
    """
    make = CompiledModels()

    def error(config: TrainConfig, seed: int) -> float:
        seeded = replace(config, seed=seed)
        found = course(seeded, splits.train, validation=splits.validation, make=make)
        return float(found.errors[-1])

    plain = replace(winner, momentum=0.9, beta_2=0.999, epsilon=1e-7)
    tries = [replace(plain, learning_rate=winner.learning_rate * times) for times in (1 / 3, 1, 3)]
    plain = min(tries, key=lambda config: error(config, seeds[0] + TUNING_SEED))
    return over_seeds([error(winner, seed) - error(plain, seed) for seed in seeds])
