"""From the errors after each turn to the regret of an advice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import sqrt
from typing import Any

import numpy as np

from keras_ext.diagnosis import ErrorEstimate, diagnose, remedies
from keras_ext.records import TrainConfig
from keras_ext.training.improve import present_or_larger
from keras_ext.training.turn import KNOBS, knob_values
from tests.experiments.situations import KEPT_ASIDE, SITUATIONS, TUNING, Turn, turns

Key = tuple[str, int, Turn | None]
"""A run: the situation's name, the seed, and the turn, None for the situation as it is."""
Journal = Mapping[Key, Mapping[str, Any]]
Advice = Callable[[Journal, str, int], list[Turn]]
"""Names turns that are as good as each other; no turn leaves everything as it is."""

RESAMPLES = 10_000
NAMED = {what.name: what for what in SITUATIONS}


def key_of(line: Mapping[str, Any]) -> Key:
    """What identifies a line of the journal."""
    turned = line["turn"]
    return line["situation"], line["seed"], None if turned is None else (turned[0], turned[1])


def judged_error(journal: Journal, name: str, seed: int, turned: Turn | None) -> float:
    return float(journal[name, seed, turned]["test"]["error"])


def turns_of(name: str) -> list[Turn]:
    """The turns of a situation, in the order of its runs."""
    return [turned for turned, _ in turns(NAMED[name].config)]


def seeds_of(journal: Journal, name: str) -> list[int]:
    """The seeds for which the situation and every turn of it were run."""
    seeds = sorted({key[1] for key in journal if key[0] == name})
    made = [None, *turns_of(name)]
    return [seed for seed in seeds if all((name, seed, turned) in journal for turned in made)]


def mean_error(journal: Journal, name: str, turned: Turn | None) -> float:
    seeds = seeds_of(journal, name)
    return float(np.mean([judged_error(journal, name, seed, turned) for seed in seeds]))


def best_turn(journal: Journal, name: str) -> Turn:
    """The turn with the lowest test error, a mean over the seeds."""
    return min(turns_of(name), key=lambda turned: mean_error(journal, name, turned))


def error_after(journal: Journal, name: str, advice: Advice) -> float:
    """The test error after following the advice, a mean over the seeds and what it names."""
    errors = []
    for seed in seeds_of(journal, name):
        named: list[Turn | None] = [*advice(journal, name, seed)] or [None]
        errors.append(np.mean([judged_error(journal, name, seed, turned) for turned in named]))
    return float(np.mean(errors))


def regret(journal: Journal, name: str, advice: Advice) -> float:
    """How much higher the error is than after the best turn."""
    return error_after(journal, name, advice) - mean_error(journal, name, best_turn(journal, name))


def problems_of(line: Mapping[str, Any]) -> list[str]:
    """What the diagnosis of a run calls present, or else the larger gap."""
    config = TrainConfig.from_dict(line["config"])
    estimates = []
    for split in ("train", "validation"):
        error, count = line[split]["error"], line[split]["count"]
        estimates.append(ErrorEstimate(error, count, sqrt(error * (1 - error) / count), True))
    found = diagnose(*estimates, optimal_error=config.optimal_error, tolerance=config.tolerance)
    return present_or_larger(found)


def remedies_of(journal: Journal, name: str, seed: int) -> list[Turn]:
    """The turns that the diagnosis names, in its order."""
    line = journal[name, seed, None]
    config = TrainConfig.from_dict(line["config"])
    return [
        (remedy.knob, remedy.after > remedy.before)
        for remedy in remedies(problems_of(line), knob_values(config), costs=line["costs"])
        if remedy.knob in KNOBS
    ]


def first_remedy(journal: Journal, name: str, seed: int) -> list[Turn]:
    return remedies_of(journal, name, seed)[:1]


def any_turn(journal: Journal, name: str, seed: int) -> list[Turn]:
    return turns_of(name)


def always(turned: Turn) -> Advice:
    """The same turn whatever the diagnosis; where it can't be made all stays as it is."""
    return lambda journal, name, seed: [turned] if (name, seed, turned) in journal else []


