"""Searches for hyperparameters that read the learning curves, on top of KerasTuner."""

from keras_ext.tuning.guided_oracle import GuidedOracle
from keras_ext.tuning.staged_oracle import StagedOracle

__all__ = ["GuidedOracle", "StagedOracle"]
