"""The report as a verdict, a table, plain values and advice."""

from __future__ import annotations

import dataclasses
import io
import json
import math

import pytest
from rich.console import Console

from keras_ext.gradients import GradientReport, VariableReport, variable_report

OK = VariableReport("dense/kernel", (3, 2), "ok", 2e-9, None, 1.25, 1.25, "double")
WRONG = VariableReport("dense/bias[0]", (2,), "wrong", 0.5, (1,), 2.0, 1.0, "double")
UNTESTED = VariableReport("norm/beta", (2,), "untested", math.nan, None, 0.0, 0.0, "double")


def _report(
    *rows: VariableReport, error: float = 1e-9, precision: str = "double"
) -> GradientReport:
    return GradientReport(rows, error, precision, "projection")


@pytest.mark.parametrize(
    ("status", "ok"),
    [
        ("ok", True),
        ("suspect", True),
        ("kink", True),
        ("untested", True),
        ("wrong", False),
        ("not finite", False),
    ],
)
def test_only_wrong_and_not_finite_fail(status: str, ok: bool) -> None:
    report = _report(OK, dataclasses.replace(WRONG, status=status))
    assert report.ok is ok
    if ok:
        report.raise_if_wrong()
    else:
        with pytest.raises(AssertionError, match=r"dense/bias\[0\]"):
            report.raise_if_wrong()


@pytest.mark.parametrize(
    ("error", "band"),
    [
        (0.0, "excellent"),
        (9e-8, "excellent"),
        (1e-7, "good"),
        (9e-6, "good"),
        (1e-5, "look closer"),
        (9e-4, "look closer"),
        (1e-3, "probably wrong"),
        (1.0, "probably wrong"),
        (math.nan, "nothing could be measured"),
    ],
)
def test_bands_are_those_of_the_course(error: float, band: str) -> None:
    assert _report(OK, error=error).band == band


def test_single_precision_earns_no_band() -> None:
    assert _report(error=1e-4, precision="single").band == "as good as single precision shows"
    assert _report(error=0.1, precision="single").band == "probably wrong"


def test_plain_values_are_json_without_nan() -> None:
    values = json.loads(json.dumps(_report(OK, WRONG, UNTESTED).as_dict(), allow_nan=False))
    assert values["ok"] is False
    assert values["relative_error"] == 1e-9
    assert values["variables"][1]["worst_index"] == [1]
    assert values["variables"][2]["relative_error"] is None
    assert _report(error=math.nan).as_dict()["relative_error"] is None


def test_the_table_has_a_row_for_each_variable() -> None:
    console = Console(file=io.StringIO(), width=140)
    console.print(_report(OK, WRONG).table())
    text = console.file.getvalue()
    assert "dense/kernel" in text
    assert "dense/bias[0]" in text
    assert "(1,)" in text
    assert "1.0e-09 (excellent), double precision" in text


def test_advice_is_given_for_what_occurs() -> None:
    assert _report(OK).advice == ()
    single = dataclasses.replace(OK, path="conv/kernel", precision="single")
    advice = _report(OK, WRONG, UNTESTED, single, precision="single").advice
    assert [text.partition(":")[0] for text in advice] == ["wrong", "untested", "single precision"]
    assert advice[2].endswith("errors below 1% stay hidden in conv/kernel.")
    assert advice[0] in str(_report(WRONG))


def test_reasons_are_said_with_the_weights_they_are_about() -> None:
    blocked = dataclasses.replace(UNTESTED, reason="no gradient comes through round in layer 'q'")
    report = _report(OK, blocked, dataclasses.replace(blocked, path="norm/gamma"))
    assert [text.partition(":")[0] for text in report.advice] == [
        "disconnected or blocked",
        "norm/beta, norm/gamma",
    ]
    assert report.advice[1].endswith("round in layer 'q'.")


def test_frozen_weights_are_counted_and_not_listed() -> None:
    rows = tuple(variable_report.frozen(f"base/{number}", (2,)) for number in range(300))
    report = _report(OK).with_rows(rows)
    assert len(str(report).splitlines()) < 12
    assert "300 frozen weights were not checked" in str(report)
    assert report.advice == ()
    assert len(report.as_dict()["variables"]) == 301


def test_the_summary_names_the_worst() -> None:
    assert _report(OK, WRONG, UNTESTED).summary() == (
        "relative error 1.0e-09 (excellent), double precision: 1 ok, 1 untested, 1 wrong; "
        "dense/bias[0], element (1,) is wrong: 2 by backpropagation, 1 by differences"
    )


def test_the_bands_are_said() -> None:
    assert "excellent < 1e-07, good < 1e-05, look closer < 1e-03" in str(_report(OK))
    assert _report(OK).as_dict()["bands"] == {"excellent": 1e-7, "good": 1e-5, "look closer": 1e-3}
