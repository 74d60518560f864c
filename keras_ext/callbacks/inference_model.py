"""Which model a callback looks into, where one is trained behind its data."""

from __future__ import annotations

from typing import Any


def inference_model(model: Any) -> Any:
    """The model that is used after training: as a rule the one that is trained.

    The training model of ``data.training_batches`` gathers and augments what its core learns from,
    and names the core as its ``inference_model``. Both share weights, optimizer and loss.

    >>> inference_model("a model without such an attribute")
    'a model without such an attribute'
    """
    return getattr(model, "inference_model", model)
