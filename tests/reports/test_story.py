"""Sentences that say what the numbers say, and nothing more."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import pytest

from keras_ext.diagnosis import Diagnosis, ErrorEstimate, Gap, Remedy, diagnose
from keras_ext.records import RunResult
from keras_ext.reports import story


def told(result: RunResult) -> str:
    """The whole account."""
    return " ".join(story.account(result))


def with_first(
    result: RunResult, train: ErrorEstimate, validation: ErrorEstimate, diagnosis: Diagnosis
) -> RunResult:
    """The result with another first round."""
    first = replace(result.rounds[0], train=train, validation=validation, diagnosis=diagnosis)
    return replace(result, rounds=(first,))


def test_headline_is_the_test_error(samples: ModuleType) -> None:
    result = replace(
        samples.sample_result(),
        errors={"test": samples.share(45, 10_000), "train": samples.share(1, 10)},
    )
    assert story.headline(result) == ("Test error 0.45 %", "(95 % interval 0.34 to 0.60 %)")


def test_headline_without_a_test_error(samples: ModuleType) -> None:
    error, _ = story.headline(samples.interrupted_result())
    assert error == "Validation error 1.10 %"
    assert story.headline(replace(samples.sample_result(), errors={}))[0] == "No error was measured"


def test_account_of_a_run_with_rounds(samples: ModuleType) -> None:
    assert told(samples.sample_result()) == (
        "58 of 10,000 images that the model had never seen came out wrong. "
        "What held it back first was variance: an error of 0.05 % on its own training examples, "
        "but 1.10 % on new ones. "
        "Turning the augmentation magnitude from 0 to 0.25 brought the validation error from 1.10 "
        "to 0.62 %, and was kept. "
        "Turning the dropout rate from 0 to 0.1 was tried too, and taken back."
    )


def test_a_small_improvement_is_called_possible_chance(samples: ModuleType) -> None:
    result = samples.sample_result()
    first, second, _ = result.rounds
    luck = replace(second, validation=samples.share(64, 6000))
    sentence = told(replace(result, rounds=(first, luck)))
    assert "from 1.10 to 1.07 %, which may be chance, and was kept for its lower cost" in sentence


def test_nothing_kept(samples: ModuleType) -> None:
    result = samples.sample_result()
    first, second, third = result.rounds
    sentence = told(replace(result, rounds=(first, replace(second, kept=False), third)))
    assert sentence.endswith(
        "Turning the augmentation magnitude from 0 to 0.25 and the dropout rate from 0 to 0.1 "
        "was tried and taken back."
    )


def test_fast_run(samples: ModuleType) -> None:
    assert told(samples.fast_result()).endswith("No knob was turned in this run.")


def test_interrupted_run(samples: ModuleType) -> None:
    sentence = told(samples.interrupted_result())
    assert sentence.startswith("The run was stopped before its end")
    assert "The test examples were not opened." in sentence


def test_regression_has_no_percent(samples: ModuleType) -> None:
    sentence = told(samples.regression_result())
    assert "%" not in sentence
    assert "It was measured on 100 examples that the model had never seen." in sentence
    assert "bias: an error of 7.812 on its own training examples, where 0 is possible" in sentence


@pytest.mark.parametrize(
    ("wrong", "tolerance", "says"),
    [
        ((300, 900), 0.005, "on new ones. Bias was there too."),
        ((600, 900), 0.005, "where 0 % is possible. Variance was there too."),
        ((900, 900), 0.005, "bias: an error of 15.0 % on its own training examples, where 0 % is"),
        ((3, 300), 0.005, "variance: an error of 0.05 % on its own training examples, but 5.00 %"),
        (
            (3, 5),
            0.005,
            "Neither bias nor variance held it back by more than the tolerance of 0.50 points",
        ),
        ((6, 37), 0.005, "can't be told for sure: 6,000 validation examples"),
    ],
)
def test_what_held_it_back(
    samples: ModuleType, wrong: tuple[int, int], tolerance: float, says: str
) -> None:
    train, validation = (samples.share(count, 6000) for count in wrong)
    diagnosis = diagnose(train, validation, tolerance=tolerance)
    assert says in told(with_first(samples.fast_result(), train, validation, diagnosis))


def test_data_mismatch(samples: ModuleType) -> None:
    train, validation = samples.share(3, 6000), samples.share(900, 6000)
    diagnosis = diagnose(train, validation, train_validation=samples.share(5, 6000))
    result = with_first(samples.fast_result(), train, validation, diagnosis)
    assert "data mismatch" in told(result)
    assert story.dominant(diagnosis) == "data mismatch"


def test_each_round_is_compared_with_the_last_kept_one(samples: ModuleType) -> None:
    first, second, third = samples.sample_result().rounds
    rounds = (first, replace(second, kept=False), third, replace(second, kept=True), third)
    steps = story.steps(samples.sample_result(rounds=rounds))
    assert [step.base_number for step in steps] == [0, 1, 1, 1, 4]
    assert [step.base for step in steps[1:3]] == [first, first]
    assert steps[4].base == rounds[3]
    assert steps[0].change("validation") is None


def test_change_and_its_certainty(samples: ModuleType) -> None:
    steps = story.steps(samples.sample_result())
    better, unclear = steps[1].change("validation"), steps[2].change("validation")
    assert better.value == pytest.approx((37 - 66) / 6000)
    assert (better.verdict, unclear.verdict) == ("lower", "may be chance")
    assert steps[1].change("train").verdict == "higher"


def test_open_questions(samples: ModuleType) -> None:
    diagnosis = diagnose(samples.share(6, 6000), samples.share(37, 6000))
    (question,) = story.open_questions(diagnosis)
    needed = diagnosis.variance.examples_needed
    assert "whether variance is above the tolerance" in question
    number = int(question.split()[1].replace(",", ""))
    assert number == pytest.approx(needed, rel=0.05)
    assert story.open_questions(replace(diagnosis, variance=Gap(0, 0, 0, "inconclusive"))) == ()


@pytest.mark.parametrize(
    ("remedy", "advice"),
    [
        (
            Remedy(
                "dropout", 0.1, 0.2, "dropout 0.1 -> 0.2: regularize more: a higher dropout rate"
            ),
            ("Dropout rate 0.1 → 0.2", "Regularize more: a higher dropout rate"),
        ),
        (Remedy("data", None, None, "data: more training data"), ("", "More training data")),
        (Remedy("mine", 1, 2, "in other words"), ("Mine 1 → 2", "In other words")),
    ],
)
def test_advice(remedy: Remedy, advice: tuple[str, str]) -> None:
    assert story.advice(remedy) == advice
