"""The recipe on a small table, and without the package that brings it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from recipes import tabular
from recipes.command import command

pytestmark = pytest.mark.tensorflow


def test_a_small_table_goes_the_whole_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("sklearn")
    assert command(tabular.main, ["--preset", "fast", "--output-dir", str(tmp_path)]) == 0
    (made,) = tmp_path.glob("breast_cancer/*/result.json")
    result = json.loads(made.read_text())
    assert result["sizes"] == {"train": 398, "validation": 114, "test": 57}
    assert result["errors"]["test"]["error"] <= 0.1
    assert result["errors"]["train"]["error"] <= 0.05
    assert (made.parent / "report.html").is_file()
    text = capsys.readouterr().out
    assert "398 / 114 / 57 examples" in text
    assert "6. open the test set, once" in text


def test_without_scikit_learn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert command(tabular.main, ["--output-dir", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error == "error: scikit-learn is not installed: pip install 'keras-ext[tuner]'\n"
