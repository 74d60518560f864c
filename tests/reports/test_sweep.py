"""The report of a sweep: page, words and files, deaf to what names try to say."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from keras_ext.diagnosis import difference_interval
from keras_ext.diagnosis.layer_health import judge_layers
from keras_ext.diagnosis.layer_record import LayerRecord
from keras_ext.diagnosis.search import edge, importance, place
from keras_ext.reports import (
    figures,
    print_sweep,
    render_sweep,
    sweep_page,
    sweep_story,
    text,
    write_sweep_folder,
)
from keras_ext.reports.figures.isolation import Isolated
from tests.reports import sweep_samples as samples
from tests.reports.test_html import LOADING, Page

RESULTS = ("sample_sweep", "short_sweep", "failed_sweep", "hostile_sweep")


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: render_sweep(getattr(samples, name)()) for name in RESULTS}


@pytest.mark.parametrize("name", RESULTS)
def test_nothing_is_loaded_and_nothing_runs(pages: dict[str, str], name: str) -> None:
    read = Page(pages[name])
    for tag, attributes in read.tags:
        assert tag not in {"script", "link", "iframe", "object", "embed", "base", "form", "img"}
        assert not any(key.startswith("on") for key in attributes)
        for key in LOADING & set(attributes):
            assert re.match(r"#", attributes[key] or "")
    assert not re.search(r"https?:|@import|url\((?!#)", re.sub(r">[^<]*<", "><", pages[name]))
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {str(a["href"])[1:] for tag, a in read.tags if tag == "a"} <= set(ids)
    assert not re.search(r"\b(nan|inf|None|undefined)\b", read.text())


def test_a_hostile_name_is_shown_as_it_is(pages: dict[str, str]) -> None:
    assert samples.HOSTILE in Page(pages["hostile_sweep"]).text()


def test_the_page_says_what_was_found(pages: dict[str, str]) -> None:
    words = Page(pages["sample_sweep"]).text()
    best = samples.sample_sweep().best
    for part in (
        f"Best validation error {100 * best.validation_error:.2f}",
        "30 trials (guided) took",
        "1 of them failed",
        "MemoryError: no room",
        "2 fresh seeds",
        "Variance is present: knob 4",
        "against the best before",
        "share of the differences",
    ):
        assert part in words.replace("\u00a0", " ")
    assert Page(pages["sample_sweep"]).headings()[1:] == [
        "Best so far",
        "What each hyperparameter did",
        "What was tried, and why",
        "Trials",
        "The winner's configuration",
        "Versions",
    ]
    assert "No trial was completed" in Page(pages["failed_sweep"]).text()


def confirmed(runs: int, error: float) -> Any:
    result = samples.sample_sweep()
    made = tuple(samples.execution(error, 1000 + n) for n in range(runs))
    tests = (samples.proportion(0.09),) * runs
    return replace(result, confirmation=samples.Confirmation(made, tests))


def test_one_of_a_thing_is_not_many() -> None:
    words = Page(render_sweep(confirmed(1, 0.09))).text()
    assert "On a fresh seed" in words
    assert "validation, 1 seed " in re.sub(r"\s+", " ", words)
    assert "1 run, 2,000 examples" in words
    assert not re.search(r"\b1 (seeds|runs|trials|examples)\b", words)
    single = sweep_story.account(samples.short_sweep())[0]
    assert single.startswith("1 trial (guided) took 2.5 s. It is judged by")
    nothing = replace(samples.short_sweep(), trials=(), seconds=0.0)
    assert sweep_story.account(nothing) == ["No trial has ended yet."]
    out = io.StringIO()
    print_sweep(nothing, Console(file=out, width=80))
    assert "0 trials" not in Page(render_sweep(nothing)).text() + out.getvalue()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (0.0, "(the same as when it was chosen)"),
        (0.01, "points against when it was chosen)"),
        (-0.01, "points against when it was chosen)"),
    ],
)
def test_luck_is_claimed_only_where_there_was_some(more: float, said: str) -> None:
    best = samples.sample_sweep().best.validation_error
    assert said in sweep_story.account(confirmed(3, best + more))[-1]


def test_the_curve_over_time_is_drawn_only_where_it_tells_something_else() -> None:
    even = samples.sample_sweep()
    slow_first = replace(even.trials[0], seconds=60.0)
    uneven = replace(even, trials=(slow_first, *even.trials[1:]))
    for result, expected in ((even, True), (uneven, False)):
        assert sweep_story.evenly_timed(result) is expected
        assert ("over the time that the trials took" in render_sweep(result)) is not expected


def test_whole_numbers_are_on_an_axis_of_whole_numbers() -> None:
    for trials in range(1, 12):
        axes = figures.best_so_far([0.3] * trials).axes[0]
        assert all(tick == round(tick) for tick in axes.get_xticks())
    view = sweep_story.KnobView("layers", {}, (), (), (), None, None)
    for low, high, expected in ((1, 4, ["1", "2", "4"]), (1, 2, ["1", "2"]), (3, 3, ["3"])):
        item = {"kind": "Int", "min_value": low, "max_value": high, "sampling": "linear"}
        found = sweep_page.ticks(replace(view, item=item))
        assert [words for _, words in found] == expected
        assert [at for at, _ in found] == [place(item, int(words)) for _, words in found]


def test_the_story_gives_the_interval_of_an_error_of_one_model() -> None:
    trial = samples.sample_sweep().trials[1]
    low, high = trial.executions[0].validation.interval()
    assert sweep_story.interval(trial) == f" (95 % interval {text.span(low, high)})"
    assert sweep_story.interval(replace(trial, executions=trial.executions * 2)) == ""
    other = {**trial.metrics, "validation_error": trial.validation_error + 0.01}
    assert sweep_story.interval(replace(trial, metrics=other)) == ""


def test_the_story_gives_the_verdict_on_the_layers() -> None:
    result = samples.sample_sweep()
    layer = LayerRecord("dense", 1, "relu", False, 4, 4, 1.0, 1.0, dead_share=1.0)
    first = result.trials[1]
    run = replace(first.executions[0], layer_health=judge_layers([layer]))
    trials = (result.trials[0], replace(first, executions=(run,)), *result.trials[2:])
    assert "; layers: dead." in Page(render_sweep(replace(result, trials=trials))).text()
    assert "layers:" not in Page(render_sweep(result)).text()


def test_files_and_words_in_the_terminal(tmp_path: Path) -> None:
    result = samples.hostile_sweep()
    numbers, page = write_sweep_folder(result, tmp_path)
    values = json.loads(numbers.read_text())
    assert values["best"]["trial_id"] == result.best.trial_id
    assert values["optimism"] == pytest.approx(0.085 - result.best.validation_error)
    out = io.StringIO()
    print_sweep(result, Console(file=out, width=200), directory=tmp_path)
    assert str(page) in out.getvalue()
    assert samples.HOSTILE in out.getvalue()
    for name in ("short_sweep", "failed_sweep"):
        print_sweep(getattr(samples, name)(), Console(file=out, width=80))


def test_equals_are_those_that_the_examples_cannot_tell_apart() -> None:
    result = replace(samples.sample_sweep(), confirmation=None)
    alike = sweep_story.equals(result)
    worst = result.ranked[-1]
    assert alike
    assert worst not in alike
    assert all(trial.validation_error < 0.09 for trial in alike)
    low = difference_interval(*(t.executions[0].validation for t in (alike[-1], result.best)))[0]
    assert low <= 0
    assert sweep_story.seed_deviation(result) == 0


def test_equals_are_those_that_the_seeds_cannot_tell_apart_either() -> None:
    result = confirmed(3, 0.06)
    runs = tuple(samples.execution(e, 1000 + n) for n, e in enumerate((0.05, 0.06, 0.07)))
    found = replace(result, confirmation=samples.Confirmation(runs, result.confirmation.tests))
    # Student's t with two degrees of freedom, 4.303, times the standard deviation of 0.01.
    assert sweep_story.seed_deviation(found) == pytest.approx(0.04303, abs=1e-5)
    alone, alike = (
        {trial.trial_id for trial in sweep_story.equals(one)}
        for one in (replace(result, confirmation=None), found)
    )
    assert alone < alike
    beyond = [t for t in result.ranked[1:] if t.trial_id not in alike]
    error, best = beyond[0].validation_error, result.best.validation_error
    assert error - best > 0.04303 * 2**0.5
    said = " ".join(sweep_story.account(found))
    assert "can't be told from the winner by the validation examples and the seeds" in said
    # Two runs of a trial are nearer to their mean than one is.
    first = result.ranked[1]
    twice = replace(first, executions=first.executions * 2)
    assert sweep_story.seed_deviation(replace(result, trials=(twice, *result.trials[3:]))) == 0
    assert sweep_story.seed_deviation(confirmed(2, 0.06)) == 0


def test_an_error_that_is_no_last_one_is_compared_as_it_is_ranked() -> None:
    result = replace(samples.sample_sweep(), confirmation=None)
    best, other = result.ranked[:2]
    worse = {**other.metrics, "validation_error": best.validation_error + 0.3}
    trials = (best, replace(other, metrics=worse))
    assert sweep_story.equals(replace(result, objective="best", trials=trials)) == ()


def test_seeds_that_failed_and_earlier_winners_are_told() -> None:
    result = confirmed(2, 0.06)
    found = replace(result.confirmation, failures=("seed 1002: nan <b>",), earlier=3)
    said = sweep_story.account(replace(result, confirmation=found))
    assert "On 1 fresh seed it failed (seed 1002: nan <b>)." in said
    assert any(line.startswith("3 runs of earlier winners had been judged on the") for line in said)
    none = replace(result.confirmation, executions=(), tests=(), failures=("seed 1000: nan",))
    nothing = replace(result, confirmation=none)
    assert nothing.optimism is None
    assert "On 1 fresh seed it failed (seed 1000: nan)." in sweep_story.account(nothing)
    assert "Test error" not in Page(render_sweep(nothing)).text()
    json.dumps(nothing.to_dict(), allow_nan=False)


def test_a_winner_that_was_not_trained_to_its_end_is_told() -> None:
    result = samples.short_sweep()
    short = tuple(replace(trial, epochs=2) for trial in result.trials)
    said = "The winner was trained for 2 of its 3 epochs: no trial came further."
    assert said in sweep_story.account(replace(result, trials=short))
    assert said not in sweep_story.account(result)


def test_the_importance_of_what_matters_is_large_and_of_what_does_not_near_0() -> None:
    rng = np.random.default_rng(0)
    found: dict[str, list[float]] = {"one": [], "noise": []}
    for _ in range(200):
        x, other = rng.random(40), rng.random(40)
        errors = np.exp(3 * x + 0.3 * rng.normal(size=40))
        found["one"].append(importance(x, errors))
        found["noise"].append(importance(other, errors))
    assert np.mean(found["one"]) > 0.8
    assert np.mean(found["noise"]) < 0.05


def test_importance_against_a_plain_analysis_of_variance() -> None:
    """Omega squared from its definition, for two groups of two."""
    logs = np.log([0.1, 0.2, 0.3, 0.4])
    groups, mean = (logs[:2], logs[2:]), logs.mean()
    between = sum(2 * (g.mean() - mean) ** 2 for g in groups)
    within = sum(((g - g.mean()) ** 2).sum() for g in groups) / 2
    expected = (between - within) / (((logs - mean) ** 2).sum() + within)
    assert importance([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("item", "value", "expected"),
    [
        ({"kind": "Choice", "values": [16, 32, 64]}, 64, "high"),
        ({"kind": "Choice", "values": [16, 32, 64]}, 16, "low"),
        ({"kind": "Choice", "values": [16, 32, 64]}, 32, None),
        ({"kind": "Choice", "values": ["a", "b", "c"]}, "c", None),
        ({"kind": "Boolean"}, True, None),
        ({"kind": "Int", "min_value": 1, "max_value": 8, "sampling": "linear"}, 1, None),
        ({"kind": "Int", "min_value": 4, "max_value": 64, "sampling": "log"}, 4, "low"),
        ({"kind": "Float", "min_value": 0.0, "max_value": 0.5, "sampling": "linear"}, 0.01, None),
        ({"kind": "Float", "min_value": 1e-7, "max_value": 0.01, "sampling": "log"}, 2e-7, None),
        ({"kind": "Float", "min_value": 1e-4, "max_value": 0.01, "sampling": "log"}, 1e-4, "low"),
        ({"kind": "Float", "min_value": 0.0, "max_value": 0.5, "sampling": "linear"}, 0.47, "high"),
    ],
)
def test_edges_are_where_a_range_could_go_on(item: Any, value: Any, expected: Any) -> None:
    assert edge(item, value) == expected
    assert 0 <= place(item, value) <= 1


def test_an_edge_is_told_in_words() -> None:
    result = samples.sample_sweep()
    best = replace(result.best, values={**result.best.values, "learning_rate": 0.099})
    trials = tuple(best if t.trial_id == best.trial_id else t for t in result.trials)
    lines = sweep_story.edges(replace(result, trials=trials))
    assert any("learning rate, 0.099, is at the upper edge" in line for line in lines)


def test_figures_draw_what_they_are_given() -> None:
    axes = figures.best_so_far([float("inf"), 0.3, 0.1], seconds=[1.0, 2.0, 3.0]).axes[0]
    assert list(axes.lines[0].get_xdata()) == [1.0, 3.0, 6.0]
    assert [line.get_label() for line in axes.lines] == ["best so far", "each trial", "failed"]
    knob = Isolated("units", [0.0, 0.1, 0.9, 1.0], [0.3, 0.2, 0.5, 0.4], [(0.0, "1"), (1.0, "9")])
    lowest = figures.isolation([knob]).axes[0].lines[1]
    assert list(lowest.get_ydata()) == [0.2, 0.4]
