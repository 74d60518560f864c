"""The command: a sweep of a recipe or of the user's own, whose best point replays."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from recipes import mnist, sweep
from recipes.command import FAILED, command

pytestmark = pytest.mark.tensorflow

OWN = """
import dataclasses
import numpy as np
from keras_ext.records import Arrays, Splits

def splits():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4)).astype("float32")
    y = (x[:, 0] > 0).astype("int32")
    whole = Arrays(x, y, "half")
    return Splits(*(whole.take(slice(a, a + 100)) for a in (0, 100, 200)))

def space(hp, base):
    rate = hp.Float("learning_rate", 0.001, 0.1, sampling="log")
    return dataclasses.replace(base, model="mlp", units=8, layers=1, learning_rate=rate)

number = 3
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "own_sweep.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    sys.modules.pop("own_sweep", None)


@pytest.mark.slow
def test_the_best_point_replays_to_the_same_error(tmp_path, capsys):
    where = ["--output-dir", str(tmp_path), "--limit", "300", "--quiet"]
    arguments = ["mnist", "--epochs", "2", "--max-trials", "3", "--confirm", "1", *where]
    assert command(sweep.main, arguments) == 0
    folder = tmp_path / "sweeps" / "mnist-guided"
    result = json.loads((folder / "sweep.json").read_text())
    best = result["best"]["executions"][0]
    assert command(mnist.main, ["--config", str(folder / "best.json"), *where]) == 0
    (path,) = (tmp_path / "mnist").glob("*/result.json")
    replayed = json.loads(path.read_text())
    assert replayed["errors"]["validation"] == best["validation"]
    assert replayed["errors"]["train"] == best["train"]
    costs = [[row["train_cost"] for row in h] for h in (replayed["history"], best["history"])]
    assert costs[0] == costs[1]
    shown = capsys.readouterr().out
    assert "Best validation error" in shown
    for name in ("report.html", "model.keras", "journal.jsonl"):
        assert (folder / name).exists()


@pytest.mark.slow
def test_data_and_space_of_the_users_own_and_a_sweep_that_goes_on(own, capsys):
    arguments = ["own_sweep:splits", "--space", "own_sweep:space", "--epochs", "2", "--confirm"]
    assert command(sweep.main, [*arguments, "1", "--max-trials", "2"]) == 0
    path = own / "runs" / "sweeps" / "own_sweep-splits-guided" / "sweep.json"
    first = json.loads(path.read_text())
    assert command(sweep.main, [*arguments, "1", "--max-trials", "3"]) == 0
    longer = json.loads(path.read_text())
    assert longer["trials"][:2] == first["trials"]
    assert len(longer["trials"]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("trial 0002 (3/3)") for line in lines) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mnist", "--name", "../esc"], "a sweep's name must be"),
        (["mnist", "--name", "/tmp/esc"], "a sweep's name must be"),
        (["mnist", "--name", ".."], "a sweep's name must be"),
        (["mnist", "--name", "a\nb"], "a sweep's name must be"),
        (
            ["imagenet"],
            "expected mnist, fashion_mnist, cifar10, tabular, or module:function, got 'imagenet'",
        ),
        (["no_such_module:data"], "can't use no_such_module:data"),
        (["own_sweep:number"], "own_sweep:number must be a function, got int"),
        (["own_sweep:nothing"], "can't use own_sweep:nothing"),
        (
            ["own_sweep:splits", "--space", "own_sweep:number"],
            "own_sweep:number must be a function",
        ),
        (["own_sweep:splits", "--max-trials", "0"], "max_trials must be a whole number from 1"),
    ],
)
def test_what_cannot_be_used_is_one_line(own, capsys, arguments, said):
    assert command(sweep.main, arguments) == FAILED
    assert f"error: {said}" in capsys.readouterr().err
    assert not list(own.rglob("journal.jsonl"))


def test_when_all_trials_fail_the_report_has_the_reasons(own, capsys):
    wrong = "dropout=0.0 if rate == 0.001 else 2.0"
    (own / "own_sweep.py").write_text(OWN.replace("units=8", f"units=8, {wrong}"))
    arguments = ["own_sweep:splits", "--space", "own_sweep:space", "--max-trials", "2", "--quiet"]
    assert command(sweep.main, arguments) == FAILED
    said = capsys.readouterr().err
    assert "error: all 2 trials failed: trial 0000: dropout must be in [0, 1), got" in said
    (page,) = own.rglob("report.html")
    assert "dropout must be in [0, 1)" in page.read_text()
    (numbers,) = own.rglob("sweep.json")
    assert json.loads(numbers.read_text())["best"] is None


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as end:
        sweep.main(["--help"])
    assert end.value.code == 0
    words = capsys.readouterr().out
    for part in ("module:function", "best.json", "goes on", "partly luck", "--space", "edge"):
        assert part in words
    for part in ("TrainConfig(), a convnet", '{"model": "mlp", "units": 64, "layers": 2}'):
        assert part in words
