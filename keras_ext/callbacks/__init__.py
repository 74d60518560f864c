"""Callbacks for ``model.fit``: one class a file, each says when to call a function of another room.

Configuration is validated in the constructor; what belongs to a run starts anew in
``on_train_begin``, so one instance serves several fits. What a callback writes into ``logs`` are
plain floats under the same keys at every epoch. Put those that write before those that read.
``__all__`` names the callbacks; ``measure`` is what BiasVariance calls, for use without ``fit``.
"""

from keras_ext.callbacks.bias_variance import BiasVariance
from keras_ext.callbacks.gradient_check import GradientCheck
from keras_ext.callbacks.layer_health import LayerHealth
from keras_ext.callbacks.layer_probe import layer_health as layer_health
from keras_ext.callbacks.measure import measure as measure
from keras_ext.callbacks.orthogonal_early_stopping import OrthogonalEarlyStopping
from keras_ext.callbacks.progress import Progress
from keras_ext.callbacks.regularization_activation import RegularizationActivation
from keras_ext.callbacks.time_based_decay import TimeBasedDecay
from keras_ext.callbacks.time_based_schedule import time_based_rate as time_based_rate
from keras_ext.callbacks.time_based_schedule import time_based_schedule as time_based_schedule
from keras_ext.callbacks.training_state import TrainingState

__all__ = [
    "BiasVariance",
    "GradientCheck",
    "LayerHealth",
    "OrthogonalEarlyStopping",
    "Progress",
    "RegularizationActivation",
    "TimeBasedDecay",
    "TrainingState",
]
