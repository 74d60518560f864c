"""What a run is, in words and numbers that can be compared with those of another one."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from keras_ext.errors import ConfigError
from keras_ext.fields import encode

SHOWN = 4
"""The most differences that are named."""

# Random numbers go on from where they were; shapes are compared variable by variable; how steps
# are compiled is no part of what they compute.
_IGNORED = frozenset({"seed", "build_config", "build_input_shape", "shared_object_id"})
_COMPILED = ("loss", "loss_weights", "metrics", "weighted_metrics")
_LONG = 16


def describe(model: Any, *, steps: int | None, configuration: Any) -> dict[str, Any]:
    """The model, its optimizer and loss, and the data, as far as they are known.

    Args:
        model: compiled.
        steps: batches an epoch, or None if not known beforehand.
        configuration: what the user says of the run besides: plain values or a record.

    Returns:
        A plain value under each name, such as "model.layers[2].rate".
    """
    optimizer = getattr(model, "optimizer", None)
    tree: dict[str, Any] = {
        "model": {"layers": [_config(layer) for layer in model.layers], **_config(model)},
        "optimizer": {"class_name": type(optimizer).__name__, **_config(optimizer)},
        "compile": {key: value for key, value in _compiled(model).items() if key in _COMPILED},
    }
    said = {"configuration": encode(configuration), "steps per epoch": steps}
    return dict(_leaves(renumbered(tree), ignored=_IGNORED)) | dict(_leaves(said))


def plain(configuration: Any) -> Any:
    """The configuration, if all of it are plain values, in mappings, lists and records.

    Raises:
        ConfigError: for anything else, whose change could not be seen.
    """
    parts = [encode(configuration)]
    while parts:
        part = parts.pop()
        if isinstance(part, Mapping):
            parts += [*part, *part.values()]
        elif isinstance(part, (list, tuple)):
            parts += part
        elif not isinstance(part, (str, int, float, type(None))):
            raise ConfigError(
                "configuration must be plain values in mappings and lists, or a record, got "
                f"configuration={configuration!r}"
            )
    return configuration


def differences(
    saved: Mapping[str, Any], now: Mapping[str, Any], *, trained: bool = False
) -> list[str]:
    """What differs between two runs, a phrase each; no more than a few.

    Args:
        saved, now: what ``describe`` returned.
        trained: whether the model of now has been trained already: what callbacks turn in it
            (learning rate, strengths of regularization) need not be as it was at the beginning.

    >>> differences({"loss": "mse", "rate": 0.1}, {"loss": "mae", "rate": 0.2}, trained=True)
    ["loss was 'mse', now 'mae'"]
    """
    if None in (saved.get("steps per epoch"), now.get("steps per epoch")):
        saved, now = ({**side, "steps per epoch": None} for side in (saved, now))
    names = [name for name in {**saved, **now} if _said(saved, name) != _said(now, name)]
    if trained:
        names = [n for n in names if not (_turns(saved.get(n)) and _turns(now.get(n)))]
    found = [f"{name} was {_said(saved, name)}, now {_said(now, name)}" for name in _spread(names)]
    more = len(found) - SHOWN
    return found[:SHOWN] + ([f"and {more} more"] if more > 0 else [])


def _spread(names: list[str]) -> list[str]:
    """The first of each kind (model, optimizer ...) before the second of any."""
    kinds = [re.split(r"[.\[]", name)[0] for name in names]
    ranks = [kinds[:index].count(kind) for index, kind in enumerate(kinds)]
    return [names[index] for index in sorted(range(len(names)), key=ranks.__getitem__)]


def _said(side: Mapping[str, Any], name: str) -> str:
    return repr(side[name]) if name in side else "absent"


def _turns(value: Any) -> bool:
    return isinstance(value, float)


def _config(part: Any) -> dict[str, Any]:
    """The configuration of a model, layer or optimizer; empty where it has none to give."""
    try:
        return {"class_name": type(part).__name__, **part.get_config()}
    except Exception:  # Whatever a class of the user's raises.
        return {}


def _compiled(model: Any) -> dict[str, Any]:
    try:
        return model.get_compile_config()
    except Exception:
        return {}


def _leaves(
    tree: Any, name: str = "", ignored: frozenset[str] = frozenset()
) -> Iterator[tuple[str, Any]]:
    """Each plain value in a tree under a name that leads to it."""
    if isinstance(tree, np.ndarray):
        tree = tree.tolist()
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            if key not in ignored:
                # "config" is between a class and its arguments everywhere, and says nothing.
                inner = name if key == "config" and isinstance(value, Mapping) else f"{name}.{key}"
                yield from _leaves(value, inner.removeprefix("."), ignored)
    elif isinstance(tree, (list, tuple)):
        if len(tree) > _LONG and not any(isinstance(item, Mapping) for item in tree):
            yield name, f"{len(tree)} values, {_digest(tree)}"
            return
        for index, value in enumerate(tree):
            yield from _leaves(value, f"{name}[{index}]", ignored)
    elif isinstance(tree, (bool, int, float, str, type(None))):
        yield name, tree
    else:
        yield name, tree.item() if isinstance(tree, np.generic) else type(tree).__name__


def _digest(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, default=str).encode()).hexdigest()[:12]


def renumbered(tree: Any) -> Any:
    """The names that Keras gives without being asked, numbered anew.

    Whether a model's first Dense is called "dense" or "dense_7" depends on what else was made in
    the process before.
    """
    names: dict[str, str] = {}
    counts: dict[str, int] = {}
    for name in _names(tree):
        if name not in names:
            base = re.sub(r"_\d+$", "", name)
            names[name] = f"{base}_{counts[base]}" if counts.get(base) else base
            counts[base] = counts.get(base, 0) + 1
    return _mapped(tree, lambda text: names.get(text, text))


def _names(tree: Any) -> Iterator[str]:
    if isinstance(tree, Mapping):
        if isinstance(tree.get("name"), str):
            yield tree["name"]
        tree = list(tree.values())
    if isinstance(tree, (list, tuple)):
        for item in tree:
            yield from _names(item)


def _mapped(tree: Any, change: Callable[[str], str]) -> Any:
    if isinstance(tree, str):
        return change(tree)
    if isinstance(tree, Mapping):
        return {key: _mapped(value, change) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [_mapped(item, change) for item in tree]
    return tree
