"""``result.json``: every number, as its schema says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from math import inf, nan
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import keras_ext.reports
from keras_ext.errors import MissingExtraError, OutputError
from keras_ext.records import TrainConfig
from keras_ext.reports import folder, write_json, write_result_folder

RESULTS = (
    "sample_result",
    "fast_result",
    "interrupted_result",
    "hostile_result",
    "regression_result",
)
SCHEMA = Path(keras_ext.reports.__file__).with_name("SCHEMA.md").read_text(encoding="utf-8")
# Names that the data give, not the schema.
FREE = {"errors", "versions", "sizes"}


def refuse(name: str) -> Any:
    """JSON has no NaN and no infinity, though Python reads and writes them."""
    raise AssertionError(f"{name} in JSON")


def read(path: Path) -> dict[str, Any]:
    """The content of a file of strict JSON."""
    return dict(json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse))


def keys(value: Any) -> Iterator[str]:
    """The name of every field that the schema should explain."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from keys(list(item.values()) if key in FREE else item)
    elif isinstance(value, list):
        for item in value:
            yield from keys(item)


@pytest.mark.parametrize("name", RESULTS)
def test_round_trip(samples: ModuleType, tmp_path: Path, name: str) -> None:
    result = getattr(samples, name)()
    values = read(write_json(result, tmp_path / "result.json"))
    assert values == json.loads(json.dumps(result.to_dict()))
    assert values["schema"] == "keras_ext.run/1"
    assert TrainConfig.from_dict(values["config"]) == result.config


def test_the_fields_that_others_build_on(samples: ModuleType, tmp_path: Path) -> None:
    values = read(write_json(samples.sample_result(), tmp_path / "result.json"))
    assert {"schema", "config", "seed", "seconds", "versions", "history", "rounds"} <= set(values)
    assert values["errors"]["test"] == {
        "error": 0.0058,
        "low": pytest.approx(0.00449, abs=1e-5),
        "high": pytest.approx(0.00749, abs=1e-5),
        "count": 10_000,
    }
    assert {"avoidable_bias", "variance", "dominant"} <= set(values["diagnosis"])
    assert [item["knob"] for item in values["rounds"]] == [None, "magnitude", "dropout"]
    assert [item["kept"] for item in values["rounds"]] == [True, True, False]


@pytest.mark.parametrize("name", RESULTS)
def test_every_field_is_in_the_schema(samples: ModuleType, tmp_path: Path, name: str) -> None:
    values = read(write_json(getattr(samples, name)(), tmp_path / "result.json"))
    explained = {
        part for words in re.findall(r"`([^`]+)`", SCHEMA) for part in re.split(r"[.\[\]]+", words)
    }
    assert set(keys(values)) <= explained


def test_every_field_of_the_schema_is_in_a_result(samples: ModuleType, tmp_path: Path) -> None:
    values = read(write_json(samples.sample_result(), tmp_path / "result.json"))
    rows = re.findall(r"^\| ([^|]+) \|", SCHEMA, flags=re.MULTILINE)
    named = {words.split(".")[-1] for row in rows for words in re.findall(r"`([^`]+)`", row)}
    assert named <= set(keys(values))


def test_numbers_that_json_lacks_become_null(samples: ModuleType, tmp_path: Path) -> None:
    result = replace(samples.sample_result(), iteration_costs=((0.5, nan, inf, -inf),))
    values = read(write_json(result, tmp_path / "result.json"))
    assert values["iteration_costs"] == [[0.5, None, None, None]]


def test_folder(samples: ModuleType, tmp_path: Path) -> None:
    written = write_result_folder(samples.fast_result(), tmp_path / "runs" / "1")
    assert [path.name for path in written] == ["result.json", "report.html"]
    assert sorted(path.name for path in (tmp_path / "runs" / "1").iterdir()) == [
        "report.html",
        "result.json",
    ]


def test_numbers_are_there_even_without_a_page(
    samples: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(*_: object) -> None:
        raise MissingExtraError("jinja2", extra="reports")

    monkeypatch.setattr(folder, "write_report", lacking)
    with pytest.raises(MissingExtraError):
        write_result_folder(samples.fast_result(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_where_nothing_can_be_written(samples: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(OutputError, match=r"result\.json"):
        write_result_folder(samples.fast_result(), tmp_path / "runs")
