"""Knobs: regularization strengths that move while a model trains.

A dropout rate, L2 factor or magnitude of augmentation is held in a variable: a new one takes effect
at the next step, without retracing, on every backend and under jit. These variables are weights of
the model: saved, loaded, copied and restored with the others.
"""

from keras_ext.regularization.augment import Augment
from keras_ext.regularization.conversion import adjustable, frozen
from keras_ext.regularization.dropout import Dropout
from keras_ext.regularization.knob import Knob, knobs
from keras_ext.regularization.l2 import L2

__all__ = ["L2", "Augment", "Dropout", "Knob", "adjustable", "frozen", "knobs"]
