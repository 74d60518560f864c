"""From errors to a verdict, with known answers."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_ext.diagnosis import ErrorEstimate, diagnose
from keras_ext.errors import ConfigError


def share(error: float, count: int = 10_000) -> ErrorEstimate:
    wrong = round(error * count)
    return ErrorEstimate.from_values([1] * wrong + [0] * (count - wrong))


@pytest.mark.parametrize(
    ("train", "validation", "optimal", "dominant", "verdicts"),
    [
        (0.15, 0.16, 0.0, "bias", ("present", "inconclusive")),
        (0.15, 0.16, 0.14, "inconclusive", ("inconclusive", "inconclusive")),
        (0.01, 0.11, 0.009, "variance", ("absent", "present")),
        (0.15, 0.30, 0.0, "bias", ("present", "present")),
        (0.05, 0.30, 0.0, "variance", ("present", "present")),
        (0.005, 0.006, 0.004, "none", ("absent", "absent")),
        (0.004, 0.009, 0.004, "inconclusive", ("absent", "inconclusive")),
    ],
)
def test_known_situations(train, validation, optimal, dominant, verdicts):
    found = diagnose(share(train), share(validation), optimal_error=optimal)
    assert found.dominant == dominant
    assert (found.avoidable_bias.verdict, found.variance.verdict) == verdicts
    assert found.avoidable_bias.value == pytest.approx(train - optimal)
    assert found.variance.value == pytest.approx(validation - train)


def test_the_same_distribution_separates_mismatch_from_variance():
    errors = share(0.01), share(0.10)
    assert diagnose(*errors).dominant == "variance"
    found = diagnose(*errors, optimal_error=0.008, train_validation=share(0.011))
    assert found.dominant == "mismatch"
    assert found.variance.verdict == "absent"
    assert found.mismatch.value == pytest.approx(0.089)
    assert [remedy.knob for remedy in found.remedies] == ["data"]


def test_a_test_error_shows_overtuning_but_does_not_dominate():
    found = diagnose(share(0.01), share(0.011), optimal_error=0.01, test=share(0.05))
    assert found.overfit_to_validation.verdict == "present"
    assert found.dominant == "none"
    assert "larger validation set" in found.summary()
    assert diagnose(share(0.01), share(0.011)).overfit_to_validation is None


def test_both_are_reported_and_what_makes_the_network_fit_comes_first():
    found = diagnose(share(0.05), share(0.30), knobs={"dropout": 0.1, "epochs": 5})
    assert [remedy.knob for remedy in found.remedies][:3] == ["epochs", "dropout", "data"]
    assert found.dominant == "variance"


def test_bias_with_a_cost_that_has_risen_names_the_learning_rate():
    found = diagnose(share(0.3), share(0.3), costs=[1.0, 0.4, 0.5])
    assert found.remedies[0].text.endswith("the training cost has risen: a smaller learning rate")
    assert diagnose(share(0.3), share(0.3), costs=[1.0, 0.5]).remedies[0].knob == "units"


def test_few_examples_are_not_enough_and_it_says_how_many_are():
    found = diagnose(share(0.02, 100), share(0.04, 100), optimal_error=0.02, tolerance=0.01)
    assert found.dominant == "inconclusive"
    assert found.remedies == ()
    needed = found.variance.examples_needed
    again = diagnose(share(0.02, 100).grown(needed), share(0.04, 100).grown(needed), tolerance=0.01)
    assert again.variance.verdict == "present"
    more = f"about {float(f'{needed:.1e}'):,.0f} more"
    assert f"measuring {more} examples of each kind would settle it" in found.summary()
    few = diagnose(share(0.02, 100), share(0.02, 100), tolerance=0.01)
    assert "more training examples would settle it" in few.summary().splitlines()[0]


def test_regression_errors_have_normal_intervals():
    train, validation = ErrorEstimate(4.0, 100, 0.1), ErrorEstimate(9.0, 100, 0.5)
    found = diagnose(train, validation, optimal_error=3.0, tolerance=0.5)
    assert found.dominant == "variance"
    assert found.variance.low == pytest.approx(5 - 1.959964 * (0.1**2 + 0.5**2) ** 0.5)


def test_summary_is_in_plain_words():
    found = diagnose(share(0.001), share(0.02), knobs={"dropout": 0.1, "l2": 0.0})
    assert found.summary().splitlines() == [
        "avoidable bias 0.0010 [0.0005, 0.0018] is absent: the model fits its training examples"
        " about as well as is possible",
        "variance 0.0190 [0.0163, 0.0220] is present: the model does worse on examples that it was"
        " not trained on",
        "try first: dropout 0.1 -> 0.2: regularize more: a higher dropout rate",
        "then: l2 0 -> 0.0001: regularize more: a larger L2 factor; data: more training data;"
        " architecture: another architecture",
    ]


def test_the_record_turns_into_json():
    found = diagnose(share(0.01), share(0.1), knobs={"dropout": 0.1}, test=share(0.1))
    text = json.dumps(dataclasses.asdict(found))
    assert json.loads(text)["variance"]["verdict"] == "present"
    assert json.loads(text)["remedies"][0]["after"] == 0.2


@given(*[st.integers(0, 300)] * 2, st.sampled_from([0.0, 0.005, 0.05]))
def test_dominant_follows_from_the_verdicts(wrong_train, wrong_validation, tolerance):
    found = diagnose(
        share(wrong_train / 300, 300), share(wrong_validation / 300, 300), tolerance=tolerance
    )
    gaps = {"bias": found.avoidable_bias, "variance": found.variance}
    present = {name: gap.value for name, gap in gaps.items() if gap.verdict == "present"}
    if present:
        assert found.dominant == max(present, key=present.get)
        assert found.remedies
    else:
        absent = all(gap.verdict == "absent" for gap in gaps.values())
        assert found.dominant == ("none" if absent else "inconclusive")
        assert not found.remedies


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("optimal_error", -0.1),
        ("optimal_error", float("nan")),
        ("tolerance", -1.0),
        ("tolerance", float("inf")),
        ("confidence", 95),
    ],
)
def test_bad_arguments_are_named(name, value):
    with pytest.raises(ConfigError, match=f"{name}={value}"):
        diagnose(share(0.1), share(0.1), **{name: value})
