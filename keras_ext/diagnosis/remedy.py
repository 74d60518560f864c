"""What to do about bias, variance and mismatch: which knob to turn, and in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras_ext.diagnosis.notches import NOTCHES, notch

# What hurts -> (knob, turn it up?, in words), the first thing to try first. A knob that isn't in
# the table of notches is advice that no program can follow by itself.
REMEDIES: dict[str, tuple[tuple[str, bool, str], ...]] = {
    "bias": (
        ("epochs", True, "train longer"),
        ("units", True, "a bigger network: more units in each layer"),
        ("layers", True, "a bigger network: one more layer"),
        ("learning_rate", True, "another learning rate; if the cost is unsteady, a smaller one"),
        ("magnitude", False, "augment less"),
        ("dropout", False, "regularize less: a lower dropout rate"),
        ("l2", False, "regularize less: a smaller L2 factor"),
        ("architecture", True, "another architecture"),
    ),
    "variance": (
        ("magnitude", True, "stronger augmentation"),
        ("dropout", True, "regularize more: a higher dropout rate"),
        ("l2", True, "regularize more: a larger L2 factor"),
        ("data", True, "more training data"),
        ("architecture", True, "another architecture"),
    ),
    "mismatch": (
        ("data", True, "training data more like the validation data: look at what differs"),
    ),
}


@dataclass(frozen=True)
class Remedy:
    """One thing to try.

    Args:
        knob: its name; "data" and "architecture" are for the user alone.
        before, after: the knob's value now and one notch further, None where it isn't known.
        text: the advice in words.
    """

    knob: str
    before: Any
    after: Any
    text: str


def remedies(problems: Sequence[str], knobs: Mapping[str, Any] | None = None) -> tuple[Remedy, ...]:
    """What to try against the problems, the worst problem first, each knob at most once.

    Args:
        problems: any of "bias", "variance" and "mismatch".
        knobs: the knobs that there are and their values; with None all are named, without values.

    Returns:
        Remedies in order, without knobs that are missing in ``knobs`` or at the end of their range.

    >>> remedies(["variance"], {"dropout": 0.1})[0].text
    'dropout 0.1 -> 0.2: regularize more: a higher dropout rate'
    """
    found: dict[str, Remedy] = {}
    for problem in problems:
        for knob, up, words in REMEDIES[problem]:
            remedy = _remedy(knob, up, words, knobs)
            if remedy is not None:
                found.setdefault(knob, remedy)
    return tuple(found.values())


def _remedy(knob: str, up: bool, words: str, knobs: Mapping[str, Any] | None) -> Remedy | None:
    if knob not in NOTCHES or knobs is None:
        return Remedy(knob, None, None, f"{knob.replace('_', ' ')}: {words}")
    if knob not in knobs:
        return None
    before = knobs[knob]
    after = notch(knob, before, up)
    if after is None:
        return None
    return Remedy(knob, before, after, f"{knob} {_plain(before)} -> {_plain(after)}: {words}")


def _plain(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(_plain(item) for item in value) + ")"
    return f"{value:g}" if isinstance(value, float) else str(value)
