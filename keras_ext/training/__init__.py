"""The one place that composes data, model, optimizer and callbacks into runs and rounds of them."""

from keras_ext.training.checks import preflight
from keras_ext.training.crossentropy import MixedCrossentropy
from keras_ext.training.improve import improve
from keras_ext.training.learning_curve import LearningCurve, learning_curve
from keras_ext.training.learning_rate_range import LearningRateRange, learning_rate_range
from keras_ext.training.run import run
from keras_ext.training.test_set import open_test
from keras_ext.training.turn import turn

__all__ = [
    "LearningCurve",
    "LearningRateRange",
    "MixedCrossentropy",
    "improve",
    "learning_curve",
    "learning_rate_range",
    "open_test",
    "preflight",
    "run",
    "turn",
]
