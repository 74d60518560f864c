"""The batches of an epoch are the same in a run that goes on, however they are made."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_ext.callbacks import TrainingState
from tests.callbacks import training_state_run as runs


class Shuffled(keras.utils.PyDataset):
    """An order of its own for each epoch, from a generator that is drawn from once an epoch."""

    def __init__(self):
        super().__init__()
        self.x, self.y = runs.arrays()
        self.rng = np.random.default_rng(5)
        self.on_epoch_begin()

    def on_epoch_begin(self):
        self.order = self.rng.permutation(len(self.x))

    def __len__(self):
        return 2

    def __getitem__(self, index):
        rows = self.order[32 * index : 32 * (index + 1)]
        noise = np.random.default_rng(self.order[0]).normal(size=(32, 4))
        return (self.x[rows] + 0.1 * noise).astype("float32"), self.y[rows]


class Told(Shuffled):
    """The same from the number of the epoch."""

    epoch = 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self):
        self.order = np.random.default_rng((5, self.epoch)).permutation(len(self.x))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "what"),
    [
        pytest.param(Shuffled, lambda data: data.rng, id="generator"),
        pytest.param(Told, lambda data: data, id="epoch"),
    ],
)
def test_a_pipeline_gives_the_batches_of_the_epoch(tmp_path, kind, what):
    (tmp_path / "whole").mkdir()
    data = kind()
    whole = runs.train(tmp_path / "whole", x=data, options={"data": what(data)})
    for epoch in (3, None):
        data = kind()
        options = {"x": data, "options": {"data": [what(data)]}}
        if epoch is None:
            runs.train(tmp_path, **options).assert_equal(whole)
        else:
            runs.interrupted(tmp_path, epoch, **options)
    with_nothing = runs.train(tmp_path / "whole", x=kind(), state=False)
    assert (with_nothing.history == whole.history) == (kind is Shuffled)


@pytest.mark.slow
@pytest.mark.tensorflow
def test_training_batches_give_the_order_and_the_augmentation_of_the_epoch(tmp_path):
    from keras_ext import data

    rng = np.random.default_rng(0)
    digits = data.Arrays(rng.integers(0, 256, (64, 2, 2, 1)).astype("uint8"), runs.arrays()[1])
    moves = data.Augmentation(flip="horizontal", rotation=30, translation=0.3)

    def fitted(folder, *extra, state=True):
        batches = data.training_batches(digits, batch_size=32, seed=0, augmentation=moves)
        flat = batches.map(lambda x, y: (keras.ops.reshape(x, (-1, 4)) / 255, y))
        options = {"data": batches} if state else {}
        return runs.train(folder, *extra, x=flat, shuffle=False, state=state, options=options)

    (tmp_path / "whole").mkdir()
    whole = fitted(tmp_path / "whole", state=False)
    with pytest.raises(KeyboardInterrupt):
        fitted(tmp_path, runs.Raise(3))
    fitted(tmp_path).assert_equal(whole)


@pytest.mark.slow
@pytest.mark.parametrize("shuffle", ["batch", False])
def test_arrays_come_in_the_order_of_the_epoch(tmp_path, shuffle):
    (tmp_path / "whole").mkdir()
    whole = runs.train(tmp_path / "whole", state=False, shuffle=shuffle, epochs=4)
    runs.interrupted(tmp_path, 2, shuffle=shuffle, epochs=4)
    runs.train(tmp_path, shuffle=shuffle, epochs=4).assert_equal(whole)


@pytest.mark.slow
def test_dropout_with_the_global_generator(tmp_path):
    """One that is no part of the model."""

    class Noise(keras.layers.Layer):
        def call(self, x, training=False):
            return x + keras.random.normal((1, 4)) if training else x

    if keras.backend.backend() == "jax":
        pytest.skip("jax needs a generator of the layer")

    def model():
        inner = runs.classifier()
        noisy = keras.Sequential([keras.Input((4,)), Noise(), *inner.layers])
        noisy.compile("sgd", inner.loss, run_eagerly=True)
        return noisy

    def losses(folder, *extra):
        x, y = runs.arrays()
        callbacks = [TrainingState(folder / "backup"), *extra]
        return model().fit(x, y, epochs=4, verbose=0, callbacks=callbacks).history["loss"]

    whole = losses(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        losses(tmp_path, runs.Raise(2))
    np.random.seed(99)
    keras.random.normal((3,))
    assert losses(tmp_path) == whole
