"""Records of claims: verdicts, shapes, and the way to JSON and back."""

from __future__ import annotations

import json
import re
from math import isnan, nan

import numpy as np
import pytest

from keras_ext.chart_records import Chart, Line, Panel, Pictures, Surface
from keras_ext.claim_records import HELD, IN_PART, NOT_HELD, Claim, Finding, Number, Rule
from keras_ext.errors import ConfigError

NUMBER = Number("error", 0.5)


def finding(*held: bool, **figures) -> Finding:
    rules = tuple(Rule("a rule", value) for value in held)
    return Finding(setup="", numbers=(NUMBER,), rules=rules, explanation="", **figures)


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
    images = np.arange(2 * 3 * 4 * 1, dtype="uint8").reshape(2, 3, 4, 1)
    pictures = Pictures.of(images, np.stack([images + 1, images + 2], axis=1), title="", caption="")
    both = finding(True, charts=(chart,), pictures=(pictures,))
    claim = Claim(name="l2", number=3, text="L2.", finding=both)
    again = Claim.from_dict(json.loads(json.dumps(claim.to_dict())))
    assert again == claim
    originals, versions = again.finding.pictures[0].arrays()
    assert np.array_equal(originals, images)
    assert np.array_equal(versions[:, 1], images + 2)


def test_versions_are_rounded_and_kept_within_the_range():
    image = np.full((1, 1, 1, 1), 7, "uint8")
    versions = np.array([254.6, 300.0, -3.0, 0.4]).reshape(1, 4, 1, 1, 1)
    found = Pictures.of(image, versions, title="", caption="")
    assert found.arrays()[1].ravel().tolist() == [255, 255, 0, 0]


@pytest.mark.parametrize("shape", [(1, 2, 1, 1, 2), (1, 2, 1)])
def test_pictures_of_another_shape_are_refused(shape):
    with pytest.raises(
        ConfigError, match=f"2 pixels are no pictures of shape {re.escape(str(shape))}"
    ):
        Pictures(title="", caption="", shape=shape, pixels="AAA=")


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
