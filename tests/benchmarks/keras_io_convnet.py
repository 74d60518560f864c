"""The well-known MNIST convnet of keras.io, as the yardstick.

The network, loss, optimizer and batch size are those of the published example: two 3x3 convolutions
of 32 and 64 channels with max pooling, dropout 0.5, softmax; categorical cross-entropy, Adam at its
default rate, batches of 128, trained on 54,000 images scaled to [0, 1]. The example's validation
after each epoch is left out and looking at the test accuracy isn't timed: both in its favour.
"""

from __future__ import annotations

import time

import keras
import numpy as np

MOST_EPOCHS = 20


def seconds_to_accuracy(
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    target: float,
    seed: int,
) -> tuple[float, int, float]:
    """Time in ``fit`` until the test accuracy has passed the target.

    Args:
        train, test: uint8 images of shape (examples, 28, 28, 1) with class numbers.
        target: accuracy, for example 0.99.
        seed: of the weights and the order.

    Returns:
        (seconds, epochs, accuracy). Without success after 20 epochs, the seconds of those: too few.
    """
    keras.utils.set_random_seed(seed)
    x, y = (
        train[0][:54_000].astype("float32") / 255,
        keras.utils.to_categorical(train[1][:54_000], 10),
    )
    images, labels = test[0].astype("float32") / 255, keras.utils.to_categorical(test[1], 10)
    model = network()
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    seconds, accuracy = 0.0, 0.0
    epochs = 0
    while accuracy < target and epochs < MOST_EPOCHS:
        began = time.perf_counter()
        model.fit(x, y, batch_size=128, epochs=1, verbose=0)
        seconds += time.perf_counter() - began
        accuracy = model.evaluate(images, labels, batch_size=1000, verbose=0)[1]
        epochs += 1
    return seconds, epochs, accuracy


def network() -> keras.Model:
    """The network as published, not compiled."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )
