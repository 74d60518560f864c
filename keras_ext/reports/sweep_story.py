"""What a sweep's trials say, gathered from records: knobs, edges, noise and the story."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from math import hypot, isfinite, sqrt
from typing import Any

from keras_ext.diagnosis import ErrorEstimate, difference_interval
from keras_ext.diagnosis.intervals import t_quantile
from keras_ext.diagnosis.search import choices_of, edge, importance, place
from keras_ext.reports import text
from keras_ext.sweep_records import COMPLETED, SweepResult, Trial, objective_of

LEAST_TRIALS, LEAST_FOR_EDGE = 15, 8
"""With fewer, no importance is told, and no edge of a range."""
SAME_WIDTH = 0.1

OBJECTIVES = {
    "final": "the validation error after the last epoch",
    "best": "the lowest validation error of all epochs",
    "mean_of_last": "the mean validation error of the last three epochs",
}


@dataclass(frozen=True)
class KnobView:
    """One hyperparameter and the trials in which it mattered.

    Args:
        name: of it.
        item: its kind and range.
        values, places, errors: of each completed trial that had it, in the order of the trials;
            places are from 0 to 1.
        importance: the share of the differences that it explains; None with too few trials.
        at_edge: "low" or "high" where the winner's value is at that edge of the range.
    """

    name: str
    item: Mapping[str, Any]
    values: tuple[Any, ...]
    places: tuple[float, ...]
    errors: tuple[float, ...]
    importance: float | None
    at_edge: str | None

    @property
    def varies(self) -> bool:
        """Whether there was more than one value."""
        return len(set(self.places)) > 1


def knobs(result: SweepResult) -> tuple[KnobView, ...]:
    """The hyperparameters of a sweep, those that matter most first."""
    done = result.ranked
    found = []
    for item in result.space:
        name = str(item["name"])
        rows = [trial for trial in done if name in trial.values and _has_range(item)]
        if not rows:
            continue
        places = tuple(place(item, trial.values[name]) for trial in rows)
        errors = tuple(trial.validation_error for trial in rows)
        enough = len(rows) >= LEAST_TRIALS
        best = done[0].values.get(name)
        found.append(
            KnobView(
                name=name,
                item=item,
                values=tuple(trial.values[name] for trial in rows),
                places=places,
                errors=errors,
                importance=importance(places, errors) if enough else None,
                at_edge=edge(item, best) if best is not None and len(set(places)) > 1 else None,
            )
        )
    return tuple(sorted(found, key=lambda view: -(view.importance or 0.0)))


def in_percent(result: SweepResult) -> bool:
    """Whether errors are shares of the examples."""
    runs = [run for trial in result.trials for run in trial.executions]
    return bool(runs) and all(bool(run.validation.proportion) for run in runs)


def headline(result: SweepResult) -> tuple[str, str]:
    """The winner's error, and whose it is."""
    if not result.ranked:
        return "No trial was completed", ""
    error = text.number(result.best.validation_error, proportion=in_percent(result))
    return f"Best validation error {error}", f"trial {result.best.trial_id}"


def account(result: SweepResult) -> list[str]:
    """A few sentences: how much was tried, and how far the winner can be trusted."""
    percent = in_percent(result)
    failed = [trial for trial in result.trials if trial.status != COMPLETED]
    if not result.trials:
        return ["No trial has ended yet."]
    tried = f"{text.count(len(result.trials), 'trial')} ({result.strategy}) took "
    tried += text.duration(result.seconds) + (", added up" if len(result.trials) > 1 else "")
    judged = OBJECTIVES.get(result.objective, result.objective)
    if len(result.trials) == 1:
        lines = [f"{tried}; it failed." if failed else f"{tried}. It is judged by {judged}."]
    else:
        lines = [
            f"{tried}; {len(failed)} of them failed." if failed else f"{tried}.",
            f"Each is judged by {judged}.",
        ]
    alike = equals(result)
    if alike:
        others = text.count(len(alike), "other trial")
        seeds = " and the seeds" if seed_deviation(result) else ""
        lines.append(f"{others} can't be told from the winner by the validation examples{seeds}.")
    if result.ranked and result.best.epochs_trained < result.best.config.epochs:
        lines.append(
            f"The winner was trained for {result.best.epochs_trained} of its "
            f"{result.best.config.epochs} epochs: no trial came further."
        )
    return [*lines, *_confirmed(result, percent)]


def _confirmed(result: SweepResult, percent: bool) -> list[str]:
    """What the fresh seeds say of the winner."""
    found, lines = result.confirmation, []
    if found is None:
        return []
    if result.optimism is not None:
        fresh = text.number(found.validation_error, proportion=percent)
        test = text.number(found.test_error, proportion=percent)
        seeds = text.count(len(found.executions), "fresh seed")
        lines.append(
            f"Trained again on {seeds}, the winner has a validation error of {fresh} "
            f"({_against(result.optimism, percent)}) and a test error of {test}."
        )
    if found.failures:
        runs = text.count(len(found.failures), "fresh seed")
        lines.append(f"On {runs} it failed ({text.clean('; '.join(found.failures))}).")
    if found.earlier:
        runs = text.count(found.earlier, "run")
        lines.append(
            f"{runs} of earlier winners had been judged on the test examples before, so these are "
            "not quite examples that no choice has seen."
        )
    return lines


def _against(optimism: float, percent: bool) -> str:
    """How an error on fresh seeds compares with the one that the winner was chosen by."""
    change = text.difference(optimism, proportion=percent)
    if not any(digit in change for digit in "123456789"):
        return "the same as when it was chosen"
    return f"{change} against when it was chosen"


