"""The variables of a model and of its optimizer, and how they are set again."""

from __future__ import annotations

import re
import warnings
from typing import Any

from keras_ext.errors import ConfigError


def capture(model: Any) -> dict[str, Any]:
    """Weights, batch statistics and seed generators, and all of the optimizer, with their paths."""
    kept = {
        name: [(_path(variable), variable.numpy()) for variable in variables]
        for name, variables in _variables(model).items()
    }
    return {**kept, "build": model.get_build_config()}


def trained(model: Any) -> bool:
    """Whether its optimizer has made a step."""
    optimizer = getattr(model, "optimizer", None)
    return optimizer is not None and float(optimizer.iterations) > 0


def differences(kept: dict[str, Any], model: Any) -> list[str]:
    """What doesn't fit between the variables that were kept and those of the model, the first one.

    The model and its optimizer are built for that, if need be.

    Raises:
        ConfigError: for a model that can't be built without data.
    """
    _build(model, kept)
    for kind, variables in _variables(model).items():
        saved = [*kept[kind], None]
        now = [*((_path(variable), variable) for variable in variables), None]
        for old, new in zip(saved, now, strict=False):
            if _key(kind, old) != _key(kind, new):
                return [f"a variable of the {kind} was {_said(old)}, now {_said(new)}"]
    return []


def restore(model: Any, kept: dict[str, Any]) -> None:
    """Set each variable to what ``capture`` found; ``differences`` has been asked before."""
    for name, variables in _variables(model).items():
        for variable, (_, value) in zip(variables, kept[name], strict=True):
            variable.assign(value)


def _variables(model: Any) -> dict[str, list[Any]]:
    optimizer = getattr(model, "optimizer", None)
    return {
        "model": list(model.variables),
        "optimizer": [] if optimizer is None else list(optimizer.variables),
    }


def _build(model: Any, kept: dict[str, Any]) -> None:
    if not _built(model):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.build_from_config(kept["build"])
        if not _built(model):
            raise ConfigError(
                "the model can't take up its weights before it is built: call it on a batch, or "
                "its build(), before fit"
            )
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and not optimizer.built:
        optimizer.build(model.trainable_variables)


def _built(model: Any) -> bool:
    """Whether its layers are, that is: a model may say so of itself too early, and too late."""
    return all(layer.built for layer in model.layers) if model.layers else model.built


def _path(variable: Any) -> str:
    """Without the numbers that tell the layers of a process apart."""
    return re.sub(r"_\d+(?=[_/]|$)", "", variable.path)


def _key(kind: str, pair: tuple[str, Any] | None) -> Any:
    """What must not differ; how far a path goes back depends on when the variable was made."""
    if pair is None:
        return None
    path, value = pair
    name = path.rpartition("/")[2] if kind == "model" else kind
    return name, str(value.dtype), tuple(value.shape)


def _said(pair: tuple[str, Any] | None) -> str:
    return f"{pair[0]} {pair[1].dtype}{list(pair[1].shape)}" if pair else "absent"
