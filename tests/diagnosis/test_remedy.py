"""Which remedies, in which order."""

from __future__ import annotations

from keras_ext.diagnosis import Remedy, remedies

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
    expected = ["epochs", "units", "layers", "learning_rate", "magnitude", "dropout"]
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
    turned = {remedy.knob: remedy for remedy in remedies(["variance", "bias"], ALL)}
    assert turned["dropout"].after == 0.2
    assert len(found) == len(turned) == len({**found, **turned})


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
