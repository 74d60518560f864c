"""The strengths of a model by name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras

from keras_ext.errors import ConfigError
from keras_ext.regularization import strengths
from keras_ext.regularization.augment import MOST, Augment
from keras_ext.regularization.dropout import BELOW, Dropout
from keras_ext.regularization.l2 import L2

_KINDS: dict[str, tuple[type[keras.layers.Layer], dict[str, float]]] = {
    "dropout": (Dropout, {"below": BELOW}),
    "l2": (L2, {}),
    "magnitude": (Augment, {"most": MOST}),
}


class Knob:
    """One strength of a model, held in the variables of all layers that have it.

    Args:
        name: what is turned: "dropout", "l2" or "magnitude" (of augmentation).
        variables: the scalar variables that hold the strength, in the order of the layers.
        below: values are from 0 to below this one;
        most: or up to this one.
        model: whose strengths these are, None for variables of no model. On JAX ``fit`` keeps the
            weights outside of the model between two steps of an epoch: a batch hook that turns a
            knob of the model that is trained has them brought back first. (One that sets ``rate``
            of a layer has to touch ``self.model`` of the callback for that.)
    """

    def __init__(
        self,
        name: str,
        variables: Sequence[Any],
        *,
        below: float = math.inf,
        most: float = math.inf,
        model: keras.layers.Layer | None = None,
    ) -> None:
        self.name = name
        self.variables = tuple(variables)
        self.below = below
        self.most = most
        self._model = model

    @property
    def value(self) -> float | tuple[float, ...]:
        """The strength, or one for each variable where they differ.

        Assign a float to set all, or as many as there are variables to set each; either is in
        effect at the next step.

        Raises:
            ConfigError: on assigning a value out of range, or too few or too many; no variable is
                changed then.
        """
        self._bring_back()
        values = tuple(strengths.read(variable) for variable in self.variables)
        return values[0] if len(set(values)) == 1 else values

    @value.setter
    def value(self, value: float | Sequence[float]) -> None:
        values = list(value) if isinstance(value, Sequence) else [value] * len(self.variables)
        if len(values) != len(self.variables):
            raise ConfigError(
                f"{self.name} needs one value or {len(self.variables)}, got {self.name}={value!r}"
            )
        checked = [
            strengths.check(self.name, item, below=self.below, most=self.most) for item in values
        ]
        self._bring_back()
        for variable, item in zip(self.variables, checked, strict=True):
            variable.assign(item)

    def _bring_back(self) -> None:
        """In the middle of an epoch on JAX, give the model its present weights."""
        sync = getattr(self._model, "jax_state_sync", None)
        if sync is not None:
            sync()

    def __repr__(self) -> str:
        return f"Knob({self.name!r}, value={self.value})"


class Knobs(dict[str, Knob]):
    """Knobs by name; one that is missing is an error that says what to do."""

    def __missing__(self, name: str) -> Knob:
        raise KeyError(
            f"no knob {name!r}; there are: {', '.join(self) or 'none'}"
            " (keras_ext.regularization.adjustable makes the strengths of stock layers live)"
        )


def knobs(model: keras.Model) -> Knobs:
    """The strengths of a model that can be turned, those of the same name in one knob.

    Layers are found wherever they are: in models inside the model, wrappers, layers of layers.

    >>> model = keras.Sequential([keras.Input((4,)), Dropout(0.2), keras.layers.Dense(3)])
    >>> knobs(model)["dropout"].value = 0.5
    >>> knobs(model)
    {'dropout': Knob('dropout', value=0.5)}

    Args:
        model: of any kind; Keras's own Dropout and L2 have fixed strengths and don't count.

    Raises:
        ConfigError: when it isn't a Keras model or layer.
    """
    if not isinstance(model, keras.layers.Layer):
        raise ConfigError(f"model must be a Keras model, got model={model!r}")
    layers = list(strengths.walk(model))
    found = Knobs()
    for name, (kind, limits) in _KINDS.items():
        variables = [v for layer in layers if isinstance(layer, kind) for v in layer.weights]
        if variables:
            found[name] = Knob(name, variables, **limits, model=model)
    return found
