"""Rounds turn what the diagnosis names, keep what helps, and end well."""

from __future__ import annotations

import itertools
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import pytest

from keras_ext.diagnosis import ErrorEstimate, diagnose
from keras_ext.errors import DivergedError
from keras_ext.records import Augmentation, Round, Splits, TrainConfig
from keras_ext.training import improve
from keras_ext.training.improve import better, next_remedy, untried
from keras_ext.training.round import train_round


def made(config: TrainConfig, train: float, validation: float, count: int = 20_000) -> Round:
    """A round with the given errors, without any training."""

    def estimate(error: float) -> ErrorEstimate:
        wrong = round(error * count)
        return ErrorEstimate.from_values([1.0] * wrong + [0.0] * (count - wrong))

    both = estimate(train), estimate(validation)
    diagnosis = diagnose(*both, tolerance=config.tolerance, optimal_error=config.optimal_error)
    return Round(None, None, None, "", True, config, *both, diagnosis, ())


CONFIG = TrainConfig(tolerance=0.005, augmentation=Augmentation(rotation=10, magnitude=0.0))


@pytest.mark.parametrize(
    ("train", "validation", "knob"),
    [
        (0.0, 0.05, "magnitude"),
        (0.2, 0.2, "units"),
        (0.02, 0.1, "units"),
        (0.1, 0.12, "units"),
    ],
)
def test_bias_is_treated_before_variance(train: float, validation: float, knob: str) -> None:
    remedy = next_remedy(made(CONFIG, train, validation), set())
    assert remedy is not None
    assert remedy.knob == knob


def test_nothing_is_turned_when_nothing_hurts() -> None:
    assert next_remedy(made(CONFIG, 0.0, 0.0), set()) is None


def test_a_cost_that_rises_asks_for_a_smaller_learning_rate() -> None:
    costs = (1.0, 0.5, 0.6)
    best = replace(made(CONFIG, 0.2, 0.2), history=tuple({"train_cost": cost} for cost in costs))
    remedy = next_remedy(best, set())
    assert remedy is not None
    assert (remedy.knob, remedy.after) == ("learning_rate", pytest.approx(0.001 / 3, rel=1e-5))


def test_inconclusive_takes_the_larger_gap() -> None:
    best = made(CONFIG, 0.0, 0.006, count=1000)
    assert best.diagnosis.dominant == "inconclusive"
    remedy = next_remedy(best, set())
    assert remedy is not None
    assert remedy.knob == "magnitude"


def test_what_was_tried_is_not_tried_again() -> None:
    tried: set = set()
    order = []
    for _ in range(3):
        remedy = next_remedy(made(CONFIG, 0.0, 0.05), tried)
        assert remedy is not None
        order.append(remedy.knob)
        tried.add((remedy.knob, remedy.after))
    assert order == ["magnitude", "dropout", "l2"]
    assert next_remedy(made(CONFIG, 0.0, 0.05), tried) is None


def test_what_did_not_help_is_not_named_as_the_next_step() -> None:
    knobs = {"dropout": 0.0, "l2": 0.0}
    best = made(CONFIG, 0.0, 0.05)
    found = diagnose(best.train, best.validation, knobs=knobs)
    named = [item.knob for item in found.remedies]
    assert "dropout" in named
    left = untried(found, {("dropout", 0.1), ("l2", 0.5)})
    assert [item.knob for item in left.remedies] == [knob for knob in named if knob != "dropout"]


@pytest.mark.parametrize(
    ("errors", "costs", "expected"),
    [
        ((0.05, 0.01), (0.1, 0.2), True),
        ((0.01, 0.05), (0.2, 0.1), False),
        ((0.0100, 0.0101), (0.2, 0.1), True),
        ((0.0101, 0.0100), (0.1, 0.2), False),
        ((0.01, 0.01), (0.1, 0.1), False),
    ],
)
def test_cost_decides_where_the_error_cannot(
    errors: tuple[float, float], costs: tuple[float, float], expected: bool
) -> None:
    best, after = (
        replace(made(CONFIG, 0.0, error), history=({"validation_cost": cost},))
        for error, cost in zip(errors, costs, strict=True)
    )
    assert better(after, best) is expected


