"""The one place that knows tensorflow, jax and torch: taking a gradient, and their random state.

Each backend is imported when it is the one Keras runs on, and a function is needed.
"""

from keras_ext.gradients.backend.functions import Cost, Gradient, Stateless, functions
from keras_ext.gradients.backend.precision import double_precision, errors, has_numbers
from keras_ext.gradients.backend.state import random_state, seed_keeping_kernels, set_random_state
from keras_ext.gradients.backend.trace import trace
from keras_ext.gradients.backend.within import Tap, gradients_within

__all__ = [
    "Cost",
    "Gradient",
    "Stateless",
    "Tap",
    "double_precision",
    "errors",
    "functions",
    "gradients_within",
    "has_numbers",
    "random_state",
    "seed_keeping_kernels",
    "set_random_state",
    "trace",
]
