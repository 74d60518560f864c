"""Whether Keras computes on an accelerator, and how much is kept there."""

from __future__ import annotations

DEVICE_BYTES = 2**31
"""Examples up to this size are kept on an accelerator."""


def on_accelerator() -> bool:
    """Whether Keras puts new tensors anywhere but on the processor."""
    return "cpu" not in device()


def device() -> str:
    """The name of the device where Keras puts new tensors, as the backend has it, in small letters.

    >>> isinstance(device(), str)
    True
    """
    from keras import ops

    return str(ops.zeros(()).device).lower()
