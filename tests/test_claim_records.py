"""Records of claims: verdicts, shapes, and the way to JSON and back."""

from __future__ import annotations

import json
from math import isnan, nan

import pytest

from keras_ext.claim_records import (
    HELD,
    IN_PART,
    NOT_HELD,
    Chart,
    Claim,
    Finding,
    Line,
    Number,
    Panel,
    Rule,
    Surface,
)
from keras_ext.errors import ConfigError

NUMBER = Number("error", 0.5)


def finding(*held: bool, charts: tuple[Chart, ...] = ()) -> Finding:
    rules = tuple(Rule("a rule", value) for value in held)
    return Finding(setup="", numbers=(NUMBER,), rules=rules, explanation="", charts=charts)


@pytest.mark.parametrize(
    ("held", "verdict"),
    [((True, True), HELD), ((True, False), IN_PART), ((False,), NOT_HELD)],
)
def test_the_rules_make_the_verdict(held, verdict):
    assert finding(*held).verdict == verdict


def test_a_finding_without_a_rule_is_none():
    with pytest.raises(ConfigError, match="at least one number and one rule"):
        finding()


def test_a_claim_comes_back_from_json_with_its_charts():
    surface = Surface([0, 1], [0, 1, 2], [[1, 2], [3, 4], [5, 6]], [2.5])
    line = Line.over_seeds("train", [1, 2], [[0.1, 0.2], [0.3, 0.2]])
    panel = Panel(x_label="x", y_label="y", lines=(line,), surface=surface, x_limits=(0, 1))
    chart = Chart(title="t", caption="c", panels=(panel,))
    claim = Claim(name="l2", number=3, text="L2.", finding=finding(True, charts=(chart,)))
    assert Claim.from_dict(json.loads(json.dumps(claim.to_dict()))) == claim


def test_numbers_that_json_lacks_come_back_as_nan():
    assert isnan(Line("a", [1], [None]).y[0])
    assert isnan(Line("a", [1], [nan]).y[0])


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"x": [1, 2], "y": [1]}, "has 2 x for"),
        ({"x": [1], "y": [1], "low": [1, 2]}, "has 1 x for"),
        ({"x": [1], "y": [1], "kind": "bars"}, "kind must be one of line, dashed, points, path"),
    ],
)
def test_a_line_of_another_shape_is_refused(how, message):
    with pytest.raises(ConfigError, match=message):
        Line("a", **how)


def test_a_surface_of_another_shape_is_refused():
    with pytest.raises(ConfigError, match=r"z must have shape \(rows, columns\) = \(1, 2\)"):
        Surface([0, 1], [0], [[1]], [0])
