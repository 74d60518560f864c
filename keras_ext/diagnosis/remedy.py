"""What to do about bias, variance and mismatch: which knob to turn, and in which order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras_ext.diagnosis.notches import NOTCHES, notch

# What hurts -> (knob, turn it up?, in words), the first thing to try first. A knob that isn't in
# the table of notches is advice that no program can follow by itself. What comes first is
# measured (docs/advice.md): over ten situations kept aside the first remedy costs 0.035 more error
# than the best turn, the best constant advice ("more units") 0.040 and a random turn 0.071.
REMEDIES: dict[str, tuple[tuple[str, bool, str], ...]] = {
    "bias": (
        ("units", True, "a bigger network: more units in each layer"),
        ("epochs", True, "train longer"),
        ("learning_rate", True, "another learning rate; if the cost is unsteady, a smaller one"),
        ("dropout", False, "regularize less: a lower dropout rate"),
        ("magnitude", False, "augment less"),
        ("l2", False, "regularize less: a smaller L2 factor"),
        ("layers", True, "a bigger network: one more layer"),
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


UNSTEADY = ("learning_rate", False, "the training cost has risen: a smaller learning rate")
RISE = 0.01
"""Of the first cost: how far above its lowest the last one is let pass."""


@dataclass(frozen=True)
class Setting:
    """A knob as a model has it.

    Args:
        value: at present; None where it can't be known.
        note: what turning it takes, in words, where it takes more than another number.
    """

    value: Any
    note: str = ""


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


def remedies(
    problems: Sequence[str],
    knobs: Mapping[str, Any] | None = None,
    *,
    costs: Sequence[float] = (),
) -> tuple[Remedy, ...]:
    """What to try against the problems, each knob at most once.

    The worst problem comes first. But where there is bias beside a worse variance, what makes the
    network fit comes first all the same, and only regularizing less comes last. Where there is
    bias and the cost has risen, the first remedy is a smaller learning rate: a cost that is
    optimized must go down.

    Source: A. Ng, "Improving Deep Neural Networks", week 1, "Basic Recipe for Machine Learning":
    bias first, then variance. How well it does is measured in docs/advice.md.

    Args:
        problems: any of "bias", "variance" and "mismatch".
        knobs: the knobs that there are, each with its value or a ``Setting``; with None all are
            named, without values.
        costs: of the training examples, without regularization, one for each epoch so far.

    Returns:
        Remedies in order, without knobs that are missing in ``knobs`` or at the end of their range.

    >>> remedies(["variance"], {"dropout": 0.1})[0].text
    'dropout 0.1 -> 0.2: regularize more: a higher dropout rate'
    >>> remedies(["variance"], {"l2": Setting(0.0, "no layer has it yet")})[0].text
    'l2 0 -> 0.0001: regularize more: a larger L2 factor (no layer has it yet)'
    """
    found: dict[str, Remedy] = {}
    for knob, up, words in _ordered(problems, unsteady=risen(costs)):
        remedy = _remedy(knob, up, words, knobs)
        if remedy is not None:
            found.setdefault(knob, remedy)
    return tuple(found.values())


def in_order(problems: Sequence[str]) -> list[str]:
    """Bias right before variance where that came first, the others as they are.

    >>> in_order(["variance", "bias"]), in_order(["mismatch", "bias", "variance"])
    (['bias', 'variance'], ['mismatch', 'bias', 'variance'])
    """
    ordered = [problem for problem in problems if problem != "bias"]
    if "bias" in problems:
        place = problems.index("bias")
        before = problems.index("variance") if "variance" in problems else place
        ordered.insert(min(place, before), "bias")
    return ordered


def _ordered(problems: Sequence[str], *, unsteady: bool) -> Iterator[tuple[str, bool, str]]:
    """Lines of the table in the order to try them."""
    ordered = in_order(problems)
    later = ordered != list(problems)
    for problem in ordered:
        if problem == "bias" and unsteady:
            yield UNSTEADY
        fit_only = problem == "bias" and later
        yield from (line for line in REMEDIES[problem] if _fits(line) or not fit_only)
    if later:
        yield from (line for line in REMEDIES["bias"] if not _fits(line))


def _fits(line: tuple[str, bool, str]) -> bool:
    """Whether it makes the network fit its examples better by itself, not by regularizing less."""
    return line[1] and line[0] in NOTCHES


def risen(costs: Sequence[float]) -> bool:
    """Whether the last cost is above the lowest by a hundredth of the first, or is not finite.

    >>> risen([1.0, 0.5, 0.505]), risen([1.0, 0.5, 0.52])
    (False, True)
    """
    if len(costs) < 2:
        return False
    # Put so that NaN counts as a rise.
    return not costs[-1] <= min(costs) + RISE * abs(costs[0])


def _remedy(knob: str, up: bool, words: str, knobs: Mapping[str, Any] | None) -> Remedy | None:
    name = knob.replace("_", " ")
    if knob not in NOTCHES or knobs is None:
        return Remedy(knob, None, None, f"{name}: {words}")
    if knob not in knobs:
        return None
    setting = knobs[knob] if isinstance(knobs[knob], Setting) else Setting(knobs[knob])
    words += f" ({setting.note})" if setting.note else ""
    if setting.value is None:
        # What may be off can't be turned down; a learning rate never is.
        known = up or knob == "learning_rate"
        return Remedy(knob, None, None, f"{name}: {words}") if known else None
    after = notch(knob, setting.value, up)
    if after is None:
        return None
    turn = f"{knob} {_plain(setting.value)} -> {_plain(after)}"
    return Remedy(knob, setting.value, after, f"{turn}: {words}")


def _plain(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(_plain(item) for item in value) + ")"
    return f"{value:g}" if isinstance(value, float) else str(value)