def nothing(journal: Journal, name: str, seed: int) -> list[Turn]:
    return []


def constants() -> list[Turn]:
    """Every turn that is made anywhere."""
    return list({turned: None for name in NAMED for turned in turns_of(name)})


def best_constant(journal: Journal, names: Iterable[str]) -> Turn:
    """The constant advice with the least mean regret in the given situations."""
    chosen = list(names)
    return min(
        constants(),
        key=lambda turned: float(np.mean([regret(journal, n, always(turned)) for n in chosen])),
    )


def interval(values: np.ndarray) -> tuple[float, float]:
    """95 % percentile bootstrap of a mean over situations, always with the same resamples."""
    rows = np.random.default_rng(0).integers(0, len(values), size=(RESAMPLES, len(values)))
    low, high = np.percentile(values[rows].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def said(turned: Turn | None) -> str:
    return "nothing" if turned is None else f"{turned[0]} {'up' if turned[1] else 'down'}"


def report(journal: Journal, wanted: set[Key]) -> str:
    """Both tables as text: each situation, and the mean regret of each advice in each half."""
    journal = {key: line for key, line in journal.items() if key in wanted}
    missing = len(wanted) - len(journal)
    halves = {
        "tuning": [what.name for what in TUNING if seeds_of(journal, what.name)],
        "kept aside": [what.name for what in KEPT_ASIDE if seeds_of(journal, what.name)],
    }
    lines = [f"{len(journal)} runs, {missing} missing"] if missing else [f"{len(journal)} runs"]
    for half, names in halves.items():
        lines += ["", f"Situations, {half}", *situation_table(journal, names)]
    chosen = best_constant(journal, halves["tuning"] or halves["kept aside"])
    for half, names in halves.items():
        if names:
            lines += ["", f"Mean regret, {half} ({len(names)})"]
            lines += regret_table(journal, names, chosen)
    return "\n".join(lines)


def situation_table(journal: Journal, names: list[str]) -> list[str]:
    head = f"{'situation':34} {'error':>6}  {'diagnosis':23} {'advice':20} {'after':>6}"
    lines = [f"{head}  {'best turn':18} {'after':>6} {'regret':>7}"]
    for name in names:
        seeds = seeds_of(journal, name)
        found = {" + ".join(problems_of(journal[name, seed, None])): None for seed in seeds}
        advised = {said((first_remedy(journal, name, seed) or [None])[0]): None for seed in seeds}
        best = best_turn(journal, name)
        lines.append(
            f"{name:34} {mean_error(journal, name, None):6.4f}  {' / '.join(found):23} "
            f"{' / '.join(advised):20} {error_after(journal, name, first_remedy):6.4f}  "
            f"{said(best):18} {mean_error(journal, name, best):6.4f} "
            f"{regret(journal, name, first_remedy):7.4f}"
        )
    return lines


def regret_table(journal: Journal, names: list[str], chosen: Turn) -> list[str]:
    """A line for each advice, with what it costs more than ours."""
    ours = np.array([regret(journal, name, first_remedy) for name in names])
    rows: list[tuple[str, Advice]] = [
        ("the first remedy", first_remedy),
        (f"best constant of tuning: {said(chosen)}", always(chosen)),
        ("random: any turn", any_turn),
        ("random: any remedy for what hurts", remedies_of),
        ("turn nothing", nothing),
    ]
    rows += [(f"always {said(turned)}", always(turned)) for turned in constants()]
    lines = [f"{'advice':40} {'regret':>7}  {'95 % interval':18} {'more than ours':>14}"]
    for name, advice in rows:
        values = np.array([regret(journal, item, advice) for item in names])
        low, high = interval(values)
        more = values - ours
        more_low, more_high = interval(more)
        difference = "" if advice is first_remedy else (
            f"{more.mean():8.4f}  [{more_low:.4f}, {more_high:.4f}]"
        )  # fmt: skip
        lines.append(f"{name:40} {values.mean():7.4f}  [{low:.4f}, {high:.4f}]  {difference}")
    return lines
