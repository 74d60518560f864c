"""A staged search keeps Ng's order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import inf
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_ext.tuning.axes import Axis
from keras_ext.tuning.proposal import Trials, Tried
from keras_ext.tuning.quasi_random import quasi_random
from keras_ext.tuning.seed_noise import seed_noise
from keras_ext.tuning.staged import STAGES, staged
from tests.tuning.surface import AXES, SCHEDULED, gaps, play

ROLE = {axis.name: axis.role for axis in AXES}


def changed(item: Tried) -> set[str]:
    """The knobs that differ from the values the stage started from."""
    assert item.proposal is not None
    base = item.proposal.base
    return {ROLE[name] or "" for name, value in item.values.items() if value != base[name]}


def numbers(tried: list[Tried]) -> list[int]:
    return [int(t.step.removeprefix("stage ")) for t in tried if t.step.startswith("stage ")]


@pytest.mark.parametrize("seed", range(4))
def test_stages_come_in_order_and_turn_their_own_knobs_alone(seed: int) -> None:
    tried = play(staged, budget=40, seed=seed)
    order = numbers(tried)
    assert order == sorted(order)
    assert set(order) == {1, 2, 3, 4}
    for item in tried:
        if item.step.startswith("stage "):
            number = int(item.step.removeprefix("stage "))
            assert changed(item) <= set(STAGES[number - 1])


def test_a_stage_starts_from_the_winner_of_the_one_before() -> None:
    tried = play(staged, budget=40, noise=0.0)
    first = next(item for item in tried if item.step == "stage 2")
    before = tried[: tried.index(first)]
    winner = min(before, key=lambda item: item.error or 0.0)
    assert first.proposal is not None
    assert first.proposal.base == winner.values


def reopened(axes: tuple[Axis, ...], tried: list[Tried]) -> list[tuple[float, str]]:
    """Of each rate opened again: how many times the incumbent's it is, and why.

    Nothing but the rate differs from the incumbent, the best of the trials before.
    """
    found = []
    for number, item in enumerate(tried):
        if item.step == "rate":
            before = Trials(axes, tried[:number]).best()
            assert before is not None
            assert item.proposal is not None
            assert {**item.values, "learning_rate": 0} == {**before.values, "learning_rate": 0}
            times = item.values["learning_rate"] / before.values["learning_rate"]
            found.append((times, item.proposal.reason))
    return found


@pytest.mark.parametrize("name", ["batch_size", "layers"])
def test_the_rate_is_opened_again_narrowly_after_batch_size_or_depth_changed(name: str) -> None:
    played = [play(staged, budget=40, seed=seed) for seed in range(6)]
    found = [one for tried in played for one in reopened(AXES, tried)]
    ours = [times for times, why in found if name in why.partition(" changed, so the learning")[0]]
    assert ours
    assert all(0.5 <= round(times, 4) <= 2 and times != 1 for times in ours)


OPTIMIZERS = ("adam", "sgd", "rmsprop")


def play_optimizers(rate: Axis, **options: Any) -> list[Tried]:
    """A search where another optimizer is better, at a rate somewhat higher."""
    axes = (rate, Axis("optimizer", "adam", choices=OPTIMIZERS, ordered=False))
    tried: list[Tried] = []
    while (made := staged(axes, tried, budget=20, seed=0, noise=0.0, **options)) is not None:
        other = made.values["optimizer"] == "sgd"
        far = np.log10(made.values["learning_rate"] / (2e-3 if other else 1e-3))
        tried.append(Tried(made.values, 0.2 - 0.1 * other + 0.05 * far**2, {}, made))
    return tried


def test_the_rate_is_opened_again_narrowly_after_the_optimizer_changed() -> None:
    tried = play_optimizers(AXES[0])
    steps = [item.step for item in tried]
    first = steps.index("rate")
    assert steps[first - 1] == "stage 4"
    assert tried[first - 1].values["optimizer"] == "sgd"
    assert steps[first:] == ["rate"] * 2 + ["joint refinement"] * (18 - first)
    axes = (AXES[0], Axis("optimizer", "adam", choices=OPTIMIZERS, ordered=False))
    found = reopened(axes, tried)
    assert all(why.startswith("optimizer changed, so the learning rate again") for _, why in found)
    assert all(0.5 <= round(times, 4) <= 2 and times != 1 for times, _ in found)


def test_a_rate_out_of_choices_is_opened_again_at_its_neighbours() -> None:
    rates = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
    tried = play_optimizers(Axis("learning_rate", 1e-3, choices=rates, role="learning_rate"))
    again = [item.values for item in tried if item.step == "rate"]
    assert again == [{"learning_rate": rate, "optimizer": "sgd"} for rate in (1e-2, 1e-4)]


UNITS = Axis("units", 64, choices=tuple(2**n for n in range(2, 13)), role="units")


@pytest.mark.parametrize(
    ("axis", "step", "best", "limit", "rates"),
    [
        (AXES[0], "stage 1", 0.09, 1e-3 * 3**3, None),
        (AXES[0], "stage 1", 0.02, 3e-3, (3e-4, 3e-3)),
        (UNITS, "stage 2", 2048, 64 * 2**2, None),
        (replace(AXES[6], default=1e-5), "stage 4", 1e-2, 3e-4, None),
    ],
    ids=["learning rate", "learning rate from a range test", "units", "l2"],
)
def test_an_edge_extends_the_range(
    axis: Axis, step: str, best: float, limit: float, rates: tuple[float, float] | None
) -> None:
    """The best value lies beyond the first range, and the error falls all the way there."""

    def error(values: Mapping[str, Any]) -> float:
        return 0.1 + abs(np.log10(values[axis.name] / best))

    tried: list[Tried] = []
    options: dict[str, Any] = {"learning_rates": rates, "noise": 10.0}
    while (made := staged([axis], tried, budget=30, seed=0, **options)) is not None:
        tried.append(Tried(made.values, error(made.values), {}, made))
    made_so = [
        (t.proposal.extended, t.values[axis.name]) for t in tried if t.proposal and t.step == step
    ]
    assert max(value for extended, value in made_so if not extended) <= limit
    assert max(value for extended, value in made_so if extended) > limit
    first = next(place for place, (extended, _) in enumerate(made_so) if extended)
    assert first >= 3


def test_a_schedule_is_turned_with_its_decay_in_the_stage_of_layers() -> None:
    turned = set()
    for item in play(staged, budget=60, axes=SCHEDULED):
        assert item.proposal is not None
        if item.values["schedule"] != item.proposal.base["schedule"]:
            assert item.step in ("stage 3", "joint refinement")
        if item.step == "stage 3":
            turned.add((item.values["schedule"], item.values.get("decay_rate")))
    assert {name for name, _ in turned} == {"constant", "time_based", "cosine"}
    assert len({decay for name, decay in turned if name == "time_based"}) > 1


@pytest.mark.parametrize(("bias", "regularized"), [(0.01, True), (0.2, False)])
def test_regularization_gets_its_stage_where_variance_is(bias: float, regularized: bool) -> None:
    tried: list[Tried] = []
    rng = np.random.default_rng(0)
    while (made := staged(AXES, tried, budget=40, seed=0)) is not None:
        metrics = {"avoidable_bias": bias, "variance": 0.1}
        tried.append(Tried(made.values, bias + 0.1 + 0.01 * rng.random(), metrics, made))
    assert (4 in numbers(tried)) == regularized


def test_a_sure_improvement_ends_a_stage_early() -> None:
    """With no noise at all any improvement is sure; with much of it none is."""
    sure, unsure = (play(staged, budget=40, noise=0.0, seed=1, **{}) for _ in range(2))
    assert numbers(sure) == numbers(unsure)
    long = [len([n for n in numbers(t) if n == 2]) for t in (
        run_with(0.0), run_with(10.0))]  # fmt: skip
    assert long[0] < long[1]


def run_with(noise: float) -> list[Tried]:
    def rule(axes: Any, tried: Any, *, budget: int, seed: int) -> Any:
        return staged(axes, tried, budget=budget, seed=seed, noise=noise)

    return play(rule, budget=40, seed=1, noise=0.0)


@pytest.mark.parametrize("seed", range(3))
def test_a_search_made_longer_takes_up_the_stages_that_have_a_share_left(seed: int) -> None:
    axes = tuple(a for a in AXES if a.role in ("learning_rate", "units", "dropout", "magnitude"))
    short = play(staged, budget=8, seed=seed, axes=axes)
    assert short[-1].step == "joint refinement"
    tried = play(staged, budget=30, seed=seed, axes=axes, before=tuple(short))
    added = tried[8:]
    assert numbers(added) == sorted(numbers(added))
    assert set(numbers(added)) == {1, 2, 4}
    assert sum(item.step == "stage 1" for item in tried) == 6  # A fifth of 30.
    winner = Trials(axes, short).best()
    assert added[0].proposal is not None
    assert winner is not None
    assert added[0].proposal.base == winner.values
    later = [item.step for item in added[len(numbers(added)) :]]
    assert len(later) >= 4
    assert set(later) == {"joint refinement"}
    assert len({Trials(axes, tried).key(item.values) for item in tried}) == 30


def test_a_search_made_longer_by_nothing_for_the_stages_goes_on_refining() -> None:
    axes = (AXES[0], UNITS)

    def rule(axes: Any, tried: Any, **options: Any) -> Any:
        return staged(axes, tried, noise=10.0, **options)

    flat = {"dropout": 0.0, "magnitude": 0.0}
    tried: list[Tried] = []
    for budget in (16, 17):
        while (made := rule(axes, tried, budget=budget, seed=0)) is not None:
            error = sum(gaps({**flat, **made.values}))
            tried.append(Tried(made.values, error, {}, made))
    assert [item.step for item in tried[-2:]] == ["joint refinement"] * 2


def test_noise_comes_from_points_measured_twice() -> None:
    tried = [Tried({"units": 64}, 0.10), Tried({"units": 64}, 0.14), Tried({"units": 32}, 0.2)]
    trials = Trials(AXES, tried)
    assert seed_noise(trials, None) == pytest.approx(np.std([0.10, 0.14], ddof=1))
    assert seed_noise(trials, 0.5) == 0.5
    assert seed_noise(Trials(AXES, tried[:1]), None) == pytest.approx(0.05 * 0.10)


def test_noise_that_trials_tell_counts_before_that_of_points_measured_twice() -> None:
    """Of the better half of the trials; a failure and one that hardly learned tell nothing."""
    noises = {0.10: 0.03, 0.12: 0.04, 0.5: 0.3, 0.9: 0.0, inf: 1.0}
    tried = [
        Tried({"units": 64 + number}, error, {"seed_noise": noise})
        for number, (error, noise) in enumerate(noises.items())
    ]
    tried += [Tried({"units": 8}, error) for error in (0.3, 0.7)]
    trials = Trials(AXES, tried)
    assert seed_noise(trials, None) == pytest.approx(np.sqrt((0.03**2 + 0.04**2) / 2))
    assert seed_noise(trials, 0.5) == 0.5


@given(st.integers(0, 50), st.integers(1, 25), st.integers(0, 9))
def test_quasi_random_points_lie_in_the_cube_and_differ(
    index: int, dimensions: int, seed: int
) -> None:
    point = quasi_random(index, dimensions, seed)
    assert point.shape == (dimensions,)
    assert ((point >= 0) & (point < 1)).all()
    assert (point != quasi_random(index + 1, dimensions, seed)).any()


def test_quasi_random_points_fill_more_evenly_than_random_ones(rng: np.random.Generator) -> None:
    """Every interval of a sixteenth gets one of sixteen points, in the first dimension."""
    points = np.array([quasi_random(index, 2, seed=3) for index in range(16)])
    shifted = (points[:, 0] - points[0, 0] + 1e-9) % 1
    assert sorted((shifted * 16).astype(int)) == list(range(16))
