"""The summary in the terminal."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from rich.console import Console

from keras_ext.records import RunResult
from keras_ext.reports import print_report

RESULTS = (
    "sample_result",
    "fast_result",
    "interrupted_result",
    "hostile_result",
    "regression_result",
)


def printed(result: RunResult, *, width: int = 120, terminal: bool = False, **options: Any) -> str:
    """What is printed, at a given width."""
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=terminal, _environ={})
    print_report(result, console, **options)
    return file.getvalue()


def test_summary(samples: ModuleType) -> None:
    shown = printed(samples.sample_result())
    lines = [re.sub(r"\s{2,}", "  ", line).strip() for line in shown.splitlines()]
    for expected in (
        "Test error 0.58 % (95 % interval 0.45 to 0.75 %)",
        "error  measured  95 % interval  examples",
        "test  0.58 %  0.45 to 0.75 %  10,000",
        "optimal  0.20 %  as configured",
        "1  first run  0.05 %  1.10 %  variance",
        "2  augmentation magnitude 0 → 0.25  0.20 %  0.62 %  variance  kept",
        "3  dropout rate 0 → 0.1  0.35 %  0.65 %  not sure  discarded, may be chance",
        "cost goes down: the cost rose in epoch 4 of 6",
        "Dropout rate 0 → 0.1: Regularize more: a higher dropout rate",
    ):
        assert expected in lines


@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.parametrize("width", [40, 80])
def test_fits_and_is_plain_where_there_is_no_terminal(
    samples: ModuleType, name: str, width: int
) -> None:
    shown = printed(getattr(samples, name)(), width=width)
    assert "\x1b" not in shown
    assert max(map(len, shown.splitlines())) <= width


def test_colour_only_in_a_terminal(samples: ModuleType) -> None:
    assert "\x1b[1m" in printed(samples.sample_result(), terminal=True)


def test_names_are_no_markup(samples: ModuleType) -> None:
    result = samples.sample_result()
    evil = "[red]x[/red][/]\x1b[31m"
    check = replace(result.checks[-1], name=evil, message=evil)
    remedy = replace(result.diagnosis.remedies[0], knob=evil, text=evil)
    diagnosis = replace(result.diagnosis, remedies=(remedy,))
    rounds = tuple(replace(item, knob=evil, before=evil, after=evil) for item in result.rounds)
    shown = printed(replace(result, checks=(check,), rounds=rounds, diagnosis=diagnosis), width=300)
    assert "[red]x[/red][/]" in shown
    assert "\x1b" not in shown


def test_questions_where_there_is_no_advice(samples: ModuleType) -> None:
    result = samples.sample_result()
    unsure = result.rounds[2].diagnosis
    assert not unsure.remedies
    shown = printed(replace(result, diagnosis=unsure), width=300)
    assert "more examples of each kind would settle whether variance is above" in shown


def test_only_files_that_are_there_are_named(samples: ModuleType, tmp_path: Path) -> None:
    assert "Files" not in printed(samples.fast_result())
    long = tmp_path / ("a" * 100)
    long.mkdir()
    (long / "report.html").write_text("")
    shown = printed(samples.fast_result(), width=40, directory=long)
    assert str(long / "report.html") in shown
    assert "model.keras" not in shown