@pytest.mark.slow
def test_rounds_on_real_digits(digits: Splits, small: TrainConfig, tmp_path: Path) -> None:
    told: list[str] = []
    config = replace(small, epochs=3)
    result = improve(
        config,
        digits,
        max_rounds=2,
        final_epochs=6,
        directory=tmp_path,
        announce=told.append,
        quiet=True,
    )
    assert 2 <= len(result.rounds) <= 4
    kept = [item for item in result.rounds if item.kept]
    assert all(better(after, before) for before, after in itertools.pairwise(kept))
    assert result.errors["validation"] == kept[-1].validation
    assert result.config == kept[-1].config
    for item in result.rounds[1:]:
        assert item.knob is not None
        assert item.before != item.after
    saved = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    wrong = saved.predict(digits.validation.x, verbose=0).argmax(axis=1) != digits.validation.y
    assert float(wrong.mean()) == pytest.approx(kept[-1].validation.error)
    assert any(check.name == "cost falls" for check in result.checks)
    assert sum(line.startswith("round ") for line in told) == len(result.rounds) - 1


class Interrupt(keras.callbacks.Callback):
    """Ctrl-C in the given training run (0 is the first)."""

    def __init__(self, in_run: int) -> None:
        super().__init__()
        self.in_run = in_run
        self.runs = 0

    def on_train_begin(self, logs: Any = None) -> None:
        self.runs += 1

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.runs - 1 == self.in_run:
            raise KeyboardInterrupt


@pytest.mark.parametrize("in_run", [0, 1])
@pytest.mark.slow
def test_ctrl_c_keeps_the_best_so_far(
    digits: Splits, small: TrainConfig, tmp_path: Path, in_run: int
) -> None:
    result = improve(
        small, digits, max_rounds=3, directory=tmp_path, callbacks=[Interrupt(in_run)], quiet=True
    )
    assert result.status == "interrupted"
    assert len(result.rounds) == in_run + 1
    assert result.rounds[0].kept
    best = [item for item in result.rounds if item.kept][-1]
    assert result.errors["validation"] == best.validation
    assert (tmp_path / "model.keras").is_file()


def test_what_is_measured_is_drawn_once_for_all_rounds(
    digits: Splits, small: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = []

    def noting(config: TrainConfig, *args: Any, **kwargs: Any) -> Any:
        made = train_round(config, *args, **kwargs)
        shared.append(list(kwargs["drawn"].pools.values()))
        return made

    monkeypatch.setattr(sys.modules[improve.__module__], "train_round", noting)
    improve(replace(small, epochs=1), digits, max_rounds=1, quiet=True)
    first, second = shared
    assert len(first) == 2
    assert all(a is b for a, b in zip(first, second, strict=True))


def test_first_run_that_diverges_raises(digits: Splits, small: TrainConfig) -> None:
    config = replace(
        small, optimizer="sgd", learning_rate=1e30, batch_norm=False, schedule="constant"
    )
    with pytest.raises(DivergedError):
        improve(config, digits, max_rounds=1, quiet=True)


def test_later_round_that_diverges_is_a_failed_check(
    digits: Splits, small: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def second_diverges(config: TrainConfig, *args: Any, **kwargs: Any) -> Any:
        if kwargs["turned"].knob:
            raise DivergedError("the cost became nan in epoch 1")
        return train_round(config, *args, **kwargs)

    monkeypatch.setattr(sys.modules[improve.__module__], "train_round", second_diverges)
    result = improve(small, digits, max_rounds=1, quiet=True)
    assert len(result.rounds) == 1
    assert [check.message for check in result.checks if not check.passed] == [
        "the cost became nan in epoch 1"
    ]


@pytest.mark.slow
def test_longer_training_is_training_to_the_end(digits: Splits, small: TrainConfig) -> None:
    config = replace(small, epochs=1, learning_rate=0.001)
    result = improve(config, digits, max_rounds=1, final_epochs=5, quiet=True)
    assert result.rounds[0].diagnosis.dominant == "bias"
    assert [(item.knob, item.after) for item in result.rounds] == [(None, None), ("epochs", 5)]
    assert result.config.epochs == 5
