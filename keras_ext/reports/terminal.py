"""The result of a run as a few lines in the terminal."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from keras_ext.records import RunResult
from keras_ext.reports import story, text

FILES = ("report.html", "result.json", "model.keras", "tensorboard")
RIGHT = frozenset({"measured", "train", "validation", "examples"})


def print_report(
    result: RunResult,
    console: Console | None = None,
    *,
    directory: str | os.PathLike[str] | None = None,
) -> None:
    """Print the errors with their intervals, the rounds, what to try next and where the files are.

    Plain lines without colour where the console is no terminal.

    Args:
        console: where to print, by default standard output.
        directory: the folder of the run; what is there is named at the end.
    """
    console = console or Console()
    error, interval = story.headline(result)
    console.print()
    console.print(Text.assemble((error, "bold"), " ", (interval, "dim")))
    console.print(Text(" ".join(story.account(result))))
    console.print(Padding(_errors(result), (1, 0, 0, 0)))
    if len(result.rounds) > 1:
        console.print(Padding(_rounds(result), (1, 0, 0, 0)))
    failed = [_one_line(c.name, c.message) for c in result.checks if not c.passed]
    lists = {
        "Failed checks": failed,
        "Try next": _next(result),
        "Files": existing(directory, FILES),
    }
    print_lists(console, lists)


def print_lists(console: Console, lists: Mapping[str, Sequence[str]]) -> None:
    """Each list that is not empty, under its heading."""
    for heading, lines in lists.items():
        if lines:
            console.print(Text(f"\n{heading}", style="bold"))
        for line in lines:
            # A path is there to be copied: it is never broken into lines.
            console.print(Text(f"  {line}"), soft_wrap=heading == "Files")


def _errors(result: RunResult) -> Table:
    percent = story.in_percent(result)
    table = _table("error", "measured", "95 % interval", "examples")
    for split in story.ORDER:
        if split in result.errors:
            item = result.errors[split]
            limits = text.span(*item.interval(), proportion=percent, like=item.error)
            measured = text.number(item.error, proportion=percent)
            table.add_row(split.replace("_", "-"), measured, limits, f"{item.count:,}")
    optimal = text.number(result.diagnosis.optimal_error, proportion=percent)
    table.add_row("optimal", optimal, "as configured", "")
    return table


def _rounds(result: RunResult) -> Table:
    percent = story.in_percent(result)
    table = _table("round", "knob", "train", "validation", "diagnosis", "")
    for step in story.steps(result):
        item, change = step.round, step.change("validation")
        outcome = "" if change is None else text.outcome(item)
        if change is not None and not change.certain:
            outcome += ", may be chance"
        table.add_row(
            str(step.number),
            # A knob of the user's may have a name that rich would take for markup.
            Text(text.turned(item)),
            text.number(item.train.error, proportion=percent),
            text.number(item.validation.error, proportion=percent),
            story.dominant(item.diagnosis),
            outcome,
            style="" if item.kept else "dim",
        )
    return table


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for name in names:
        table.add_column(name, justify="right" if name in RIGHT else "left")
    return table


def _next(result: RunResult) -> list[str]:
    found = [_one_line(*story.advice(remedy)) for remedy in result.diagnosis.remedies]
    return found or list(story.open_questions(result.diagnosis))


def existing(directory: str | os.PathLike[str] | None, names: Sequence[str]) -> list[str]:
    """The paths of those that are in the folder, if there is one."""
    if directory is None:
        return []
    return [str(Path(directory, name)) for name in names if Path(directory, name).exists()]


def _one_line(what: str, why: str) -> str:
    return ": ".join(text.clean(words) for words in (what, why) if words)
