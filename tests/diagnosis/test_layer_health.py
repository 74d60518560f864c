"""Verdicts on made-up layers whose trend is known, and the measures against plain loops."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_ext.diagnosis import LayerRecord, judge_layers
from keras_ext.diagnosis.initialization import unsuited_initialization
from keras_ext.diagnosis.layer_record import dead_share, rms, saturated_share, update_ratio


def stack(
    height: int = 10, forwards: float = 1.0, backwards: float = 1.0, **changes
) -> list[LayerRecord]:
    """Hidden layers whose signals are multiplied by known factors, and an output layer."""
    layers = [
        LayerRecord(
            name=f"dense_{depth}",
            depth=depth,
            activation="tanh",
            output=False,
            units=64,
            size=64,
            activation_rms=forwards**depth,
            gradient_rms=backwards ** (height - depth),
        )
        for depth in range(1, height + 1)
    ]
    end = LayerRecord("out", height + 1, "linear", True, 1, 1, 1e6, 1e6)
    return [*(replace(layer, **changes) for layer in layers), end]


class TestTrend:
    @given(st.integers(3, 60), st.floats(0.3, 3.0), st.floats(0.3, 3.0))
    def test_the_factors_are_found_exactly(self, count, forwards, backwards):
        report = judge_layers(stack(count, forwards, backwards))
        assert report.activation_factor == pytest.approx(forwards, rel=1e-6)
        assert report.gradient_factor == pytest.approx(backwards, rel=1e-6)

    @given(st.floats(1e-20, 1e20), st.floats(1e-20, 1e20))
    def test_no_signal_is_too_small_or_large_by_itself(self, forwards, backwards):
        layers = [
            replace(layer, activation_rms=forwards, gradient_rms=backwards) for layer in stack()
        ]
        report = judge_layers(layers)
        assert report.verdict == "healthy"
        assert report.activation_factor == pytest.approx(1.0)

    @pytest.mark.parametrize(
        ("count", "factor", "verdict"),
        [
            (30, 0.78, "vanishing"),
            (30, 0.82, "healthy"),
            (30, 1.22, "healthy"),
            (30, 1.28, "exploding"),
            # Two steps of 0.4 make 0.16, three of them 0.064: only that is an order of magnitude.
            (3, 0.4, "healthy"),
            (4, 0.4, "vanishing"),
            (3, 4.0, "exploding"),
            (2, 1e-9, "healthy"),
        ],
    )
    @pytest.mark.parametrize("way", ["forwards", "backwards"])
    def test_limits(self, count, factor, verdict, way):
        report = judge_layers(stack(count, **{way: factor}))
        assert report.verdict == verdict
        assert (report.activation_factor is None) == (count < 3)
        word = "activations" if way == "forwards" else "gradients"
        assert all(word in reason for reason in report.reasons)

    def test_causes_stand_before_effects(self):
        layers = stack(10, 0.5, 2.0, dead_share=1.0, saturated_share=0.9)
        report = judge_layers(layers)
        assert report.problems == ("dead", "saturated", "exploding", "vanishing")
        assert report.verdict == "dead"
        assert len(report.reasons) == 4

    def test_what_is_not_finite_explodes(self):
        report = judge_layers(stack(activation_rms=math.inf, gradient_rms=math.inf))
        assert report.verdict == "exploding"
        assert report.activation_factor == report.gradient_factor == math.inf
        assert report.reasons == (
            "the activations are not finite",
            "the gradients are not finite",
        )
        *hidden, end = stack(2)
        alone = judge_layers([*hidden, replace(end, gradient_rms=math.inf)])
        assert (alone.verdict, alone.gradient_factor) == ("exploding", None)

    def test_a_signal_that_underflows_vanishes(self):
        layers = stack(50)
        layers = [
            replace(layer, activation_rms=1.0 if layer.depth < 20 else 0.0) for layer in layers
        ]
        report = judge_layers(layers)
        assert report.verdict == "vanishing"
        assert report.activation_factor < 0.1
        assert any("all outputs are 0" in reason for reason in report.reasons)
        assert judge_layers(stack(2, activation_rms=0.0)).verdict == "vanishing"

    def test_one_broken_layer_shows_in_the_trend(self):
        layers = [
            replace(layer, activation_rms=1.0 if layer.depth <= 5 else 1e-4) for layer in stack()
        ]
        assert judge_layers(layers).verdict == "vanishing"

    def test_a_gradient_of_narrower_layers_keeps_its_norm(self):
        """Half the units, and a gradient that is root two times as large in each of them."""
        layers = [
            replace(layer, size=2 ** (12 - layer.depth), gradient_rms=2 ** (layer.depth / 2))
            for layer in stack()
        ]
        assert judge_layers(layers).gradient_factor == pytest.approx(1.0)

    def test_an_activation_layer_stands_for_its_depth(self):
        layers = []
        for layer in stack(6, 0.5):
            before = replace(layer, name=f"pre_{layer.depth}", activation_rms=1e3)
            layers += [before, layer]
        assert judge_layers(layers).activation_factor == pytest.approx(0.5)

    def test_nothing_at_all(self):
        report = judge_layers([])
        assert (report.verdict, report.activation_factor, report.update_ratio) == (
            "healthy",
            None,
            None,
        )
        assert report.summary() == "verdict: healthy"


class TestUnits:
    @pytest.mark.parametrize(
        ("units", "share", "dead"),
        [
            # Half, and four standard errors of a half: 0.75 of 64 units, 0.625 of 256.
            (64, 0.74, False),
            (64, 0.76, True),
            (256, 0.62, False),
            (256, 0.63, True),
            (8, 0.99, False),
            (8, 1.0, True),
        ],
    )
    def test_dead_is_more_than_chance_makes_of_equal_examples(self, units, share, dead):
        report = judge_layers(stack(units=units, dead_share=share))
        assert (report.verdict == "dead") == dead
        assert report.dead_share == share

    def test_only_the_first_of_silent_layers_is_dead(self):
        """The others get nothing from it."""
        silent = [
            replace(layer, activation_rms=0.0, dead_share=1.0) if layer.depth >= 4 else layer
            for layer in stack()
        ]
        report = judge_layers(silent)
        assert report.problems == ("dead", "vanishing")
        assert report.reasons[0].startswith("dense_4: up to 100%")

    def test_a_signal_that_was_lost_before_kills_nobody(self):
        faint = [
            replace(layer, activation_rms=0.0, dead_share=1.0) if layer.depth >= 8 else layer
            for layer in stack(10, 0.05)
        ]
        assert judge_layers(faint).problems == ("vanishing",)

    def test_saturated_is_more_than_half(self):
        assert judge_layers(stack(saturated_share=0.5)).verdict == "healthy"
        report = judge_layers(stack(saturated_share=0.51))
        assert report.verdict == "saturated"
        assert report.reasons[0].startswith("dense_1, dense_2, dense_3 and 7 more: up to 51%")

    def test_the_output_layer_is_not_judged(self):
        *hidden, end = stack()
        end = replace(end, saturated_share=1.0, dead_share=1.0, activation_rms=0.0)
        report = judge_layers([*hidden, end])
        assert report.verdict == "healthy"
        assert (report.dead_share, report.saturated_share) == (0.0, 0.0)


class TestInitialization:
    @pytest.mark.parametrize(
        ("activation", "gain", "suited"),
        [
            ("tanh", 1.0, None),
            ("tanh", 2.0, "lecun_normal"),
            ("tanh", 0.3, "lecun_normal"),
            ("relu", 2.0, None),
            ("relu", 1.0, "he_normal"),
            ("relu", 20.0, "he_normal"),
            ("leaky_relu", 1.0, "he_normal"),
            ("selu", 2.0, "lecun_normal"),
            ("softmax", 50.0, None),
            ("", 0.0, None),
        ],
    )
    def test_gain_and_name(self, activation, gain, suited):
        found = unsuited_initialization("d", activation, gain=gain, count=64 * 64)
        assert (found and found.suited_initializer) == suited

    def test_a_small_kernel_is_given_the_benefit_of_the_doubt(self):
        assert unsuited_initialization("d", "tanh", gain=2.0, count=10**6) is not None
        assert unsuited_initialization("d", "tanh", gain=2.0, count=40) is None

    def test_samples_of_the_right_variance_pass(self):
        rng = np.random.default_rng(0)
        for inputs, units in ((3, 4), (10, 10), (100, 5), (64, 64)):
            for _ in range(50):
                kernel = rng.normal(size=(inputs, units)) / math.sqrt(inputs)
                gain = float(np.var(kernel)) * inputs
                assert unsuited_initialization("d", "tanh", gain=gain, count=kernel.size) is None

    def test_the_words_name_everything(self):
        layers = stack(4, activation="relu", gain=1.0, count=4096, initializer="glorot_uniform")
        report = judge_layers(layers)
        assert len(report.initializations) == 4
        line = report.summary().splitlines()[-1]
        assert line == (
            "- dense_1: the initial weights (glorot_uniform) are too small for relu, variance 1/n"
            " instead of 2/n, n = fan-in: use kernel_initializer='he_normal'; the same for 3 more"
        )


class TestMeasures:
    def test_rms_of_numbers_that_single_precision_can_not_square(self):
        for scale in (1e-30, 1.0, 1e30):
            values = np.float32(scale) * np.ones((3, 4), "float32")
            assert rms(values) == pytest.approx(scale, rel=1e-6)
        assert rms([1.0, math.nan]) == rms([math.inf]) == math.inf

    def test_dead_units_against_a_loop(self, rng):
        values = np.maximum(rng.normal(size=(4, 3, 3, 20)) - 2.2, 0)
        dead = sum(not values[..., unit].any() for unit in range(20))
        assert 0 < dead < 20
        assert dead_share(values) == dead / 20

    def test_saturated_is_where_the_slope_is_below_a_twentieth(self, rng):
        x = rng.normal(size=1000) * 3
        tanh = float(np.mean(1 / np.cosh(x) ** 2 < 0.05))
        assert saturated_share(np.tanh(x), "tanh") == tanh
        s = 1 / (1 + np.exp(-x))
        sigmoid = float(np.mean(4 * s * (1 - s) < 0.05))
        assert saturated_share(s, "sigmoid") == sigmoid

    def test_update_ratio(self, rng):
        before = rng.normal(size=500)
        assert update_ratio(before, before * 1.01, 10) == pytest.approx(0.001, rel=0.02)
        assert update_ratio(before, before, 10) == update_ratio(before, before + 1, 0) == 0.0
        assert update_ratio(np.zeros(3), np.zeros(3), 5) == 0.0
        assert update_ratio(np.zeros(3), np.ones(3), 5) == pytest.approx(0.2)
        assert update_ratio(np.ones(3), np.full(3, np.nan), 5) == math.inf


def test_records_turn_into_json_and_back():
    layers = stack(5, 0.5, update_ratio=0.001)
    again = [LayerRecord(**row) for row in json.loads(json.dumps([asdict(x) for x in layers]))]
    assert judge_layers(again) == judge_layers(layers)
    assert judge_layers(layers).update_ratio == 0.001
