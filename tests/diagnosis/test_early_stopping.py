"""What early stopping would have done, against Keras's own callback."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keras_ext.diagnosis import EarlyStop, early_stop


class Model:
    """As much of a model as EarlyStopping needs; its weights are the number of the epoch."""

    stop_training = False
    metrics = ()

    def get_weights(self):
        return self.epoch

    def set_weights(self, weights):
        self.epoch = weights


def keras_says(values, patience, first):
    """The epoch after which Keras stops, and the one whose weights it restores."""
    import keras

    stop = keras.callbacks.EarlyStopping(
        "value", patience=patience, mode="min", restore_best_weights=True
    )
    model = Model()
    stop.set_model(model)
    stop.on_train_begin()
    for epoch, value in enumerate(values, start=first):
        model.epoch = epoch
        stop.on_epoch_end(epoch, {"value": value})
        if model.stop_training:
            break
    stopped = model.epoch if model.stop_training else None
    stop.on_train_end()
    return EarlyStop(stopped, model.epoch)


VALUES = st.lists(
    st.sampled_from([0.1, 0.2, 0.3, 0.4, math.nan, math.inf]) | st.floats(0, 1), min_size=1
)


@example([math.nan, 0.5, 0.4, 0.3], 2, 0)
@example([0.3, 0.3, 0.3], 2, 5)
@settings(max_examples=40)
@given(VALUES, st.integers(1, 4), st.sampled_from([0, 3]))
def test_it_is_what_keras_does(values, patience, first):
    found = early_stop(values, patience=patience, first_epoch=first)
    assert found == keras_says(values, patience, first)


def test_nothing_was_monitored():
    assert early_stop([], patience=3) == EarlyStop(None, None)


@pytest.mark.parametrize("patience", [1, 3])
def test_it_stops_patience_epochs_after_the_best(patience):
    found = early_stop([0.5, 0.4, *[0.45] * 9], patience=patience)
    assert found == EarlyStop(1 + patience, 1)
