"""KerasTuner's hyperparameters as the rules see them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras_tuner

from keras_ext.errors import ConfigError
from keras_ext.tuning.axes import ROLES, UNORDERED, Axis


def axes_of(
    hyperparameters: keras_tuner.HyperParameters, roles: Mapping[str, str] | None = None
) -> tuple[Axis, ...]:
    """An axis for each hyperparameter of the space, in its order.

    A hyperparameter plays the role that has its name, or that ``roles`` gives it. Learning rates
    and L2 factors are on a logarithmic scale where their range allows it, momentum on one of
    1 - beta, whatever their sampling.

    Args:
        hyperparameters: the space; its values don't matter.
        roles: from names of hyperparameters to one of ``ROLES``.

    Raises:
        ConfigError: for a role there is none of, two hyperparameters in one role, or of one name.

    >>> space = keras_tuner.HyperParameters()
    >>> rate = space.Float("lr", 1e-4, 1e-1, sampling="log", default=1e-3)
    >>> axes_of(space, {"lr": "learning_rate"})[0].role
    'learning_rate'
    """
    given = check_roles(roles)
    found: dict[str, Axis] = {}
    played: dict[str, str] = {}
    for item in hyperparameters.space:
        role = given.get(item.name) or (item.name if item.name in ROLES else None)
        if item.name in found:
            raise ConfigError(
                f"two hyperparameters are called {item.name!r}: give each one a name of its own"
            )
        if role in played:
            raise ConfigError(f"both {played[role]!r} and {item.name!r} are the {role}: see roles=")
        if role is not None:
            played[role] = item.name
        found[item.name] = _axis(item, role)
    return tuple(found.values())


def check_roles(roles: Mapping[str, str] | None) -> dict[str, str]:
    """The mapping, if each of its values is a role.

    Raises:
        ConfigError: naming the value.
    """
    for name, role in (roles or {}).items():
        if role not in ROLES:
            raise ConfigError(
                f"roles must map names of hyperparameters to {', '.join(ROLES)}, "
                f"got roles[{name!r}]={role!r}"
            )
    return dict(roles or {})


def _axis(item: Any, role: str | None) -> Axis:
    parents = tuple((parent.name, tuple(parent.values)) for parent in item.conditions)
    kind = type(item).__name__
    if kind in ("Float", "Int"):
        return _number(item, role, parents)
    choices = tuple(item.values) if kind != "Boolean" else (False, True)
    ordered = bool(getattr(item, "ordered", False)) and kind == "Choice"
    if ordered:
        choices = tuple(sorted(choices))
    if not ordered and role not in UNORDERED:
        role = None  # A knob has an up and a down.
    return Axis(
        item.name, item.default, choices=choices, ordered=ordered, role=role, parents=parents
    )


def _number(item: Any, role: str | None, parents: tuple[tuple[str, tuple[Any, ...]], ...]) -> Axis:
    whole = type(item).__name__ == "Int"
    stepped = item.step is not None and not (whole and item.step == 1)
    if stepped:
        choices = tuple(int(v) if whole else float(v) for v in item.values)
        default = min(choices, key=lambda choice: abs(choice - item.default))
        return Axis(item.name, default, choices=choices, role=role, parents=parents)
    scale = "linear"
    if item.sampling == "log" or (role in ("learning_rate", "l2") and item.min_value > 0):
        scale = "log"
    elif (role == "momentum" or item.sampling == "reverse_log") and item.max_value < 1:
        scale = "complement"
    return Axis(
        item.name,
        item.default,
        low=item.min_value,
        high=item.max_value,
        scale=scale,
        whole=whole,
        role=role,
        parents=parents,
    )
