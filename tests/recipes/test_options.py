"""Options come from the preset, then the file, then the command line; bad ones are one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keras_ext.errors import ConfigError
from keras_ext.records import TrainConfig
from recipes.command import command
from recipes.mnist import PRESETS, main
from recipes.options import Options, parse


def options(*argv: str) -> Options:
    return parse("A test.", PRESETS, argv)


def test_later_sources_win(tmp_path: Path) -> None:
    file = tmp_path / "best.json"
    file.write_text(json.dumps({"epochs": 7, "units": 8, "augmentation": {"magnitude": 0.5}}))
    given = options("--preset", "thorough", "--config", str(file), "--units", "4")
    assert (given.config.layers, given.config.epochs, given.config.units) == (5, 7, 4)
    assert given.config.augmentation.magnitude == 0.5
    assert given.config.augmentation.rotation == PRESETS["thorough"].config.augmentation.rotation


def test_a_result_is_a_configuration_file_too(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    wanted = TrainConfig(units=5, dropout=(0.1, 0.2))
    file.write_text(json.dumps({"schema": "keras_ext.run/1", "config": wanted.to_dict()}))
    assert options("--config", str(file)).config == wanted


def test_a_file_alone_is_trained_once_as_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "best.json"
    file.write_text(json.dumps({"epochs": 3}))
    alone = options("--config", str(file))
    assert (alone.max_rounds, alone.final_epochs) == (0, None)
    search = options("--config", str(file), "--max-rounds", "2")
    assert (search.max_rounds, search.final_epochs) == (2, None)
    preset = options("--config", str(file), "--preset", "thorough")
    assert (preset.max_rounds, preset.final_epochs) == (2, 6)
    assert options("--max-rounds", "0").final_epochs is None


def test_every_field_has_an_option_with_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        options("--help")
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    for option in ("--learning-rate", "--augmentation-rotation", "--dropout", "--seed", "--epochs"):
        assert option in text
    assert "largest angle in degrees" in text
    assert "one epoch, no knob is turned" in text


def test_values_are_typed() -> None:
    config = options(
        "--dropout", "[0.1, 0.2]", "--l2", "1e-4", "--batch-size", "null", "--seed", "3"
    ).config
    assert (config.dropout, config.l2, config.batch_size, config.seed) == (
        (0.1, 0.2),
        1e-4,
        None,
        3,
    )


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--epochs", "many"], "epochs must be int, got 'many'"),
        (["--epochs", "0"], "epochs must be at least 1, got epochs=0"),
        (["--optimizer", "lion"], "optimizer must be one of"),
        (["--dropout", "1.5"], "dropout must be in [0, 1), got dropout=1.5"),
        (["--limit", "5"], "--limit must be at least 100 examples, got --limit 5"),
        (["--max-rounds", "-1"], "--max-rounds must be at least 0"),
        (["--config", "/no/such/file.json"], "can't read --config /no/such/file.json"),
    ],
)
def test_bad_values_are_named(argv: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        options(*argv)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is no JSON"),
        ("[1]", "must be an object"),
        ('{"epoch": 1}', "unknown field epoch"),
        ('{"epochs": "1"}', "epochs must be int, got '1'"),
        ('{"augmentation": {"rotation": []}}', "augmentation.rotation must be float"),
    ],
)
def test_bad_files_are_one_line_and_a_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, message: str
) -> None:
    file = tmp_path / "config.json"
    file.write_text(content)
    output = tmp_path / "runs"
    assert command(main, ["--config", str(file), "--output-dir", str(output)]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err
    assert not output.exists()


def test_debug_shows_the_error() -> None:
    with pytest.raises(ConfigError):
        command(main, ["--debug", "--epochs", "0"])


@pytest.mark.parametrize("argv", [["--preset", "slow"], ["--colour", "red"]])
def test_unknown_presets_and_options_are_refused(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        command(main, argv)
    assert stopped.value.code == 2
    assert argv[0] in capsys.readouterr().err