def evenly_timed(result: SweepResult) -> bool:
    """Whether a curve over time looks like the one over the trials, within a tenth of its width."""
    seconds = [trial.seconds for trial in result.trials]
    total, clock = sum(seconds), 0.0
    for number, passed in enumerate(seconds, start=1):
        clock += passed
        if abs(clock - total * number / len(seconds)) > SAME_WIDTH * total:
            return False
    return True


def equals(result: SweepResult) -> tuple[Trial, ...]:
    """Trials whose error can't be told from the winner's.

    By the validation examples, which are taken for different ones, and by the seeds, where any
    point was trained on several. Both parts of the interval are added as independent ones are.
    """
    if not result.ranked:
        return ()
    winner, deviation = result.best, seed_deviation(result)
    found = []
    for trial in result.ranked[1:]:
        low = difference_interval(_judged(trial), _judged(winner))[0]
        difference = trial.validation_error - winner.validation_error
        runs = 1 / len(trial.executions) + 1 / len(winner.executions)
        below = hypot(difference - low, deviation * sqrt(runs))
        if difference - below <= 0:
            found.append(trial)
    return tuple(found)


def seed_deviation(result: SweepResult) -> float:
    """How far seeds alone may move an error: a quantile of Student's t times their deviation.

    Pooled over the points that were trained on several seeds, the winner on fresh ones among them.
    0 with fewer than two degrees of freedom: two runs tell next to nothing of a deviation.
    """
    groups = [
        [objective_of(run.history, result.objective) for run in trial.executions]
        for trial in result.ranked
    ]
    if result.confirmation is not None:
        groups.append(list(result.confirmation.validation_errors))
    several = [group for group in groups if len(group) > 1]
    freedom = sum(len(group) - 1 for group in several)
    if freedom < 2:
        return 0.0
    total = sum((x - sum(group) / len(group)) ** 2 for group in several for x in group)
    return t_quantile(0.95, freedom) * sqrt(total / freedom)


def _judged(trial: Trial) -> ErrorEstimate:
    """The validation error that the trial is ranked by, with the number of its examples."""
    return replace(trial.executions[0].validation, error=trial.validation_error)


def edges(result: SweepResult) -> list[str]:
    """A sentence for each range that the winner is at the edge of.

    None before there are so many trials that it isn't there by chance alone.
    """
    lines = []
    for view in knobs(result):
        if view.at_edge is not None and len(view.errors) >= LEAST_FOR_EDGE:
            value = text.plain(result.best.values[view.name])
            side = {"low": "lower", "high": "upper"}[view.at_edge]
            lines.append(
                f"The best {text.knob_name(view.name)}, {value}, is at the {side} edge of its "
                f"range ({shown_range(view.item)}): a new sweep whose range goes on there may find "
                "better."
            )
    return lines


def shown_range(item: Mapping[str, Any]) -> str:
    """A range in words.

    >>> shown_range({"kind": "Float", "min_value": 0.0001, "max_value": 0.1, "sampling": "log"})
    '0.0001 to 0.1, log scale'
    """
    choices = choices_of(item)
    if choices:
        return ", ".join(text.plain(choice) for choice in choices)
    scale = ", log scale" if item.get("sampling") == "log" else ""
    return f"{text.plain(item['min_value'])} to {text.plain(item['max_value'])}{scale}"


@dataclass(frozen=True)
class Chapter:
    """One trial that was proposed for a reason, and its effect.

    Args:
        trial: of it.
        change: its error minus the best error before; None for the first, and for a failed one.
    """

    trial: Trial
    change: float | None


def chapters(result: SweepResult) -> list[Chapter]:
    """The trials that have a reason, in order."""
    found, so_far = [], float("inf")
    for trial in result.trials:
        error = trial.validation_error
        told = isfinite(error) and isfinite(so_far)
        if trial.reason:
            found.append(Chapter(trial, error - so_far if told else None))
        so_far = min(so_far, error)
    return found


def interval(trial: Trial) -> str:
    """The 95 % limits of the validation error by the number of examples, for a single run.

    Empty where the error that the trial is judged by isn't that of one model: a mean over runs or
    over epochs.
    """
    if len(trial.executions) != 1:
        return ""
    found = trial.executions[0].validation
    if found.error != trial.validation_error:
        return ""
    proportion = bool(found.proportion)
    limits = text.span(*found.interval(), proportion=proportion, like=found.error)
    return f" (95 % interval {limits})"


def differing(trials: Sequence[Trial]) -> set[str]:
    """The hyperparameters in which the trials differ; all of them where there is one trial."""
    if len(trials) == 1:
        return set(trials[0].values)
    names = {name for trial in trials for name in trial.values}
    return {n for n in names if len({repr(t.values.get(n)) for t in trials}) > 1}


def same_in_all(trials: Sequence[Trial]) -> str:
    """The hyperparameters that have one value in all of the trials, in a line."""
    if not trials:
        return ""
    same = changed(trials[0], set(trials[0].values) - differing(trials))
    return f"The same in all: {same}." if same else ""


def changed(trial: Trial, names: Set[str]) -> str:
    """The hyperparameters of a trial in a line, those with one of the names."""
    named = [(n, value) for n, value in trial.values.items() if "/" not in n and n in names]
    return ", ".join(f"{text.knob_name(name)} {short(value)}" for name, value in named)


def short(value: Any) -> str:
    """A value in four digits.

    >>> short(0.00123456), short("relu")
    ('0.001235', 'relu')
    """
    return f"{value:.4g}" if isinstance(value, float) else text.plain(value)


def reason_of_failure(trial: Trial) -> str:
    """The first line of what went wrong."""
    return text.clean(trial.message.partition("\n")[0]) or "no reason given"


def _has_range(item: Mapping[str, Any]) -> bool:
    return bool(choices_of(item)) or "min_value" in item
