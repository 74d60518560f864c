"""Which one of several outputs is meant: its prediction, its labels and its loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_ext.errors import ConfigError


@dataclass(frozen=True)
class Output:
    """One output of a model.

    Args:
        wanted: its name or its place, counted from 0; None for the only one.
        names: of all outputs in the order in which the model lists them, as far as they are known.

    >>> Output("b", ("a", "b")).of([10, 20], "prediction"), Output(None).of({"a": 1}, "loss")
    (20, 1)
    """

    wanted: str | int | None = None
    names: tuple[str, ...] = ()

    @classmethod
    def of_model(cls, model: Any, wanted: str | int | None) -> Output:
        """The output of a model; one of a subclassed model has a name only in a mapping."""
        structure = getattr(model, "_outputs_struct", None)  # Of functional models; not public.
        if isinstance(structure, dict):
            return cls(wanted, tuple(sorted(structure)))
        return cls(wanted, tuple(getattr(model, "output_names", ())))

    @property
    def name(self) -> str | int | None:
        """The name where it is known, else what is wanted."""
        if isinstance(self.wanted, int) and self.wanted < len(self.names):
            return self.names[self.wanted]
        return self.wanted

    def of(self, parts: Any, what: str) -> Any:
        """The part that belongs to the output.

        Args:
            parts: a mapping by name or a list by place with a part for each output; anything else
                is the part of the only output, and returned.
            what: what the parts are, for messages.

        Raises:
            ConfigError: naming the outputs that there are, when none of them is the one wanted, or
                several are there and none is wanted.
        """
        if isinstance(parts, dict):
            return parts[self._key(tuple(sorted(parts)), what)]
        if isinstance(parts, (list, tuple)):
            names = self.names if len(self.names) == len(parts) else tuple(range(len(parts)))
            return parts[names.index(self._key(names, what))]
        if self.names and self.wanted is not None:
            self._key(self.names, what)
        return parts

    def _key(self, names: tuple[Any, ...], what: str) -> Any:
        if self.name in names:
            return self.name
        if self.wanted is None and len(names) == 1:
            return names[0]
        if isinstance(self.wanted, int) and 0 <= self.wanted < len(names):
            return names[self.wanted]
        listed = ", ".join(map(repr, names))
        raise ConfigError(
            f"output must name one of the {len(names)} outputs of which there is a {what},"
            f" {listed}, got output={self.wanted!r}"
        )


ONLY = Output()


def check(output: Any) -> str | int | None:
    """The name or the place of an output, or None; else ConfigError."""
    if output is None or isinstance(output, str):
        return output
    whole = isinstance(output, (int, np.integer)) and not isinstance(output, bool)
    if not whole or output < 0:
        raise ConfigError(
            f"output must be the name of an output, or its place from 0, got output={output!r}"
        )
    return int(output)


def labels(y: Any, output: Output) -> Any:
    """The labels of one output; a list of numbers, or of rows, is the labels themselves."""
    of_several = isinstance(y, dict) or (
        isinstance(y, (list, tuple)) and any(is_array(part) for part in y)
    )
    return output.of(y, "label") if of_several else y


def is_array(part: Any) -> bool:
    """Whether it is a tensor, or an array that isn't a single number."""
    return keras.ops.is_tensor(part) or bool(getattr(part, "shape", ()))
