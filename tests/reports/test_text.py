"""Numbers as readers see them."""

from __future__ import annotations

import re
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_ext.diagnosis import ErrorEstimate
from keras_ext.reports import text

fractions = st.floats(0, 1)


def value(words: str) -> float:
    """The number at the start of some words."""
    return float(words.split()[0].replace(text.MINUS, "-"))


@given(fractions)
def test_percent_is_near_the_fraction(fraction: float) -> None:
    words = text.number(fraction)
    assert words.endswith(" %")
    tolerance = 0.05 if fraction >= 0.0999 else 0.005
    assert value(words) == pytest.approx(100 * fraction, abs=1.001 * tolerance)


@given(st.floats(1e-8, 1))
def test_an_error_that_is_there_is_never_shown_as_none(fraction: float) -> None:
    assert value(text.number(fraction)) > 0


@given(fractions, fractions)
def test_limits_keep_their_order(one: float, other: float) -> None:
    low, high = sorted((one, other))
    first, second = re.findall(r"[\d.]+", text.span(low, high))
    assert float(first) <= float(second)


@given(st.floats(-1, 1))
def test_a_difference_says_which_way(change: float) -> None:
    words = text.difference(change)
    shown = value(words)
    assert shown == pytest.approx(100 * change, abs=0.0501)
    assert words.startswith("+") == (shown > 0)
    assert words.startswith(text.MINUS) == (shown < 0)


@pytest.mark.parametrize("bad", [nan, inf, -inf, None])
def test_what_is_not_known_is_said_so(bad: float | None) -> None:
    assert text.number(bad) == text.UNKNOWN
    if bad is not None:
        assert text.difference(bad) == text.UNKNOWN
        assert text.span(0.0, bad) == text.UNKNOWN


def test_no_errors_seen_still_has_an_upper_limit() -> None:
    estimate = ErrorEstimate.from_values([0] * 10_000)
    assert text.estimate(estimate) == ("0 %", "95 % interval 0 to 0.04 %")


def test_regression_has_no_percent() -> None:
    assert text.number(12345.678, proportion=False) == "1.235e+04"
    assert text.span(0.5, 2.25, proportion=False) == "0.5 to 2.25"
    assert text.difference(-1.5, proportion=False) == f"{text.MINUS}1.5"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (3599.6, "1 h 00 min"),
        (7260, "2 h 01 min"),
    ],
)
def test_duration(seconds: float, words: str) -> None:
    assert text.duration(seconds) == words


@given(st.text())
def test_clean_is_one_printable_line(name: str) -> None:
    assert text.clean(name).isprintable()
    if name.isprintable() and name == name.strip() and "  " not in name:
        assert text.clean(name) == name
