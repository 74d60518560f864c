"""Gradient checking: is the gradient that ``fit`` uses the gradient of its cost, and if not, where?

``algorithm`` is pure and knows nothing of Keras; ``adapter`` makes its two functions from a model;
``backend`` is the one place that knows tensorflow, jax and torch. ``python -m keras_ext.gradients``
checks a saved model.
"""

from keras_ext.gradients.assertion import assert_gradients
from keras_ext.gradients.check import check_gradients, check_input_gradients
from keras_ext.gradients.gradient_report import GradientReport
from keras_ext.gradients.variable_report import VariableReport

__all__ = [
    "GradientReport",
    "VariableReport",
    "assert_gradients",
    "check_gradients",
    "check_input_gradients",
]
