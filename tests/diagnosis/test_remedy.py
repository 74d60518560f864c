"""Which remedies, in which order."""

from __future__ import annotations

import pytest

from keras_ext.diagnosis import Remedy, Setting, remedies

ALL = {
    "epochs": 5,
    "units": 32,
    "layers": 2,
    "learning_rate": 0.001,
    "magnitude": 0.25,
    "dropout": 0.1,
    "l2": 0.0,
}


def test_bias_asks_for_more_capacity_then_for_less_regularization():
    knobs = [remedy.knob for remedy in remedies(["bias"], ALL)]
    expected = ["units", "epochs", "learning_rate", "dropout", "magnitude", "layers"]
    assert knobs == [*expected, "architecture"]


def test_variance_asks_for_more_regularization_then_for_data():
    found = remedies(["variance"], ALL)
    assert [(remedy.knob, remedy.before, remedy.after) for remedy in found] == [
        ("magnitude", 0.25, 0.5),
        ("dropout", 0.1, 0.2),
        ("l2", 0.0, 1e-4),
        ("data", None, None),
        ("architecture", None, None),
    ]


def test_knobs_that_are_missing_or_at_their_end_are_left_out():
    found = remedies(["variance"], {"dropout": 0.8, "l2": 1e-4})
    assert [remedy.knob for remedy in found] == ["l2", "data", "architecture"]
    assert found[0].text.startswith("l2 0.0001 -> 0.0003: ")


def test_a_knob_is_named_once_for_the_worse_problem():
    found = {remedy.knob: remedy for remedy in remedies(["bias", "variance"], ALL)}
    assert found["dropout"].after == 0.0
    assert found["l2"].after == 1e-4


def test_what_makes_the_network_fit_comes_before_a_worse_variance():
    found = remedies(["variance", "bias"], {**ALL, "l2": 1e-3})
    knobs = [remedy.knob for remedy in found]
    first, then = ["units", "epochs", "learning_rate", "layers"], ["magnitude", "dropout", "l2"]
    assert knobs == [*first, *then, "data", "architecture"]
    assert {remedy.knob: remedy.after for remedy in found}["dropout"] == 0.2
    assert remedies(["variance", "bias"], {"dropout": 0.1})[0].after == 0.2
    assert remedies(["variance", "mismatch", "bias"], ALL)[0].knob == "units"
    assert remedies(["mismatch", "variance", "bias"], ALL)[0].knob == "data"


@pytest.mark.parametrize(
    ("costs", "first"),
    [
        ([], "units"),
        ([1.0], "units"),
        ([1.0, 0.5, 0.4], "units"),
        ([1.0, 0.5, 0.505], "units"),
        ([1.0, 1.2, 0.5], "units"),
        ([1.0, 0.5, 0.52], "learning_rate"),
        ([1.0, float("nan")], "learning_rate"),
        ([1.0, float("inf")], "learning_rate"),
    ],
)
def test_a_cost_that_has_risen_asks_for_a_smaller_learning_rate(costs, first):
    found = remedies(["bias"], ALL, costs=costs)
    assert found[0].knob == first
    rates = [remedy.after for remedy in found if remedy.knob == "learning_rate"]
    assert rates == [pytest.approx(0.001 / 3, rel=1e-5) if first == "learning_rate" else 0.003]
    assert remedies(["variance"], ALL, costs=costs) == remedies(["variance"], ALL)


def test_a_learning_rate_that_is_not_known_can_be_lowered_all_the_same():
    found = remedies(["bias"], {"learning_rate": Setting(None, "a schedule")}, costs=[1, 2])
    assert found[0].text == (
        "learning rate: the training cost has risen: a smaller learning rate (a schedule)"
    )


def test_without_knobs_all_are_named_without_values():
    found = remedies(["variance"])
    assert found[0] == Remedy("magnitude", None, None, "magnitude: stronger augmentation")
    assert [remedy.knob for remedy in found][:3] == ["magnitude", "dropout", "l2"]


def test_one_rate_for_each_layer_is_shown_as_such():
    found = remedies(["variance"], {"dropout": (0.1, 0.25)})
    assert found[0].after == (0.2, 0.35)
    assert "dropout (0.1, 0.25) -> (0.2, 0.35)" in found[0].text


def test_no_problem_no_remedy():
    assert remedies([], ALL) == ()


def test_a_note_says_what_turning_takes():
    known = remedies(["variance"], {"dropout": Setting(0.5, "fixed")})[0]
    assert known == Remedy(
        "dropout", 0.5, 0.6, "dropout 0.5 -> 0.6: regularize more: a higher dropout rate (fixed)"
    )
    unknown = remedies(["bias"], {"learning_rate": Setting(None, "a schedule sets it")})[0]
    assert (unknown.before, unknown.after) == (None, None)
    assert unknown.text.startswith("learning rate: another learning rate")
    assert unknown.text.endswith(" (a schedule sets it)")


def test_what_may_be_off_is_turned_up_but_not_down():
    unknown = {"magnitude": Setting(None), "units": Setting(None)}
    assert [remedy.knob for remedy in remedies(["bias"], unknown)] == ["units", "architecture"]
    assert remedies(["variance"], unknown)[0].knob == "magnitude"


def test_a_setting_without_a_note_is_its_value():
    assert remedies(["bias", "variance"], ALL) == remedies(
        ["bias", "variance"], {name: Setting(value) for name, value in ALL.items()}
    )


def test_both_problems_end_with_another_architecture():
    for problem in ("bias", "variance"):
        assert "architecture" in [remedy.knob for remedy in remedies([problem], {})]
