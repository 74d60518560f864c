"""The global generators go on from where they were."""

from __future__ import annotations

import random

import keras
import numpy as np

from keras_ext.callbacks import snapshot
from keras_ext.gradients import random_state


def drawn() -> list[float]:
    """A number from each of the global generators."""
    numbers = [random.random(), random.gauss(0, 1), np.random.random(), np.random.normal()]
    numbers.append(float(keras.random.uniform(())))
    if keras.backend.backend() == "torch":
        import torch

        numbers.append(float(torch.rand(())))
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        numbers.append(float(tf.random.uniform(())))
    return numbers


def test_they_draw_what_they_drew(tmp_path):
    drawn()
    snapshot.write(tmp_path / "a.state", random_state.capture())
    first = drawn()
    assert drawn() != first
    keras.utils.set_random_seed(5)
    for _ in range(2):
        random_state.restore(snapshot.read(tmp_path / "a.state"))
        assert drawn() == first


def test_looking_draws_nothing():
    keras.utils.set_random_seed(5)
    without = drawn()
    keras.utils.set_random_seed(5)
    random_state.capture()
    assert drawn() == without


def test_a_generator_that_was_not_there_yet_comes_anew():
    """Keras makes it when it is first used, from Python's."""
    keras.utils.set_random_seed(5)
    state = random_state.capture()
    assert state["keras"] is None
    first = drawn()
    random_state.restore(state)
    assert drawn() == first


def test_seeding_without_dropping_kernels_leaves_the_same_state():
    found = []
    for seed in (keras.utils.set_random_seed, random_state.reseed):
        drawn()
        seed(5)
        state = random_state.capture()
        numbers = [random.random(), random.gauss(0, 1), np.random.random(), np.random.normal()]
        numbers.append(float(keras.random.uniform(())))
        after = keras.ops.convert_to_numpy(random_state.capture()["keras"]).tolist()
        found.append((state["python"], state["numpy"]["state"]["pos"], state["keras"]))
        found[-1] += (repr(state["backend"]), numbers, after)
    assert found[0] == found[1]
