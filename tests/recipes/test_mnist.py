"""The recipe on real digits: what it leaves, what it prints, and how it fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import pytest

from keras_ext import data
from keras_ext.records import Arrays
from recipes import mnist, predict, summary
from recipes.command import command, run_directory

ROOT = Path(__file__).parents[2]
QUICK = ["--preset", "fast", "--limit", "1000", "--batch-size", "50"]
QUICK += ["--model", "mlp", "--layers", "1", "--units", "64"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of one quick run with a turned knob."""
    output = tmp_path_factory.mktemp("runs")
    assert command(mnist.main, [*QUICK, "--max-rounds", "1", "--output-dir", str(output)]) == 0
    (made,) = (output / "mnist").iterdir()
    return made


def test_a_run_leaves_its_files_and_nothing_else(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {
        "result.json",
        "report.html",
        "model.keras",
        "tensorboard",
    }
    result = json.loads((folder / "result.json").read_text())
    assert result["name"] == "mnist"
    assert len(result["rounds"]) == 2
    assert result["sizes"]["train"] == 1000
    assert result["errors"]["test"]["count"] == 10_000
    assert result["errors"]["test"]["error"] < 0.2


def test_the_steps_are_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert command(mnist.main, [*QUICK, "--output-dir", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    wanted = [
        "1. load and split",
        "cost at initialisation",
        "gradients of",
        "training cost over",
        "variance",
        "6. open the test set, once",
    ]
    positions = [text.index(part) for part in wanted]
    assert positions == sorted(positions)
    assert "report.html" in text


@pytest.mark.slow
def test_the_run_replays_from_its_own_result(folder: Path, tmp_path: Path) -> None:
    arguments = ["--config", str(folder / "result.json"), "--limit", "1000"]
    assert command(mnist.main, [*arguments, "--quiet", "--output-dir", str(tmp_path)]) == 0
    (again,) = tmp_path.glob("mnist/*/result.json")
    first = json.loads((folder / "result.json").read_text())
    assert json.loads(again.read_text())["errors"] == first["errors"]


class Counting(Arrays):
    """Test examples that count how often their labels are read."""

    reads = 0

    def __getattribute__(self, name: str) -> Any:
        if name == "y" and object.__getattribute__(self, "__dict__").get("_ready"):
            Counting.reads += 1
        return super().__getattribute__(name)


@pytest.mark.slow
def test_test_labels_are_read_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    split = data.split
    Counting.reads = 0

    def counting(*args: Any, **kwargs: Any) -> Any:
        splits = split(*args, **kwargs)
        test = Counting(splits.test.x, splits.test.y, splits.test.name, splits.test.classes)
        object.__setattr__(test, "_ready", True)
        object.__setattr__(splits, "test", test)
        return splits

    monkeypatch.setattr(data, "split", counting)
    arguments = [*QUICK, "--max-rounds", "2", "--quiet", "--output-dir", str(tmp_path)]
    assert command(mnist.main, arguments) == 0
    assert Counting.reads == 1


def test_a_diverging_run_says_so_and_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "--optimizer",
        "sgd",
        "--learning-rate",
        "1e30",
        "--schedule",
        "constant",
        "--batch-norm",
        "false",
    ]
    assert command(mnist.main, [*QUICK, *arguments, "--output-dir", str(tmp_path)]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: the cost became")
    assert "epoch 1" in error
    assert "lower learning rate" in error
    assert not list(tmp_path.rglob("report.html"))


def test_an_unwritable_output_directory_fails_before_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert command(mnist.main, [*QUICK, "--output-dir", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err.startswith("error: can't write to")


@pytest.mark.parametrize("files", [(), ("result.json",)])
def test_a_folder_stays_only_if_it_holds_a_file(tmp_path: Path, files: tuple[str, ...]) -> None:
    with run_directory(tmp_path, "mnist") as directory:
        (directory / "tensorboard" / "round-0").mkdir(parents=True)
        for name in files:
            (directory / name).write_text("{}")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == list(files)
    assert directory.exists() is bool(files)


def test_predict_reads_a_png(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pillow = pytest.importorskip("PIL.Image")
    test = data.load("mnist").part("test")
    model = keras.saving.load_model(folder / "model.keras", compile=False)
    guesses = model.predict(test.x[:20], verbose=0).argmax(axis=1)
    paths = []
    for row in range(20):
        path = tmp_path / f"{row}.png"
        pillow.fromarray(test.x[row, ..., 0]).save(path)
        paths.append(str(path))
    assert command(predict.main, [str(folder / "model.keras"), *paths]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [int(line.split(": ")[1].split()[0]) for line in lines] == guesses.tolist()


@pytest.mark.parametrize(
    ("model", "image", "message"),
    [("none.keras", "a.png", "there is no model"), ("text.keras", "a.png", "can't read")],
)
def test_predict_names_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], model: str, image: str, message: str
) -> None:
    (tmp_path / "text.keras").write_text("no model")
    assert command(predict.main, [str(tmp_path / model), image]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1


def test_predict_names_a_missing_image(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(predict.main, [str(folder / "model.keras"), "missing.png"]) == 2
    assert "missing.png" in capsys.readouterr().err


def test_summary_prints_median_and_range(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(folder / "result.json")
    accuracy = 1 - json.loads(Path(path).read_text())["errors"]["test"]["error"]
    assert command(summary.main, [path, path]) == 0
    assert f"{accuracy:.2%} ({accuracy:.2%} to {accuracy:.2%})" in capsys.readouterr().out
    assert command(summary.main, [str(folder / "report.html")]) == 2


@pytest.mark.slow
def test_ctrl_c_leaves_a_report_and_the_best_model(tmp_path: Path) -> None:
    arguments = [
        "--preset",
        "fast",
        "--epochs",
        "50",
        "--limit",
        "5000",
        "--output-dir",
        str(tmp_path),
    ]
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "recipes.mnist", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "COLUMNS": "100"},
        # A shell lets what it starts in the background ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("epoch 2/50"):
                process.send_signal(signal.SIGINT)
                break
        rest = process.stdout.read()
        assert process.wait(timeout=120) == 130, "".join(lines) + rest
    assert "Traceback" not in rest
    (result,) = tmp_path.glob("mnist/*/result.json")
    values = json.loads(result.read_text())
    assert values["status"] == "interrupted"
    assert "test" not in values["errors"]
    assert (result.parent / "report.html").is_file()
    assert keras.saving.load_model(result.parent / "model.keras", compile=False).output_shape == (
        None,
        10,
    )
