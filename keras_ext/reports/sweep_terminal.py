"""The result of a sweep as a few lines in the terminal."""

from __future__ import annotations

import os
from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from keras_ext.reports import sweep_story, text
from keras_ext.reports.terminal import existing, print_lists
from keras_ext.sweep_records import SweepResult, Trial

SHOWN = 5
FILES = ("report.html", "sweep.json", "best.json", "model.keras", "journal.jsonl")


def print_sweep(
    result: SweepResult,
    console: Console | None = None,
    *,
    directory: str | os.PathLike[str] | None = None,
) -> None:
    """Print the winner, how far it can be trusted, the best trials and where the files are.

    Args:
        result: of ``tuning.sweep``.
        console: where to print, by default standard output.
        directory: the folder of the sweep; what is there is named at the end.
    """
    console = console or Console()
    error, whose = sweep_story.headline(result)
    console.print()
    console.print(Text.assemble((error, "bold"), " ", (whose, "dim")))
    console.print(Text(" ".join(sweep_story.account(result))))
    if result.ranked:
        best = result.ranked[:SHOWN]
        console.print(Padding(_table(result, best), (1, 0, 0, 0)))
        notes = [sweep_story.same_in_all(best)]
        if len(result.ranked) > SHOWN:
            notes.append(f"These are the best {SHOWN} of {len(result.ranked)}, see the report.")
        if any(notes):
            console.print(Text(" ".join(filter(None, notes)), style="dim"))
    important = [
        f"{text.knob_name(view.name)} {100 * (view.importance or 0):.0f} %"
        for view in sweep_story.knobs(result)
        if view.importance
    ]
    lists = {
        "Explained by one hyperparameter alone": [", ".join(important)] if important else [],
        "Too narrow": sweep_story.edges(result),
        "Files": existing(directory, FILES),
    }
    print_lists(console, lists)


def _table(result: SweepResult, trials: Sequence[Trial]) -> Table:
    """The trials, and the hyperparameters in which they differ."""
    percent = sweep_story.in_percent(result)
    alike = {trial.trial_id for trial in sweep_story.equals(result)}
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for name in ("trial", "validation", "train", "hurts", "", "hyperparameters"):
        table.add_column(name, justify="right" if name in ("validation", "train") else "left")
    names = sweep_story.differing(trials)
    for place, trial in enumerate(trials):
        beyond = "" if place == 0 else "alike" if trial.trial_id in alike else "worse"
        table.add_row(
            trial.trial_id,
            text.number(trial.validation_error, proportion=percent),
            text.number(trial.metrics.get("train_error"), proportion=percent),
            trial.diagnosis.dominant if trial.diagnosis else "",
            beyond,
            Text(sweep_story.changed(trial, names)),
        )
    return table
