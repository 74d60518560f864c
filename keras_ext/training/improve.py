"""Diagnose, turn one knob, train again, keep what helped."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import keras

from keras_ext import models
from keras_ext.callbacks.samples import Drawn
from keras_ext.diagnosis import Diagnosis, Remedy, difference_interval, remedies
from keras_ext.diagnosis.remedy import in_order
from keras_ext.errors import ConfigError, DivergedError
from keras_ext.records import Check, Round, RunResult, Splits, TrainConfig
from keras_ext.training.checks import check_cost_falls
from keras_ext.training.round import Builder, Turned, train_round
from keras_ext.training.run import log_directory, result_of, save_model
from keras_ext.training.turn import KNOBS, knob_values, with_knob


def improve(
    config: TrainConfig,
    splits: Splits,
    *,
    max_rounds: int,
    final_epochs: int | None = None,
    build: Builder = models.build,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    directory: Path | str | None = None,
    checks: Sequence[Check] = (),
    placement: str = "auto",
    announce: Callable[[str], None] = lambda line: None,
    quiet: bool = False,
) -> RunResult:
    """Train, then turn one knob a round as the diagnosis says; keep what helped on validation.

    The first run is ``config`` as it is, which should be without regularization. A round starts
    from the best configuration so far and turns the first remedy that has not been tried. It ends
    early when nothing hurts any more, and on Ctrl-C, with what is known by then. The test examples
    stay closed: see ``open_test``.

    Args:
        config: where to start; its epochs are those of every round.
        splits: training and validation examples.
        max_rounds: how many knobs are turned at the most, 0 for the first run alone.
        final_epochs: train this long as soon as bias is what to treat, and at the latest after the
            last round; None for one notch at a time and no last round.
        build: makes the uncompiled model, see ``models.build``.
        callbacks: further ones for every round.
        directory: gets ``model.keras``, the best so far at any time, and TensorBoard's events.
        checks: made before, to stand in the result.
        placement: of the training images, see ``data.training_batches``; it decides how fast the
            rounds are, not what comes out.
        announce: is told what happens, a line at a time.
        quiet: show no progress bars.

    Raises:
        ConfigError: when ``build`` gives the model that it gave before.
        DivergedError: when the first run's cost is not finite. A later one's is a failed check.
        OutputError: when the directory can't be written.
    """
    search = _Search(
        splits,
        build,
        callbacks,
        Path(directory) if directory else None,
        placement,
        announce,
        quiet,
    )
    first = search.train(config, Turned())
    search.checks = [*checks, check_cost_falls(first)]
    announce(search.checks[-1].message)
    announce(first.diagnosis.summary())
    for _ in range(max_rounds):
        remedy = next_remedy(search.best, search.tried)
        if search.interrupted or remedy is None:
            break
        longer = final_training(search.best.config, final_epochs)
        short = longer and present_or_larger(search.best.diagnosis)[0] == "bias"
        if longer and short and (longer.knob, longer.after) not in search.tried:
            remedy = longer
        search.turn(remedy, why(search.best.diagnosis))
    longer = final_training(search.best.config, final_epochs)
    if longer and not search.interrupted:
        search.turn(longer, "the rounds were short: train what they found to the end")
    found = result_of(search.rounds, search.best, search.model, splits, checks=search.checks)
    return replace(found, diagnosis=untried(found.diagnosis, search.tried))


def untried(diagnosis: Diagnosis, tried: set[tuple[str, object]]) -> Diagnosis:
    """Without the remedies that were tried and did not help: what is next is something else.

    Args:
        diagnosis: of the best round.
        tried: knobs with the values that have been tried.
    """
    left = (item for item in diagnosis.remedies if (item.knob, item.after) not in tried)
    return replace(diagnosis, remedies=tuple(left))


def final_training(config: TrainConfig, final_epochs: int | None) -> Remedy | None:
    """Training to the end, where the configuration was trained shorter so far.

    >>> final_training(TrainConfig(epochs=2), 8).text
    'epochs 2 -> 8: train to the end'
    """
    if final_epochs is None or final_epochs <= config.epochs:
        return None
    text = f"epochs {config.epochs} -> {final_epochs}: train to the end"
    return Remedy("epochs", config.epochs, final_epochs, text)


def next_remedy(best: Round, tried: set[tuple[str, object]]) -> Remedy | None:
    """The first remedy that a program can follow and that is untried; None when nothing hurts.

    Where the diagnosis is inconclusive, the larger gap is taken for the one that hurts.

    Args:
        best: the round to improve upon.
        tried: knobs with the values that have been tried.
    """
    diagnosis = best.diagnosis
    if diagnosis.dominant == "none":
        return None
    problems = present_or_larger(diagnosis)
    costs = [row["train_cost"] for row in best.history if "train_cost" in row]
    for remedy in remedies(problems, knob_values(best.config), costs=costs):
        if remedy.knob in KNOBS and (remedy.knob, remedy.after) not in tried:
            return remedy
    return None


def present_or_larger(diagnosis: Diagnosis) -> list[str]:
    """The gaps that are present, in the order of their remedies; else the larger one."""
    gaps = {"bias": diagnosis.avoidable_bias, "variance": diagnosis.variance}
    order = sorted(gaps, key=lambda name: -gaps[name].value)
    return in_order([name for name in order if gaps[name].verdict == "present"]) or order[:1]


def why(diagnosis: Diagnosis) -> str:
    """One line on what hurts; a gap that is only the larger one is called so, no finding."""
    problem = present_or_larger(diagnosis)[0]
    gap = diagnosis.avoidable_bias if problem == "bias" else diagnosis.variance
    name = "avoidable bias" if problem == "bias" else problem
    sure = gap.verdict == "present"
    return f"{name} is {'present' if sure else 'the larger gap, though not for sure'}"


def better(made: Round, best: Round) -> bool:
    """Whether a round did better on the validation examples.

    By the error where the examples can tell; where they can't, by the cost, which also counts how
    sure the predictions are and is less noisy for it.
    """
    low, high = difference_interval(best.validation, made.validation)
    if low <= 0 <= high:
        return cost_of(made) < cost_of(best)
    return low > 0


def cost_of(item: Round) -> float:
    """The un-regularized cost on the validation examples, as last measured."""
    return item.history[-1]["validation_cost"] if item.history else math.inf


class _Search:
    """The best round so far and what has been tried."""

    best: Round
    model: keras.Model

    def __init__(
        self,
        splits: Splits,
        build: Builder,
        callbacks: Sequence[keras.callbacks.Callback],
        directory: Path | None,
        placement: str,
        announce: Callable[[str], None],
        quiet: bool,
    ) -> None:
        self.splits = splits
        self.build = build
        self.callbacks = callbacks
        self.directory = directory
        self.placement = placement
        self.announce = announce
        self.quiet = quiet
        self.drawn = Drawn()
        self.rounds: list[Round] = []
        self.checks: list[Check] = []
        self.tried: set[tuple[str, object]] = set()

    @property
    def interrupted(self) -> bool:
        return self.rounds[-1].status == "interrupted"

    def train(self, config: TrainConfig, turned: Turned) -> Round:
        """One run; it becomes the best if none was better on the validation examples."""
        name = f"round-{len(self.rounds)}"
        logs = log_directory(self.directory, name) if self.directory else None
        made, model = train_round(
            config,
            self.splits,
            turned=turned,
            build=self.build,
            callbacks=self.callbacks,
            log_directory=logs,
            placement=self.placement,
            announce=(lambda line: None) if self.rounds else self.announce,
            quiet=self.quiet,
            drawn=self.drawn,
        )
        if self.rounds and model is self.model:
            raise ConfigError("build must make a new model at each call, got the same one again")
        kept = not self.rounds or better(made, self.best)
        made = replace(made, kept=kept)
        self.rounds.append(made)
        if kept:
            self.best, self.model = made, model
            if self.directory:
                save_model(model, self.directory / "model.keras")
        return made

    def turn(self, remedy: Remedy, reason: str) -> None:
        """Turn one knob, train, and tell what it did."""
        self.tried.add((remedy.knob, remedy.after))
        self.announce(f"round {len(self.rounds)}: {reason}; {remedy.text}")
        config = with_knob(self.best.config, remedy.knob, remedy.after)
        base = self.best
        try:
            made = self.train(config, Turned(remedy.knob, remedy.before, remedy.after, reason))
        except DivergedError as error:
            self.checks.append(Check(f"{remedy.knob} {remedy.after}", False, str(error)))
            self.announce(f"not kept: {error}")
            return
        verdict = "kept" if made.kept else "not kept"
        self.announce(
            f"validation error {base.validation.error:.4f} -> {made.validation.error:.4f}, "
            f"cost {cost_of(base):.4f} -> {cost_of(made):.4f}: {verdict}"
        )
        self.announce(made.diagnosis.summary())
