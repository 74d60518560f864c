"""The random state of a backend itself."""

from __future__ import annotations

import random
from typing import Any

import keras


def random_state() -> Any:
    """What the backend's own random generator has for a state, as arrays and plain values.

    None where there is none (jax), or where it can't be had: on TensorFlow it has no public name.
    Layers of Keras don't draw from it; torch orders the batches of arrays with it.
    """
    backend = keras.backend.backend()
    if backend == "torch":
        import torch

        devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        return [state.numpy() for state in (torch.get_rng_state(), *devices)]
    context = _tensorflow_context()
    generator = getattr(context, "_rng", None)
    return None if generator is None else [context._seed, generator.getstate()]


def set_random_state(state: Any) -> None:
    """Take up what ``random_state`` returned."""
    if state is None:
        return
    if keras.backend.backend() == "torch":
        import torch

        cpu, *devices = (torch.from_numpy(array) for array in state)
        torch.set_rng_state(cpu)
        if devices and len(devices) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(devices)
        return
    context = _tensorflow_context()
    if context is not None:
        import tensorflow as tf

        seed, generator = state
        tf.random.set_seed(seed)
        context._rng.setstate(generator)


def seed_keeping_kernels(seed: int) -> bool:
    """Seed TensorFlow's own generator, but keep its kernels; False where that can't be done."""
    context = _tensorflow_context()
    if getattr(context, "_rng", None) is None:
        return False
    context._seed, context._rng = seed, random.Random(seed)
    return True


def _tensorflow_context() -> Any:
    """That whose generator, there after ``set_random_seed``, gives eager operations their seeds."""
    if keras.backend.backend() != "tensorflow":
        return None
    try:
        from tensorflow.python.eager import context
    except ImportError:
        return None
    return context.context()
