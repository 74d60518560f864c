"""A small fit, and the learning rate of each of its steps."""

from __future__ import annotations

import keras
import numpy as np

X = np.linspace(-1, 1, 24, dtype="float32").reshape(24, 1)
STEPS = 3
BATCH = 8


def build(rate=0.2, optimizer=None, **compiled) -> keras.Model:
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2), keras.layers.Dense(1)])
    if not compiled:
        compiled = {"run_eagerly": keras.backend.backend() != "jax"}
    model.compile(optimizer or keras.optimizers.SGD(rate, momentum=0.9), "mse", **compiled)
    return model


def fit(model, *callbacks, epochs=4, **options) -> dict[str, list[float]]:
    options = {"x": X, "y": X, "batch_size": BATCH, "shuffle": False, "verbose": 0, **options}
    return model.fit(epochs=epochs, callbacks=list(callbacks), **options).history


class Steps(keras.callbacks.Callback):
    """The rate that each step is made with, as the optimizer has it."""

    async_safe = True

    def on_train_begin(self, logs=None):
        self.rates = []

    def on_train_batch_begin(self, batch, logs=None):
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
        self.rates.append(float(self.model.optimizer.learning_rate))


def weights(model) -> list[np.ndarray]:
    return [np.array(weight) for weight in model.get_weights()]
