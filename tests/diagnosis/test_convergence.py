"""Converging, converged or diverged: known courses, noise, learning rates and units."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_ext.diagnosis import Convergence, convergence
from keras_ext.errors import ConfigError

INF, NAN = math.inf, math.nan


def stops(costs, rates=None, **options) -> int | None:
    """The first epoch after which the verdict isn't "converging"."""
    for end in range(1, len(costs) + 1):
        shares = None if rates is None else rates[:end]
        if convergence(costs[:end], shares, **options).verdict != "converging":
            return end - 1
    return None


@pytest.mark.parametrize("patience", [1, 2, 3, 5, 8])
def test_a_smooth_cost_converges_patience_epochs_after_it_stands_still(patience):
    costs = [2.0, 1.0, 0.7, 0.5, 0.4, *[0.3] * 30]
    still = 5
    end = stops(costs, patience=patience)
    # Among fewer than four costs a trend can't be told; the kink before is noise for a while.
    assert still + min(patience, 3) - 1 <= end <= still + max(patience, 3) + 2


@pytest.mark.parametrize("min_delta", [0.1, 0.01, 0.001])
def test_it_ends_where_the_improvement_falls_below_min_delta(min_delta):
    def cost(epoch):
        return 0.3 + 2 * math.exp(-epoch / 20)

    end = stops([cost(epoch) for epoch in range(400)], patience=5, min_delta=min_delta)
    left = (cost(end) - cost(end + 5)) / cost(end)
    assert 0.6 * min_delta < left < min_delta


def test_a_cost_on_its_way_to_zero_converges_when_nothing_is_left_to_gain():
    costs = [2 * math.exp(-epoch / 5) for epoch in range(200)]
    end = stops(costs)
    assert costs[end] < 1e-3 * costs[0]
    assert stops([0.0] * 9) == 5


def test_improvement_is_the_relative_fall_over_patience_epochs():
    found = convergence(np.linspace(10.0, 9.0, 11), patience=5)
    assert found.improvement == pytest.approx(0.5 / 9.25)
    assert found.low == pytest.approx(found.high)
    assert found.reason.startswith("the cost falls by 0.054 of its level in 5 epochs")


@pytest.mark.parametrize("noise", [0.01, 0.1])
def test_noise_does_not_stop_what_improves(noise, rng):
    """At most one of ten runs ends while 1 per cent is still to be gained in five epochs."""
    early = 0
    for _ in range(10):
        costs = [
            (0.3 + 2 * math.exp(-epoch / 20)) * math.exp(noise * rng.normal())
            for epoch in range(250)
        ]
        end = stops(costs)
        assert end is not None
        smooth = [0.3 + 2 * math.exp(-epoch / 20) for epoch in (end, end + 5)]
        early += (smooth[0] - smooth[1]) / smooth[0] > 0.01
    assert early <= 1


@pytest.mark.parametrize(("noise", "latest"), [(0.003, 15), (0.01, 30), (0.03, 60), (0.1, 120)])
def test_a_noisy_plateau_is_found_later(noise, latest, rng):
    ends = [stops(np.exp(noise * rng.normal(size=200))) for _ in range(10)]
    assert np.median(ends) <= latest


def test_single_values_do_not_decide():
    costs = [2.0, 1.0, 0.7, 0.5, 0.4, *[0.3] * 20]
    end = stops(costs, patience=8)
    for outlier in (0.2, 30.0):
        changed = [*costs]
        changed[9] = outlier
        assert end <= stops(changed, patience=8) <= end + 8
    slow = list(np.linspace(2.0, 0.5, 20))
    slow[6] = 0.01
    assert stops(slow) is None


