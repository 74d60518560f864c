"""Laws of both strategies, on a surface whose optimum is known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import inf
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_ext.tuning.axes import Axis
from keras_ext.tuning.guided import guided
from keras_ext.tuning.proposal import Proposal, Trials, Tried
from keras_ext.tuning.staged import staged
from tests.tuning.surface import AXES, Rule, best, play

RULES = pytest.mark.parametrize("rule", [guided, staged])
BY_NAME = {axis.name: axis for axis in AXES}
few = settings(max_examples=12)


def inside(values: Mapping[str, Any], axes: tuple[Axis, ...] = AXES) -> bool:
    """Whether each value is one of the space."""
    return set(values) == {axis.name for axis in axes} and all(
        values[axis.name] in axis.choices
        if axis.choices
        else axis.low <= values[axis.name] <= axis.high
        and (not axis.whole or isinstance(values[axis.name], int))
        for axis in axes
    )


@RULES
@given(budget=st.integers(1, 24), seed=st.integers(0, 99), metrics=st.booleans())
@few
def test_the_budget_is_kept_points_lie_inside_and_differ(
    rule: Rule, budget: int, seed: int, metrics: bool
) -> None:
    tried = play(rule, budget=budget, seed=seed, metrics=metrics)
    assert len(tried) == budget
    assert all(inside(item.values) for item in tried)
    assert len({Trials(AXES, tried).key(item.values) for item in tried}) == budget
    assert all(item.proposal and item.proposal.reason for item in tried)


@RULES
@given(seed=st.integers(0, 99), cut=st.integers(0, 16))
@few
def test_resumed_from_its_state_a_search_goes_on_as_if_nothing_had_been(
    rule: Rule, seed: int, cut: int
) -> None:
    whole = play(rule, budget=16, seed=seed)
    kept = []
    for item in whole[:cut]:
        assert item.proposal is not None
        text = json.dumps([dict(item.values), item.error, item.proposal.to_dict()])
        values, error, made = json.loads(text)
        kept.append(Tried(values, error, item.metrics, Proposal(**made)))
    again = play(rule, budget=16, seed=seed, before=tuple(kept))
    assert [item.values for item in again] == [item.values for item in whole]


@RULES
@given(seed=st.integers(0, 99), share=st.floats(0.2, 0.9))
@few
def test_failures_are_survived(rule: Rule, seed: int, share: float) -> None:
    def fails(values: Mapping[str, Any]) -> bool:
        number = crc32(str(sorted(values.items())).encode())
        return np.random.default_rng(number).random() < share

    tried = play(rule, budget=15, seed=seed, fails=fails)
    assert len(tried) == 15
    assert all(inside(item.values) for item in tried)


@RULES
def test_when_everything_fails_lower_rates_are_tried(rule: Rule) -> None:
    tried = play(rule, budget=9, fails=lambda values: True)
    assert len(tried) == 9
    assert min(item.values["learning_rate"] for item in tried) < 1e-3


@RULES
@given(seed=st.integers(0, 30), workers=st.integers(2, 4))
@few
def test_trials_that_still_run_get_no_twin(rule: Rule, seed: int, workers: int) -> None:
    """The oldest of several running trials ends each time."""
    waiting: list[Tried] = []
    ended: list[Tried] = []
    while True:
        made = rule(AXES, [*ended, *waiting], budget=14, seed=seed)
        if made is None:
            break
        waiting.append(Tried(made.values, None, {}, made))
        if len(waiting) == workers:
            first = waiting.pop(0)
            gap = 0.1 * len(ended) % 0.03
            found = {"avoidable_bias": gap, "variance": 0.05 - gap}
            ended.append(Tried(first.values, 0.05, found, first.proposal))
    everything = [*ended, *waiting]
    assert len(everything) == 14
    assert len({Trials(AXES, everything).key(item.values) for item in everything}) == 14


@RULES
def test_a_space_that_is_used_up_ends_the_search(rule: Rule) -> None:
    axes = (Axis("units", 8, choices=(8, 16), role="units"), Axis("on", True, choices=(True,)))
    tried: list[Tried] = []
    while (made := rule(axes, tried, budget=50, seed=0)) is not None:
        tried.append(Tried(made.values, 1.0, {}, made))
    assert [item.values["units"] for item in tried] == [8, 16]


@RULES
def test_without_an_end_it_goes_on(rule: Rule) -> None:
    tried = play(lambda *a, **k: rule(*a, **k) if len(a[1]) < 60 else None, budget=None)  # type: ignore[arg-type]
    assert len(tried) == 60


@RULES
def test_it_beats_random_search_with_as_many_trials(rule: Rule) -> None:
    """In the median over ten seeds, without the noise that chose the winner."""
    found = [best(play(rule, budget=27, seed=seed)) for seed in range(10)]
    randoms = [best(play(random_rule, budget=27, seed=seed)) for seed in range(10)]
    assert np.median(found) < np.median(randoms)


def random_rule(axes: tuple[Axis, ...], tried: list[Tried], *, budget: int, seed: int) -> Any:
    if len(tried) >= budget:
        return None
    rng = np.random.default_rng([seed, len(tried), 7])
    return Proposal({axis.name: axis.value(rng.random()) for axis in axes}, "random", "random")


@RULES
def test_conditional_hyperparameters_come_and_go(rule: Rule) -> None:
    axes = (
        *AXES[:1],
        Axis("schedule", "constant", choices=("constant", "time_based"), ordered=False),
        Axis("decay_rate", 0.1, low=0.0, high=1.0, role="decay_rate",
             parents=(("schedule", ("time_based",)),)),
    )  # fmt: skip
    tried: list[Tried] = []
    while (made := rule(axes, tried, budget=20, seed=0)) is not None:
        assert ("decay_rate" in made.values) == (made.values["schedule"] == "time_based")
        error = 0.1 - 0.05 * (made.values["schedule"] == "time_based")
        tried.append(Tried(made.values, error, {}, made))
    assert any("decay_rate" in item.values for item in tried)
    keys = [Trials(axes, tried).key(item.values) for item in tried]
    assert len(set(keys)) == len(keys) == 20


@RULES
def test_the_range_of_a_range_test_bounds_the_first_rates(rule: Rule) -> None:
    tried = play(rule, budget=6, learning_rates=(5e-3, 2e-2))
    first = [t for t in tried if t.step in ("start", "line", "stage 1")]
    assert len(first) >= 2
    assert all(5e-3 <= t.values["learning_rate"] <= 2e-2 for t in first)


class TestPoints:
    axes = (Axis("units", 1, low=0, high=9, whole=True), Axis("seed", 0, low=0, high=9, role="seed",
            whole=True))  # fmt: skip

    def test_an_old_lucky_value_gives_way_to_the_mean(self) -> None:
        tried = [
            Tried({"units": 1, "seed": 0}, 0.10),
            Tried({"units": 2, "seed": 0}, 0.12),
            Tried({"units": 1, "seed": 1}, 0.20),
        ]
        trials = Trials(self.axes, tried)
        found = trials.best()
        assert found is tried[1]
        assert trials.error({"units": 1, "seed": 5}) == pytest.approx(0.15)

    def test_a_failure_counts_as_a_finite_penalty(self) -> None:
        trials = Trials(self.axes, [Tried({"units": 1}, 0.2), Tried({"units": 2}, inf)])
        assert trials.error({"units": 2}) == pytest.approx(0.3)

    def test_the_best_is_measured_again_under_another_seed(self) -> None:
        axes = (*AXES, Axis("seed", 0, low=0, high=9, whole=True, role="seed"))
        tried = play(guided, budget=16, axes=axes)
        again = [item for item in tried if item.step == "again"]
        assert again
        assert all(item.values["seed"] > 0 for item in again)
        others = [item for item in tried if item.step != "again"]
        keys = {Trials(axes, tried).key(item.values) for item in others}
        assert len(keys) == len(others)
