"""What every recipe's command line has in common: presets, a file, and an option for each field.

An option exists for each field of ``TrainConfig`` and its help is the field's own documentation, so
that a new field is an option of every recipe at once.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_ext.errors import ConfigError
from keras_ext.records import Augmentation, TrainConfig

DEFAULT = "default"


@dataclass(frozen=True)
class Preset:
    """A configuration and how much searching goes with it.

    Args:
        summary: for ``--help``.
        config: of the first run.
        max_rounds: how many knobs are turned at the most.
        final_factor: train the best configuration this many times as long in the end, 1 for no
            such run.
    """

    summary: str
    config: TrainConfig
    max_rounds: int = 0
    final_factor: int = 1


@dataclass(frozen=True)
class Options:
    """What the command line asked for."""

    config: TrainConfig
    max_rounds: int
    final_epochs: int | None
    output_dir: Path
    limit: int | None
    placement: str
    quiet: bool
    debug: bool


def parse(
    description: str, presets: Mapping[str, Preset], argv: Sequence[str] | None = None
) -> Options:
    """Options from a preset, then ``--config FILE``, then the command line; the later wins.

    A configuration file alone is trained once, as it stands: a search from there is asked for by
    ``--preset`` or ``--max-rounds``.

    Raises:
        ConfigError: for an unknown or ill-typed field, or a value that is out of range.
    """
    parser = _parser(description, presets)
    given = vars(parser.parse_args(argv))
    preset = presets[given["preset"] or DEFAULT]
    values = preset.config.to_dict()
    if given["config"] is not None:
        values = _merge(values, read_config(given["config"]))
    for path in _paths(TrainConfig):
        if ".".join(path) in given:
            _put(values, path, given[".".join(path)])
    config = TrainConfig.from_dict(values)
    if given["limit"] is not None and given["limit"] < 100:
        raise ConfigError(f"--limit must be at least 100 examples, got --limit {given['limit']}")
    if given["max_rounds"] is not None and given["max_rounds"] < 0:
        raise ConfigError(
            f"--max-rounds must be at least 0, got --max-rounds {given['max_rounds']}"
        )
    replay = given["config"] is not None and given["preset"] is None
    planned = 0 if replay else preset.max_rounds
    max_rounds = planned if given["max_rounds"] is None else given["max_rounds"]
    longer = max_rounds > 0 and preset.final_factor > 1 and not replay
    return Options(
        config=config,
        max_rounds=max_rounds,
        final_epochs=config.epochs * preset.final_factor if longer else None,
        output_dir=Path(given["output_dir"]),
        limit=given["limit"],
        placement=given["placement"],
        quiet=given["quiet"],
        debug=given["debug"],
    )


def read_config(path: str) -> dict[str, Any]:
    """The fields of a configuration file: a JSON object, or a ``result.json`` with its "config".

    Raises:
        ConfigError: when it can't be read, is no JSON object or has an unknown or ill-typed field.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"can't read --config {path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"--config {path} is no JSON: {error}") from error
    if isinstance(values, dict) and isinstance(values.get("config"), dict):
        values = values["config"]
    TrainConfig.from_dict(values)
    return dict(values)


def _parser(description: str, presets: Mapping[str, Preset]) -> argparse.ArgumentParser:
    listing = "\n".join(f"  {name:<10}{preset.summary}" for name, preset in presets.items())
    parser = argparse.ArgumentParser(
        description=description,
        epilog=f"presets:\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--preset", choices=presets, help=f"see below (default: {DEFAULT})")
    add("--config", metavar="FILE", help="train this once: fields as JSON, or a result.json")
    add("--output-dir", default="runs", help="where the run's folder is made (default: runs)")
    add("--limit", type=int, metavar="N", help="use N training examples only, for a quick try")
    add("--max-rounds", type=int, metavar="N", help="how many knobs to turn at the most")
    add(
        "--placement",
        choices=("auto", "device", "host"),
        default="auto",
        help="keep training images on the accelerator, or read and augment them on the host; "
        "changes the time alone (default: auto, which says what it chose)",
    )
    add("--quiet", action="store_true", help="only the result, no progress")
    add("--debug", action="store_true", help="show the traceback of an error")
    fields = parser.add_argument_group("configuration (overrides preset and --config)")
    hints = {**_helps(Augmentation, "augmentation."), **_helps(TrainConfig, "")}
    for path in _paths(TrainConfig):
        name = ".".join(path)
        option = "--" + "-".join(path).replace("_", "-")
        fields.add_argument(
            option, dest=name, type=_value, metavar="V", help=hints[name], default=argparse.SUPPRESS
        )
    return parser


def _value(text: str) -> Any:
    """A number, true, false, null, or a list as JSON has it; any other text as it is.

    None, True and False are understood too: the help has them.
    """
    python = {"None": None, "True": True, "False": False}
    if text in python:
        return python[text]
    try:
        return json.loads(text)
    except ValueError:
        return text


def _paths(cls: Any, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Each field of a record, nested ones with their owner's name before them."""
    found: list[tuple[str, ...]] = []
    for name, hint in typing.get_type_hints(cls).items():
        path = (*prefix, name)
        found += _paths(hint, path) if dataclasses.is_dataclass(hint) else [path]
    return found


def _helps(cls: type, prefix: str) -> dict[str, str]:
    """What the docstring says of each field."""
    section = re.split(r"\n\s*\n", (cls.__doc__ or "").split("Args:\n", 1)[1])[0]
    entries = re.findall(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", section, flags=re.MULTILINE)
    return {prefix + name: " ".join(text.split()).replace("%", "%%") for name, text in entries}


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **base,
        **{
            name: _merge(base[name], value) if isinstance(value, Mapping) else value
            for name, value in over.items()
        },
    }


def _put(values: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for name in path[:-1]:
        values = values[name]
    values[path[-1]] = value
