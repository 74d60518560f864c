"""What the live table shows of the trials that run."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from keras_ext.sweep_records import Trial
from keras_ext.tuning.table import LiveTable
from tests.tuning.black_box import BASE

pytestmark = pytest.mark.tensorflow


def lines(table: LiveTable) -> list[str]:
    """As it stands now."""
    assert table._live is not None
    console = Console(file=io.StringIO(), width=100)
    with console.capture() as capture:
        console.print(table._live.renderable)
    return [line.strip() for line in capture.get().splitlines() if "trial 0" in line]


def ended(name: str) -> Trial:
    return Trial(name, "completed", {}, BASE, metrics={"train_error": 0.1, "validation_error": 0.2})


def test_each_worker_has_its_line():
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with LiveTable(8, (), console=console) as table:
        table.begins("0000", {"units": 4}, "", 3)
        table.begins("0001", {"units": 8}, "wider", 3)
        assert lines(table) == ["trial 0001: wider"]
        table.at_a_time(2)
        table.begins("0002", {"units": 16}, "", 3)
        table.epoch("0002", 0, {"validation_error": 0.25})
        assert lines(table) == [
            "trial 0001: wider",
            "trial 0002: units 16 (epoch 1/3, validation error 0.25)",
        ]
        # Another process goes on with it.
        table.begins("0002", {"units": 16}, "", 3)
        assert lines(table)[-1] == "trial 0002: units 16"
        table.ends(ended("0001"))
        assert lines(table) == ["trial 0002: units 16"]


def test_the_time_left_counts_the_workers():
    console = Console(file=io.StringIO())
    trial = Trial("0000", "failed", {}, BASE, seconds=10.0)
    table = LiveTable(9, (trial,), console=console)
    assert table.left() == "80 s left"
    table.at_a_time(4)
    assert table.left() == "20 s left"
