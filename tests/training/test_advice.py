"""The program that measures the advice: its situations, its journal and its arithmetic."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.experiments import advice
from tests.experiments.regret import (
    always,
    best_constant,
    best_turn,
    constants,
    key_of,
    regret,
    remedies_of,
    report,
    turns_of,
)
from tests.experiments.situations import KEPT_ASIDE, SITUATIONS, TUNING, Situation


def fake(what: Situation, config: Any, seed: int) -> dict[str, Any]:
    """Errors that follow from the configuration alone: the more units and epochs the better."""
    test = 0.5 / config.units**0.5 / config.epochs**0.25 + 0.001 * seed
    errors = {"train": 0.5, "validation": 0.5, "test": test}
    found = {name: {"error": error, "count": 2000} for name, error in errors.items()}
    return {**found, "costs": [2.0, 1.0], "seconds": 0.0}


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(advice, "run", fake)
    return tmp_path / "advice.jsonl"


def lines(path: Path) -> dict[Any, Any]:
    return {key_of(line): line for line in advice.read(path)}


def test_halves_are_balanced() -> None:
    assert len({what.name for what in SITUATIONS}) == 20
    for half in (TUNING, KEPT_ASIDE):
        assert Counter(what.data for what in half) == {"mnist": 5, "cifar10": 5}


def test_a_stopped_program_goes_on(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def stopping(what: Situation, config: Any, seed: int) -> dict[str, Any]:
        made.append((what, config))
        if len(made) == 4:
            raise KeyboardInterrupt
        return fake(what, config, seed)

    monkeypatch.setattr(advice, "run", stopping)
    arguments = ["--journal", str(journal), "--seeds", "0", "--only", "tiny MLP"]
    assert advice.main(arguments) == 130
    assert len(lines(journal)) == 3
    # As a kill in the middle of writing leaves it.
    with journal.open("a") as file:
        file.write('{"situation": "tiny MLP, digits", "se')
    assert advice.main(arguments) == 0
    total = 1 + len(turns_of("tiny MLP, digits"))
    assert len(lines(journal)) == total
    assert len(made) == total + 1
    assert advice.main(arguments) == 0
    assert len(made) == total + 1


def test_a_run_whose_definition_has_changed_is_made_anew(journal: Path) -> None:
    advice.fill(journal, [0], ["tiny MLP"])
    old = advice.read(journal)
    old[2]["config"]["epochs"] += 1
    journal.write_text("".join(json.dumps(line) + "\n" for line in old))
    advice.fill(journal, [0], ["tiny MLP"])
    assert len(advice.read(journal)) == len(old) + 1
    assert all(line["config"]["epochs"] < 7 for line in lines(journal).values())


@pytest.mark.slow
def test_regret_by_hand(journal: Path) -> None:
    advice.fill(journal, [0, 1])
    known = lines(journal)
    name = TUNING[0].name
    units, epochs = TUNING[0].config.units, TUNING[0].config.epochs
    best = 0.5 / (2 * units) ** 0.5 / epochs**0.25
    longer = 0.5 / units**0.5 / (2 * epochs) ** 0.25
    assert best_turn(known, name) == ("units", True)
    assert regret(known, name, always(("units", True))) == 0
    assert regret(known, name, always(("epochs", True))) == pytest.approx(longer - best)
    same = 0.5 / units**0.5 / epochs**0.25
    assert regret(known, name, always(("dropout", False))) == pytest.approx(same - best)
    assert best_constant(known, [what.name for what in TUNING]) == ("units", True)
    assert remedies_of(known, name, 0)[-1] != ("architecture", True)
    text = report(known, {item[0] for item in advice.wanted([0, 1])})
    assert "Mean regret, kept aside (10)" in text
    assert "best constant of tuning: units up         0.0000" in text
    assert len(constants()) == 11


@pytest.mark.slow
def test_situations_without_all_their_runs_are_left_out(journal: Path) -> None:
    advice.fill(journal, [0])
    known = lines(journal)
    del known[KEPT_ASIDE[3].name, 0, ("units", True)]
    text = report(known, {item[0] for item in advice.wanted([0])})
    assert "1 missing" in text
    assert "Mean regret, kept aside (9)" in text