def test_a_plateau_from_a_small_rate_is_no_convergence():
    rates = [0.1 * 0.5 ** (epoch // 10) for epoch in range(100)]
    times = np.cumsum(rates) / 0.1
    costs = [0.3 + 2 * math.exp(-time / 30) for time in times]
    assert stops(costs) < 60
    assert stops(costs, rates) is None
    reason = convergence(costs, rates).reason
    assert "stands still because the learning rate is 0.002 of its highest" in reason


def test_a_flat_cost_converges_whatever_the_rate():
    costs = [2.0, 1.0, 0.6, 0.4, *[0.3] * 20]
    rates = [1 / (1 + epoch) for epoch in range(24)]
    assert stops(costs, rates) == stops(costs)


def test_improvement_is_stated_for_the_highest_rate():
    rates = [1.0] * 5 + [0.1] * 8
    costs = list(np.linspace(10, 6, 5)) + list(6 - 0.1 * np.arange(1, 9))
    assert convergence(costs, rates).improvement == pytest.approx(5 / 5.45, rel=0.01)


def test_after_a_drop_of_the_rate_a_new_fall_counts(rng):
    plateau = [2.0, 1.0, 0.6, *[0.5] * 6]
    drop = [0.4, 0.33, 0.29, 0.27, 0.26]
    rates = [0.1] * 9 + [0.01] * 5
    assert convergence(plateau, rates[:9]).verdict == "converged"
    assert convergence(plateau + drop, rates).verdict == "converging"


def test_with_a_rate_of_zero_nothing_can_be_told():
    found = convergence([2.0, 1.0] + [0.5] * 8, [0.1, 0.1] + [0.0] * 8)
    assert (found.verdict, found.improvement) == ("converging", INF)
    assert "learning rate is 0" in found.reason


@pytest.mark.parametrize("rates", [[0.0] * 9, [NAN] * 9, [-1.0] * 9, [1.0] * 8 + [NAN]])
def test_rates_that_say_nothing_are_taken_for_constant(rates):
    costs = [2.0, 1.0, 0.6, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
    assert convergence(costs, rates) == convergence(costs)


@pytest.mark.parametrize(
    "costs",
    [
        [NAN],
        [INF],
        [1.0, 0.5, NAN],
        [1.0, 0.5, -INF],
        [1.0, 20.0, 300.0, 4e3],
        [0.5, 0.3, 6.0, 7.0, 6.5],
        [NAN, 1.0, 20.0, 20.0, 20.0],
        [-1.0, -2.0, 10.0, 10.0, 10.0],
    ],
)
def test_diverged(costs):
    found = convergence(costs)
    assert (found.verdict, found.improvement) == ("diverged", -INF)
    assert "learning rate" in found.reason


@pytest.mark.parametrize(
    "costs",
    [
        [1.0, 0.5, 20.0],
        [1.0, 20.0, 0.9, 20.0, 0.8],
        [0.5, 0.3, 0.9, 0.9, 0.9],
        [-1.0, -5.0, -1.0, -0.5, 0.5],
        [0.5, NAN, 0.4],
    ],
)
def test_spikes_and_small_rises_are_no_divergence(costs):
    assert convergence(costs).verdict == "converging"


def test_a_cost_that_never_fell_is_told_apart():
    flat = convergence([2.3, 2.31, 2.3, 2.31, 2.3, 2.31, 2.3, 2.31] * 3, min_delta=0.05)
    assert flat.verdict == "converged"
    assert "no lower than after the first epoch: first suspect: the learning rate" in flat.reason


def test_a_change_starts_the_judgement_anew():
    costs = [2.0, 1.0, 0.6, *[0.5] * 8]
    assert convergence(costs, since=0).verdict == "converged"
    assert convergence(costs, since=5).verdict == "converged"
    assert convergence(costs, since=6).verdict == "converging"
    # The scale of what is negligible stays that of the whole run.
    tiny = [2.0, 0.1, *[1e-5 * 0.9**epoch for epoch in range(8)]]
    assert convergence(tiny, since=3).verdict == "converged"


def test_epochs_between_measurements_count():
    costs = [2.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5]
    assert convergence(costs, patience=5).verdict == "converging"
    apart = [0, 5, 10, 15, 20, 25, 30]
    assert convergence(costs, epochs=apart, patience=5).verdict == "converged"
    straight = np.linspace(10, 9, 6)
    far = convergence(straight, epochs=[0, 2, 4, 6, 8, 10], patience=5)
    assert far.improvement == pytest.approx(0.5 / float(np.median(straight[-4:])))


COSTS = st.lists(st.floats(0.01, 10), min_size=1, max_size=30)
SCALES = st.sampled_from([2.0**-20, 0.25, 8.0, 2.0**30])


@given(COSTS, SCALES, SCALES)
def test_units_do_not_matter(costs, scale, rate_scale):
    rates = [1.0 / (1 + epoch) for epoch in range(len(costs))]
    one = convergence(costs, rates)
    other = convergence([scale * cost for cost in costs], [rate_scale * rate for rate in rates])
    assert one.verdict == other.verdict
    limits = (one.improvement, one.low, one.high)
    assert (other.improvement, other.low, other.high) == pytest.approx(limits, rel=1e-9)


@given(COSTS, st.integers(0, 1000))
def test_the_number_of_the_first_epoch_does_not_matter(costs, first):
    later = convergence(costs, epochs=[first + epoch for epoch in range(len(costs))])
    assert later == convergence(costs)


@given(COSTS)
def test_what_is_said_fits_together(costs):
    found = convergence(costs)
    assert isinstance(found, Convergence)
    assert found.verdict in ("converging", "converged", "diverged")
    if found.verdict != "diverged":
        assert found.low <= found.improvement <= found.high
    if found.verdict == "converged":
        assert found.high <= 0.01
    assert "\n" not in found.reason


@given(st.floats(0.5, 0.97), st.integers(8, 25))
def test_a_cost_that_falls_by_more_than_min_delta_goes_on(ratio, count):
    costs = [ratio**epoch for epoch in range(count)]
    if costs[-1] > 1e-2:
        assert stops(costs) is None


def test_validation_errors_have_no_say():
    assert not {"validation", "error"} & set(inspect.signature(convergence).parameters)


@pytest.mark.parametrize(
    ("costs", "rates", "epochs"), [([], None, None), ([1.0], [1.0, 2.0], None), ([1.0], None, [])]
)
def test_lengths_that_differ_are_refused(costs, rates, epochs):
    with pytest.raises(ConfigError, match="of one length of at least 1"):
        convergence(costs, rates, epochs=epochs)
