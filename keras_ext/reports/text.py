"""Numbers and names as a reader wants to see them; what terminal, page and figures share."""

from __future__ import annotations

from math import isfinite
from typing import Any

from keras_ext.diagnosis import ErrorEstimate, Gap
from keras_ext.records import Round

KNOB_NAMES = {
    "l2": "L2 strength",
    "magnitude": "augmentation magnitude",
    "learning_rate": "learning rate",
    "dropout": "dropout rate",
    "epochs": "number of epochs",
    "layers": "number of layers",
    "units": "number of units",
}

UNKNOWN = "not known"
MINUS = "\u2212"
NOTHING = 1e-8
MOST_PLACES = 6


def number(value: float | None, *, proportion: bool = True, like: float | None = None) -> str:
    """An error with its unit: a proportion in percent, anything else in four digits.

    Args:
        value: the error; None and values that are not finite are "not known".
        proportion: whether the error is a fraction of the examples.
        like: give as many decimals as this value would get.

    >>> number(0.0045), number(0.123), number(0.0000421), number(12.3456, proportion=False)
    ('0.45 %', '12.3 %', '0.004 %', '12.35')
    """
    if value is None or not isfinite(value):
        return UNKNOWN
    return f"{_digits(value, proportion, like)} %" if proportion else _digits(value, False, like)


def span(low: float, high: float, *, proportion: bool = True, like: float | None = None) -> str:
    """Two limits with one unit.

    >>> span(0.0034, 0.006)
    '0.34 to 0.60 %'
    """
    if not (isfinite(low) and isfinite(high)):
        return UNKNOWN
    like = high if like is None or like == 0 else like
    limits = f"{_digits(low, proportion, like)} to {_digits(high, proportion, like)}"
    return f"{limits} %" if proportion else limits


def estimate(value: ErrorEstimate, confidence: float = 0.95) -> tuple[str, str]:
    """An error and its interval.

    >>> estimate(ErrorEstimate.from_values([0] * 9955 + [1] * 45))
    ('0.45 %', '95 % interval 0.34 to 0.60 %')
    """
    proportion = bool(value.proportion)
    limits = span(*value.interval(confidence), proportion=proportion, like=value.error)
    error = number(value.error, proportion=proportion)
    return error, f"{100 * confidence:.4g} % interval {limits}"


def difference(value: float, *, proportion: bool = True, like: float | None = None) -> str:
    """A difference of two errors with its sign; of proportions in percentage points.

    >>> difference(0.0075), difference(-0.0012), difference(0.0)
    ('+0.75 points', '\u22120.12 points', '0 points')
    """
    if not isfinite(value):
        return UNKNOWN
    digits = _digits(value, proportion, like)
    signed = f"+{digits}" if value > 0 and digits.strip("0.") else digits
    return f"{signed} points" if proportion else signed


def limits(value: Gap, *, proportion: bool = True) -> str:
    """The interval of a gap, without its unit.

    >>> limits(Gap(0.0075, 0.005, 0.0104, "present"))
    '0.50 to 1.04'
    """
    like = max(abs(value.low), abs(value.high))
    return " to ".join(_digits(limit, proportion, like) for limit in (value.low, value.high))


def duration(seconds: float) -> str:
    """Seconds as a person says them.

    >>> duration(8.24), duration(252), duration(3780)
    ('8.2 s', '4 min 12 s', '1 h 03 min')
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def count(number: int, one: str, many: str | None = None) -> str:
    """A number of things.

    >>> count(1, "seed"), count(0, "trial"), count(2, "of them is", "of them are")
    ('1 seed', '0 trials', '2 of them are')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def knob_name(knob: str) -> str:
    """What a knob is called in a sentence.

    >>> knob_name("l2"), knob_name("batch_size")
    ('L2 strength', 'batch size')
    """
    return KNOB_NAMES.get(knob, clean(knob.replace("_", " ")))


def plain(value: Any) -> str:
    """A configured value in words.

    >>> plain((0.1, 0.25)), plain(True), plain(None), plain(1e-4), plain("adam")
    ('0.1, 0.25', 'yes', 'none', '0.0001', 'adam')
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (tuple, list)):
        return ", ".join(plain(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else clean(str(value))


def turn(knob: str, before: Any, after: Any) -> str:
    """A knob with its old and its new value.

    >>> turn("dropout", 0.0, 0.1)
    'dropout rate 0 → 0.1'
    """
    return f"{knob_name(knob)} {plain(before)} → {plain(after)}"


def turned(item: Round) -> str:
    """Which knob a round turned: "dropout rate 0 → 0.1", or "first run"."""
    if item.knob is None:
        return "first run"
    return turn(item.knob, item.before, item.after)


def outcome(item: Round) -> str:
    """What became of a round: "kept", "discarded", or why it ended early."""
    if item.status != "completed":
        return item.status
    return "kept" if item.kept else "discarded"


def capital(words: str) -> str:
    """The words with a capital in front and all else as it is.

    >>> capital("L2 strength"), capital("first run")
    ('L2 strength', 'First run')
    """
    return words[:1].upper() + words[1:]


def clean(name: str) -> str:
    """A name from outside without characters that are not printable, on one line.

    >>> clean("cat\\n\\x00dog")
    'cat \ufffddog'
    """
    line = " ".join(name.split())
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in line)


def _digits(value: float, proportion: bool, like: float | None) -> str:
    """Without the unit: one decimal from 10 % on, two below, more only for errors below 0.01 %."""
    if not proportion:
        return f"{value:.4g}".replace("-", MINUS)
    if abs(value) < NOTHING:
        return "0"
    scale = 100 * abs(value if like is None else like)
    places = 1 if scale >= 9.995 else 2
    while scale and scale < 10**-places and places < MOST_PLACES:
        places += 1
    digits = f"{100 * value:.{places}f}"
    return digits.replace("-", MINUS) if float(digits) else digits.lstrip("-")
