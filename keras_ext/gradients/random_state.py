"""The random generators that every part of a program shares: Python's, numpy's and Keras's."""

from __future__ import annotations

import random
from typing import Any

import keras
import numpy as np

from keras_ext.gradients import backend

try:  # Neither the generator nor its name is public.
    from keras.src.backend.common import global_state
    from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR
    from keras.src.utils.rng_utils import GLOBAL_RANDOM_SEED
except ImportError:
    global_state = None


def reseed(seed: int) -> None:
    """As ``keras.utils.set_random_seed``, without throwing away what TensorFlow has compiled.

    ``tf.random.set_seed`` drops all compiled kernels, because those of TensorFlow's own random
    operations remember how far they have drawn; every compiled function is then optimized anew when
    it is next called. Keras draws from states of its own, so a model of Keras's layers doesn't
    need that. One that calls ``tf.random`` does, and must be given to Keras's function.

    >>> keras.utils.set_random_seed(3)
    >>> first = random.random(), np.random.random(), float(keras.random.uniform(()))
    >>> reseed(3)
    >>> first == (random.random(), np.random.random(), float(keras.random.uniform(())))
    True
    """
    if global_state is None or not backend.seed_keeping_kernels(seed):
        keras.utils.set_random_seed(seed)
        return
    global_state.set_global_attribute(GLOBAL_RANDOM_SEED, seed)
    global_state.set_global_attribute(GLOBAL_SEED_GENERATOR, None)
    random.seed(seed)
    np.random.seed(seed)


def capture() -> dict[str, Any]:
    """What the global generators have for a state; none of them draws.

    The seed generators of layers are variables of the model and not among these.
    """
    generator = _keras_generator()
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(legacy=False),
        "keras": None if generator is None else generator.state.numpy(),
        "backend": backend.random_state(),
    }


def restore(state: dict[str, Any]) -> None:
    """Make the global generators draw what they drew after ``capture``.

    >>> state = capture()
    >>> first = random.random(), np.random.random()
    >>> restore(state)
    >>> first == (random.random(), np.random.random())
    True
    """
    _restore_keras(state["keras"])
    backend.set_random_state(state["backend"])
    np.random.set_state(state["numpy"])
    random.setstate(state["python"])


def _keras_generator() -> Any:
    """The one behind ``seed=None`` in keras.random, or None before it is first used."""
    return global_state and global_state.get_global_attribute(GLOBAL_SEED_GENERATOR)


def _restore_keras(state: Any) -> None:
    if global_state is None:
        return
    if state is None:
        # As it was: made from Python's generator when it is first used.
        global_state.set_global_attribute(GLOBAL_SEED_GENERATOR, None)
        return
    generator = _keras_generator() or keras.random.SeedGenerator(seed=0)
    generator.state.assign(state)
    global_state.set_global_attribute(GLOBAL_SEED_GENERATOR, generator)
