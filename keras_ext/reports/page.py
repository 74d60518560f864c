"""What the template shows, gathered from a result; no markup in here."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from keras_ext.records import Augmentation, Mistake, Mistakes, RunResult, TrainConfig
from keras_ext.reports import story, text
from keras_ext.reports.pictures import data_uri

GROUPS = {
    "Model": ("model", "units", "layers", "activation", "batch_norm"),
    "Regularization": ("dropout", "l2", "weight_decay", "augmentation"),
    "Optimization": (
        "optimizer",
        "learning_rate",
        "momentum",
        "beta_2",
        "epsilon",
        "schedule",
        "decay_rate",
        "batch_size",
        "epochs",
        "steps_per_execution",
    ),
    "Measurement": ("optimal_error", "tolerance", "seed"),
}

SHOWN_PROBABILITIES = 3
SHOWN_CONFUSIONS = 8


def page(result: RunResult) -> dict[str, Any]:
    """All values of the template, by name."""
    return {
        "result": result,
        "percent": story.in_percent(result),
        "headline": story.headline(result),
        "account": story.account(result),
        "steps": story.steps(result),
        "tiles": tiles(result),
        "mistakes": None if result.mistakes is None else wrong(result.mistakes),
        "questions": story.open_questions(result.diagnosis),
        "configuration": configuration(result.config, proportion=story.in_percent(result)),
        "text": text,
        "words": story,
    }


def tiles(result: RunResult) -> list[dict[str, Any]]:
    """Each error as a number and as a place on a scale that all tiles share.

    Places are in percent of the scale, which goes from 0 to the highest limit.
    """
    percent = story.in_percent(result)
    limits = {split: estimate.interval() for split, estimate in result.errors.items()}
    optimal = result.diagnosis.optimal_error
    top = max([optimal, *(high for _, high in limits.values())]) or 1.0
    found = []
    for split in story.ORDER:
        if split in result.errors:
            estimate, (low, high) = result.errors[split], limits[split]
            found.append(
                {
                    "name": split,
                    "error": text.number(estimate.error, proportion=percent),
                    "interval": text.span(low, high, proportion=percent, like=estimate.error),
                    "count": f"{estimate.count:,} examples",
                    "low": _place(low, top),
                    "at": _place(estimate.error, top),
                    "width": _place(high, top) - _place(low, top),
                }
            )
    error = text.number(optimal, proportion=percent)
    return [*found, {"name": "optimal", "error": error, "at": _place(optimal, top)}]


def _place(value: float, top: float) -> float:
    return round(100 * min(1.0, max(0.0, value / top)), 2)


def wrong(mistakes: Mistakes) -> dict[str, Any]:
    """The most frequent confusions and the worst examples."""
    counts = [
        (count, mistakes.classes[row], mistakes.classes[column])
        for row, line in enumerate(mistakes.confusion)
        for column, count in enumerate(line)
        if row != column and count
    ]
    counts.sort(key=lambda item: -item[0])
    return {
        "total": sum(count for count, _, _ in counts),
        "frequent": counts[:SHOWN_CONFUSIONS],
        "worst": [_shown(mistake, mistakes.classes) for mistake in mistakes.worst],
        "pictures": any(mistake.image is not None for mistake in mistakes.worst),
    }


def _shown(mistake: Mistake, classes: tuple[str, ...]) -> dict[str, Any]:
    """One wrong answer with the likeliest classes, the true one always among them."""
    likeliest = sorted(range(len(classes)), key=lambda place: -mistake.probabilities[place])
    places = likeliest[:SHOWN_PROBABILITIES]
    if mistake.label not in places:
        places[-1] = mistake.label
    bars = [
        {
            "name": classes[place],
            "share": round(100 * mistake.probabilities[place], 1),
            "role": {mistake.label: "true", mistake.predicted: "predicted"}.get(place, ""),
        }
        for place in places
    ]
    return {
        "row": mistake.row,
        "label": classes[mistake.label],
        "predicted": classes[mistake.predicted],
        "picture": None if mistake.image is None else data_uri(mistake.image),
        "bars": bars,
    }


def configuration(
    config: TrainConfig, *, proportion: bool = True
) -> dict[str, list[dict[str, Any]]]:
    """Every field by group, with its default where it differs.

    >>> rows = configuration(TrainConfig(epochs=9))["Optimization"]
    >>> [(row["value"], row["default"]) for row in rows if row["name"] == "epochs"]
    [('9', '5')]
    """
    named = {name for names in GROUPS.values() for name in names}
    rest = tuple(item.name for item in fields(config) if item.name not in named)
    groups = {**GROUPS, "Other": rest} if rest else GROUPS
    return {
        group: [row for name in names for row in _rows(config, name, proportion=proportion)]
        for group, names in groups.items()
    }


def _rows(config: TrainConfig, name: str, *, proportion: bool) -> list[dict[str, Any]]:
    value, default = getattr(config, name), getattr(TrainConfig(), name)
    if name in ("optimal_error", "tolerance"):
        shown = [text.number(error, proportion=proportion) for error in (value, default)]
        return [_row(name, *shown)]
    if name == "batch_size":
        return [_row(name, *(size or "by the rule of thumb" for size in (value, default)))]
    if not isinstance(value, Augmentation):
        return [_row(name, value, default)]
    if not value.active and not default.active:
        return [_row(name, None, None)]
    return [
        _row(f"{name} {item.name}", getattr(value, item.name), getattr(default, item.name))
        for item in fields(value)
    ]


def _row(name: str, value: Any, default: Any) -> dict[str, Any]:
    differs = value != default
    return {
        "name": name.replace("_", " "),
        "value": text.plain(value),
        "default": text.plain(default) if differs else None,
    }
