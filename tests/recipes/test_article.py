"""The experiments of the article in quick mode: numbers that mathematics fixes, with margins."""

from __future__ import annotations

from importlib import import_module

import numpy as np
import pytest

from keras_ext.claim_records import Finding
from keras_ext.reports.figures import chart
from keras_ext.tuning.trainer import Trainer
from recipes.article import what_to_tune
from recipes.article.effort import Effort

pytestmark = [pytest.mark.slow, pytest.mark.tensorflow]


def found(name: str) -> Finding:
    """The finding of a claim; its charts can be drawn in both widths."""
    finding: Finding = import_module(f"recipes.article.{name}").experiment(Effort("quick"))
    assert finding.setup
    assert finding.explanation
    for data in finding.charts:
        for width in (4.3, 9.6):
            assert len(chart(data, width=width).axes) == len(data.panels)
    return finding


def test_intervals_and_sizes_of_splits():
    finding = found("splits")
    assert 0.94 < finding.values["inside"] < 0.98
    assert [rule.held for rule in finding.rules[:4]] == [True] * 4


def test_l2_is_weight_decay_for_sgd_and_adamw_and_not_for_adam():
    values = found("weight_decay").values
    single = float(np.finfo("float32").eps)
    assert values["SGD"] < 8 * single
    assert values["AdamW"] < 8 * single
    assert values["Adam"] > 1000 * single
    assert values["near"] < 0.2


def test_tanh_becomes_linear():
    values = found("tanh").values
    assert values["weak"] > 0.2
    assert values["strong"] < 0.1
    assert values["left"] < 0.01
    assert 1.5 < values["power"] < 3.5


def test_normalized_inputs_are_round():
    values = found("normalizing").values
    assert values["edge"] < 0.01
    assert values["saved"] > 2
    assert values["rate"] > 1


def test_l2_shrinks_weights_until_that_is_bias():
    values = found("l2").values
    assert values["shrinks"] < 0.2
    assert values["bias"] > 0.02


def test_a_sweep_that_was_interrupted_goes_on_where_it_was(tmp_path, monkeypatch):
    train, calls = Trainer.train, []

    def interrupted(self, *args, **kwargs):
        calls.append(None)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return train(self, *args, **kwargs)

    monkeypatch.setattr(Trainer, "train", interrupted)
    effort = Effort("quick", work=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        what_to_tune.experiment(effort)
    values = what_to_tune.experiment(effort).values
    assert len(calls) == 1 + 16
    assert values == found("what_to_tune").values
