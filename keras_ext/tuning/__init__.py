"""Sweeps over configurations with KerasTuner's oracles; the only room that imports keras_tuner."""

from keras_ext.tuning.guided_oracle import GuidedOracle
from keras_ext.tuning.oracles import STRATEGIES, make_oracle
from keras_ext.tuning.space import default_space
from keras_ext.tuning.staged_oracle import StagedOracle
from keras_ext.tuning.sweep import sweep

__all__ = [
    "STRATEGIES",
    "GuidedOracle",
    "StagedOracle",
    "default_space",
    "make_oracle",
    "sweep",
]
