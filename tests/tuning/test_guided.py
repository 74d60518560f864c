"""A guided search does what the diagnosis says."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

import numpy as np
import pytest

from keras_ext.tuning.axes import active
from keras_ext.tuning.guided import HOPELESS, guided
from keras_ext.tuning.moves import OTHER, Move, first_guess, moves, outcomes
from keras_ext.tuning.proposal import Proposal, Trials, Tried
from keras_ext.tuning.reading import UNKNOWN, Reading, reading
from tests.tuning.surface import AXES, DECAY, SCHEDULE, SCHEDULED, best, play

START = {axis.name: axis.default for axis in AXES}


def after_the_line(
    bias: float, variance: float, unsteadiness: float = 0.0, start: Mapping[str, Any] = START
) -> list[Tried]:
    """Three trials: the start was best, a higher and a lower rate were worse."""
    metrics = {"avoidable_bias": bias, "variance": variance, "unsteadiness": unsteadiness}
    tried = [Tried(start, bias + variance, metrics, Proposal(start, "", "start"))]
    for sign, rate in ((1, 3e-3), (-1, 1e-3 / 3)):
        values = {**start, "learning_rate": AXES[0].moved(1e-3, sign)}
        assert values["learning_rate"] == pytest.approx(rate, rel=1e-4)
        made = Proposal(values, "", "line", "learning_rate", float(sign), start)
        tried.append(Tried(values, 2 * (bias + variance), metrics, made))
    return tried


def turned(made: Proposal | None) -> dict[str, Any]:
    """What differs from the start."""
    assert made is not None
    return {name: value for name, value in made.values.items() if value != START[name]}


def ask(tried: list[Tried], **options: Any) -> Proposal:
    made = guided(AXES, tried, budget=30, seed=0, **options)
    assert made is not None
    return made


def test_it_begins_with_the_defaults_and_a_line_of_rates() -> None:
    first = ask([])
    assert first.values == START
    tried = [Tried(START, 0.2, {}, first)]
    assert turned(ask(tried)) == {"learning_rate": 0.003}
    tried.append(Tried(ask(tried).values, 0.1, {}, ask(tried)))
    assert turned(ask(tried)) == {"learning_rate": 0.009}  # It got better: on.
    tried.append(Tried(ask(tried).values, 0.3, {}, ask(tried)))
    assert ask(tried).step == "turn"  # The best has a worse neighbour on either side.
    assert ask(tried).base["learning_rate"] == 0.003


def test_a_line_downwards_does_not_try_the_start_again() -> None:
    tried = after_the_line(0.1, 0.1)
    tried[2] = Tried(tried[2].values, 0.1, {}, tried[2].proposal)
    # Three times the lower rate is the start's, up to the last digit.
    assert AXES[0].moved(tried[2].values["learning_rate"], 1) != START["learning_rate"]
    assert turned(ask(tried)) == {"learning_rate": pytest.approx(1e-3 / 9, rel=1e-4)}


def test_a_rate_that_runs_is_not_tried_by_another_worker() -> None:
    tried = after_the_line(0.1, 0.1)[:1] + after_the_line(0.1, 0.1)[2:]
    tried[0] = Tried(START, None, {}, tried[0].proposal)
    assert turned(ask(tried)) == {"learning_rate": pytest.approx(3e-3, rel=1e-4)}


def test_a_start_that_fails_is_followed_by_lower_rates() -> None:
    tried = [Tried(START, inf, {}, ask([]))]
    for _ in range(3):
        made = ask(tried)
        assert made.values["learning_rate"] < tried[-1].values["learning_rate"]
        tried.append(Tried(made.values, inf, {}, made))


@pytest.mark.parametrize(
    ("bias", "variance", "change"),
    [(0.01, 0.09, {"magnitude": 0.25}), (0.09, 0.01, {"units": 128})],
)
def test_the_first_turn_treats_the_larger_gap(
    bias: float, variance: float, change: dict[str, Any]
) -> None:
    made = ask(after_the_line(bias, variance))
    assert turned(made) == change
    larger = "avoidable bias" if bias > variance else "variance"
    assert made.reason.startswith(f"{larger} is the larger gap (0.09")
    (name,) = change
    assert f"{name} " in made.reason


def test_an_unsteady_cost_calls_for_decay() -> None:
    made = ask(after_the_line(0.03, 0.02, unsteadiness=0.9))
    assert turned(made) == {"decay_rate": 0.1}
    assert "unsteady" in made.reason


def scheduled(schedule: str) -> dict[str, Any]:
    """The start with a schedule in the space, constant or not."""
    start = {axis.name: axis.default for axis in SCHEDULED}
    return active(SCHEDULED, {**start, "schedule": schedule})


def test_an_unsteady_cost_calls_for_a_schedule_that_decays_then_for_more_decay() -> None:
    tried = after_the_line(0.03, 0.02, unsteadiness=0.9, start=scheduled("constant"))
    made = guided(SCHEDULED, tried, budget=30, seed=0)
    assert made is not None
    assert "unsteady" in made.reason
    assert "schedule constant -> time_based" in made.reason
    tried.append(Tried(made.values, 0.02, tried[0].metrics, made))
    more = guided(SCHEDULED, tried, budget=30, seed=0)
    assert more is not None
    assert more.knob == "decay_rate"
    assert more.values["decay_rate"] > made.values["decay_rate"]


def test_a_schedule_that_did_not_help_makes_the_other_ones_less_likely() -> None:
    tried = after_the_line(0.03, 0.02, unsteadiness=0.9, start=scheduled("constant"))
    made = guided(SCHEDULED, tried, budget=30, seed=0)
    assert made is not None

    def cosine(known: list[Tried]) -> Move:
        trials, base = Trials(SCHEDULED, known), tried[0].values
        found = moves(trials, base, reading(trials, base))
        return next(move for move in found if move.after == "cosine")

    before, after = cosine(tried), cosine([*tried, Tried(made.values, 0.2, {}, made)])
    assert after.gain < before.gain
    assert (after.tried, after.helped) == (1, 0)


@pytest.mark.parametrize(
    ("found", "up", "down"),
    [
        (Reading(1.0, 0.0, 0.0, True, "bias"), 0.0, 0.3),
        (Reading(0.0, 1.0, 0.0, True, "variance"), 0.3, 0.0),
        (Reading(0.5, 0.5, 1.0, True, "unsteady"), 1.15, 0.15),
    ],
)
def test_a_schedule_counts_as_decay(found: Reading, up: float, down: float) -> None:
    for axis in (SCHEDULE, DECAY):
        guesses = [first_guess(axis, sign, found) for sign in (1, -1)]
        assert guesses == pytest.approx([up, down])
    assert first_guess(SCHEDULE, 0, found) == OTHER  # From one that decays to another one.


def test_without_a_diagnosis_the_metrics_do_not_matter() -> None:
    one, other = (
        ask(after_the_line(*gaps), diagnose=False) for gaps in ((0.09, 0.01), (0.01, 0.09))
    )
    assert one.values == other.values
    assert "no diagnosis" in one.reason


def test_the_rate_is_never_raised_after_the_line_nor_the_net_narrowed() -> None:
    for seed in range(5):
        for item in play(guided, budget=27, seed=seed):
            if item.step == "turn" and item.proposal:
                assert item.proposal.knob != "learning_rate" or item.proposal.notches < 0
                assert item.proposal.knob != "units" or item.proposal.notches > 0


def test_a_turn_that_helped_is_made_again_and_longer_one_that_did_not_is_not() -> None:
    tried = after_the_line(0.01, 0.09)
    first = ask(tried)
    worse = [*tried, Tried(first.values, 0.2, tried[0].metrics, first)]
    assert ask(worse).knob != "magnitude"
    metrics = {"avoidable_bias": 0.01, "variance": 0.04}
    better = [*tried, Tried(first.values, 0.05, metrics, first)]
    again = ask(better)
    assert again.values["magnitude"] == pytest.approx(0.25 + 1.5 * 0.25)
    assert "1 of 1 such turns helped" in again.reason


def test_what_another_worker_turns_at_the_moment_is_left_to_it() -> None:
    tried = after_the_line(0.01, 0.09)
    first = ask(tried)
    second = ask([*tried, Tried(first.values, None, {}, first)])
    assert second.knob not in (None, first.knob)


def test_it_explores_when_knobs_stop_helping() -> None:
    """Whatever is turned makes it worse, until no turn promises anything."""
    metrics = {"avoidable_bias": 0.05, "variance": 0.05}
    tried = after_the_line(0.05, 0.05)
    while (made := guided(AXES, tried, budget=60, seed=0)) is not None and made.step == "turn":
        hopes = moves(Trials(AXES, tried), START, reading(Trials(AXES, tried), START))
        assert hopes[0].gain >= HOPELESS
        tried.append(Tried(made.values, 0.2, metrics, made))
    assert len(tried) < 45  # There are trials left for turns, and there are untried turns:
    hopes = moves(Trials(AXES, tried), START, reading(Trials(AXES, tried), START))
    assert hopes
    assert hopes[0].gain < HOPELESS
    assert made is not None
    assert made.step == "exploration"
    assert made.reason.startswith("exploration, by a smooth model of all errors so far: ")
    assert made.base == START
    explored = [turned(made)]
    while len(tried) < 44:
        tried.append(Tried(made.values, 0.2, metrics, made))
        made = guided(AXES, tried, budget=60, seed=0)
        assert made is not None
        explored.append(turned(made))
    assert max(len(change) for change in explored) > 1


def test_it_ends_with_several_knobs_at_once() -> None:
    tried = play(guided, budget=20)
    last = [item for item in tried if item.step == "joint refinement"]
    assert last == tried[15:]
    assert any(len(set(t.values.items()) - set(t.proposal.base.items())) > 1  # type: ignore[union-attr]
               for t in last)  # fmt: skip


def test_a_search_made_longer_turns_single_knobs_again() -> None:
    short = play(guided, budget=8)
    assert short[-1].step == "joint refinement"
    steps = [item.step for item in play(guided, budget=30, before=tuple(short))[8:]]
    assert steps == ["turn"] * 14 + ["joint refinement"] * 8


def test_the_diagnosis_is_worth_something_where_it_is_true() -> None:
    """On the surface, early: after nine trials."""
    read, blind = (
        np.mean([best(play(guided, budget=9, seed=s, diagnose=d)) for s in range(12)])
        for d in (True, False)
    )
    assert read < blind


class TestReading:
    def test_shares_and_words(self) -> None:
        found = reading(Trials(AXES, after_the_line(0.03, 0.01)), START)
        assert (found.bias, found.variance) == pytest.approx((0.75, 0.25))
        assert (found.unstable, found.known) == (0.0, True)

    def test_a_negative_gap_is_none(self) -> None:
        assert reading(Trials(AXES, after_the_line(-0.01, 0.05)), START).variance == 1.0

    def test_without_numbers_it_says_so(self) -> None:
        assert reading(Trials(AXES, [Tried(START, 0.1)]), START) is UNKNOWN

    def test_the_guess_is_weighted_by_the_gaps(self) -> None:
        mixed = Reading(0.5, 0.5, 0.0, True, "")
        magnitude = next(axis for axis in AXES if axis.name == "magnitude")
        assert first_guess(magnitude, 1, mixed) == pytest.approx(0.5)
        assert first_guess(magnitude, -1, mixed) == pytest.approx(0.4)


def test_outcomes_are_shares_of_the_error_with_their_age() -> None:
    tried = after_the_line(0.02, 0.02)
    assert outcomes(Trials(AXES, tried), "learning_rate") == [(1, 1.0, -1.0), (0, -1.0, -1.0)]


def test_every_move_gives_an_untried_point() -> None:
    trials = Trials(AXES, after_the_line(0.02, 0.02))
    made = moves(trials, START, UNKNOWN)
    assert len(made) > 8
    assert all(not trials.known({**START, move.axis.name: move.after}) for move in made)
    assert [move.gain for move in made] == sorted((move.gain for move in made), reverse=True)
