"""The page of a sweep: what its template shows, and its figures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_ext.diagnosis.search import choices_of, place
from keras_ext.files import atomic_write
from keras_ext.reports import figures, sweep_story, text
from keras_ext.reports.drawings import Drawing, drawn
from keras_ext.reports.figures.isolation import Isolated
from keras_ext.reports.html import environment
from keras_ext.reports.page import configuration
from keras_ext.reports.sweep_story import KnobView
from keras_ext.sweep_records import COMPLETED, SweepResult, Trial

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN_TRIALS = 25
MOST_AXES = {"wide": 9, "narrow": 5}
LONGEST_NAME = 24


def write_sweep_report(result: SweepResult, path: str | os.PathLike[str]) -> Path:
    """Write the page of a sweep, whole or not at all.

    Raises:
        OutputError: naming ``path``, when it can't be written.
        MissingExtraError: when jinja2 or matplotlib is not installed.
    """
    return atomic_write(path, render_sweep(result).encode("utf-8", "replace"))


def render_sweep(result: SweepResult) -> str:
    """The page of a sweep as HTML: no script and no address outside of it.

    Raises:
        MissingExtraError: when jinja2 or matplotlib is not installed.
    """
    template = environment().get_template("sweep.html")
    return template.render(**page(result), figures=drawings(result))


def page(result: SweepResult) -> dict[str, Any]:
    """All values of the template, by name."""
    percent = sweep_story.in_percent(result)
    failed = [trial for trial in result.trials if trial.status != COMPLETED]
    return {
        "result": result,
        "percent": percent,
        "headline": sweep_story.headline(result),
        "account": sweep_story.account(result),
        "tiles": tiles(result),
        "edges": sweep_story.edges(result),
        "knobs": sweep_story.knobs(result),
        "differing": sweep_story.differing(result.trials),
        "alike": {trial.trial_id for trial in sweep_story.equals(result)},
        "shown": result.ranked[:SHOWN_TRIALS],
        "hidden": max(0, len(result.ranked) - SHOWN_TRIALS),
        "failed": failed[:SHOWN_TRIALS],
        "failures": len(failed),
        "chapters": sweep_story.chapters(result),
        "configuration": configuration(result.best.config, proportion=percent)
        if result.ranked
        else {},
        "text": text,
        "words": sweep_story,
    }


def tiles(result: SweepResult) -> list[dict[str, str]]:
    """The errors that matter: of the selection, on fresh seeds, and on the test examples."""
    percent = sweep_story.in_percent(result)
    found = []
    if result.ranked:
        error = text.number(result.best.validation_error, proportion=percent)
        found.append(
            _tile("validation", "Selected by", error, "the lowest of all trials, partly by luck")
        )
    confirmed = result.confirmation
    if confirmed is not None and confirmed.executions:
        error = text.number(confirmed.validation_error, proportion=percent)
        seeds = len(confirmed.executions)
        note = f"validation, {text.count(seeds, 'seed')}"
        if seeds > 1:
            note += f", sd {text.number(confirmed.spread, proportion=percent)}"
        name = "On fresh seeds" if seeds > 1 else "On a fresh seed"
        found.append(_tile("validation", name, error, note))
        error = text.number(confirmed.test_error, proportion=percent)
        examples = text.count(confirmed.tests[0].count, "example")
        note = f"mean of {seeds} runs, {examples} each" if seeds > 1 else f"1 run, {examples}"
        found.append(_tile("test", "Test error", error, note))
    return found


def _tile(role: str, name: str, value: str, note: str) -> dict[str, str]:
    return {"role": role, "name": name, "value": value, "note": note}


def drawings(result: SweepResult) -> dict[str, dict[str, str]]:
    """SVG by name of the figure and name of the width.

    Raises:
        MissingExtraError: when matplotlib is not installed.
    """
    return drawn(_figures(result))


def _figures(result: SweepResult) -> Iterator[Drawing]:
    percent = sweep_story.in_percent(result)
    errors = [trial.validation_error for trial in result.trials]
    if result.ranked:
        line = partial(figures.best_so_far, errors, proportion=percent)
        yield "trials", "Best validation error so far, by trial", line
        if not sweep_story.evenly_timed(result):
            seconds = [trial.seconds for trial in result.trials]
            yield "time", "Best validation error so far, by time", partial(line, seconds=seconds)
    views = [view for view in sweep_story.knobs(result) if view.varies]
    if views and len(result.ranked) > 1:
        parts = [_isolated(view) for view in views]
        alone = partial(figures.isolation, parts, proportion=percent)
        yield "isolation", "Each hyperparameter by itself", alone
        yield "parallel", "All trials through their hyperparameters", partial(_parallel, result)
    if views and views[0].importance is not None:
        names = [name_of(view) for view in views]
        shares = [view.importance or 0.0 for view in views]
        bars = partial(figures.importance_bars, names, shares)
        yield "importance", "Importance of each hyperparameter", bars


def _isolated(view: KnobView) -> Isolated:
    return Isolated(name_of(view), view.places, view.errors, ticks(view))


def _parallel(result: SweepResult, *, width: float, **how: Any) -> Figure:
    """Fewer axes on a phone: those that matter most."""
    most = MOST_AXES["wide" if width > 5.5 else "narrow"]
    views = [view for view in sweep_story.knobs(result) if view.varies][:most]
    places = [[_place(view, trial) for view in views] for trial in result.ranked]
    ends = [(ticks(view)[0][1], ticks(view)[-1][1]) for view in views]
    names = [name_of(view) for view in views]
    kept = [row for row in places if any(place is not None for place in row)]
    return figures.parallel_coordinates(names, kept, ends, width=width, **how)


def _place(view: KnobView, trial: Trial) -> float | None:
    value = trial.values.get(view.name)
    return None if value is None else place(view.item, value)


def name_of(view: KnobView) -> str:
    """What a hyperparameter is called in a figure; long names are cut."""
    name = text.knob_name(view.name)
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def ticks(view: KnobView) -> list[tuple[float, str]]:
    """The ends and the middle of a range; of choices, as many as have room."""
    choices = choices_of(view.item)
    if choices:
        every = max(1, -(-len(choices) // 4))
        last = max(1, len(choices) - 1)
        kept = [n for n in range(len(choices)) if n % every == 0 or n == last]
        return [(n / last, _cut(sweep_story.short(choices[n]))) for n in kept]
    low, high = view.item["min_value"], view.item["max_value"]
    log = view.item.get("sampling") == "log"
    middle = (low * high) ** 0.5 if log else (low + high) / 2
    if view.item.get("kind") == "Int":
        whole = sorted({int(low), round(middle), int(high)})
        return [(place(view.item, value), str(value)) for value in whole]
    values = [(0.0, low), (0.5, middle), (1.0, high)]
    return [(at, f"{value:.3g}") for at, value in values]


def _cut(words: str) -> str:
    return words if len(words) <= 12 else f"{words[:11]}…"
