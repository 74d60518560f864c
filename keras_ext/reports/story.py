"""What a run has to say, in sentences that a newcomer understands."""

from __future__ import annotations

from dataclasses import dataclass, fields

from keras_ext.diagnosis import Diagnosis, Gap, Remedy, difference_interval
from keras_ext.records import Augmentation, Round, RunResult
from keras_ext.reports import text

ORDER = ("test", "validation", "train_validation", "train")

HURDLES = {"bias": "bias", "variance": "variance", "mismatch": "data mismatch"}


@dataclass(frozen=True)
class Change:
    """How an error moved from one round to another.

    Args:
        value, low, high: the difference and its 95 % interval. Both rounds are measured on the same
            examples, which makes the interval wider than it need be, never too narrow.
    """

    value: float
    low: float
    high: float

    @property
    def certain(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0

    @property
    def verdict(self) -> str:
        """Either "lower" or "higher", or "may be chance" where the examples can't tell."""
        if not self.certain:
            return "may be chance"
        return "lower" if self.value < 0 else "higher"


@dataclass(frozen=True)
class Step:
    """One round seen against the round on which it builds (None for the first)."""

    number: int
    round: Round
    base: Round | None = None
    base_number: int = 0

    def change(self, split: str) -> Change | None:
        """How the error on "train" or "validation" moved."""
        if self.base is None:
            return None
        after, before = getattr(self.round, split), getattr(self.base, split)
        return Change(after.error - before.error, *difference_interval(after, before))


def in_percent(result: RunResult) -> bool:
    """Whether the errors are fractions of the examples."""
    return all(estimate.proportion for estimate in result.errors.values())


def steps(result: RunResult) -> tuple[Step, ...]:
    """Every round with its base: the last one before it that was kept."""
    found: list[Step] = []
    base: tuple[Round | None, int] = (None, 0)
    for number, item in enumerate(result.rounds, start=1):
        found.append(Step(number, item, *base))
        if item.kept or number == 1:
            base = (item, number)
    return tuple(found)


def headline(result: RunResult) -> tuple[str, str]:
    """The most honest error there is, and its interval."""
    for split in ORDER:
        if split in result.errors:
            error, interval = text.estimate(result.errors[split])
            return f"{split.capitalize()} error {error}", f"({interval})"
    return "No error was measured", ""


def account(result: RunResult) -> tuple[str, ...]:
    """How good the model is, what held it back first, which knobs were turned, what that did."""
    sentences = [_how_good(result)]
    if result.rounds:
        sentences += [_held_back(result), *_turned(result)]
    return tuple(sentences)


def _how_good(result: RunResult) -> str:
    stopped = "The run was stopped before its end; this is what was known then."
    test = result.errors.get("test")
    if test is None:
        sentence = "The test examples were not opened."
    elif test.proportion:
        wrong = round(test.error * test.count)
        of = f"{wrong:,} of {test.count:,} {_things(result)}"
        sentence = f"{of} that the model had never seen came out wrong."
    else:
        sentence = (
            f"It was measured on {test.count:,} {_things(result)} that the model had never seen."
        )
    return sentence if result.status == "completed" else f"{stopped} {sentence}"


def _things(result: RunResult) -> str:
    worst = result.mistakes.worst if result.mistakes else ()
    return "images" if any(mistake.image is not None for mistake in worst) else "examples"


def _held_back(result: RunResult) -> str:
    first, percent = result.rounds[0], in_percent(result)
    train = text.number(first.train.error, proportion=percent)
    validation = text.number(first.validation.error, proportion=percent)
    optimal = text.number(first.diagnosis.optimal_error, proportion=percent)
    tolerance = tolerated(first.diagnosis, proportion=percent)
    seen = f"an error of {train} on its own training examples"
    bias, variance = first.diagnosis.avoidable_bias, first.diagnosis.variance
    if first.diagnosis.dominant == "bias":
        also = " Variance was there too." if variance.verdict == "present" else ""
        return f"What held it back first was bias: {seen}, where {optimal} is possible.{also}"
    if first.diagnosis.dominant == "variance":
        also = " Bias was there too." if bias.verdict == "present" else ""
        return f"What held it back first was variance: {seen}, but {validation} on new ones.{also}"
    if first.diagnosis.dominant == "mismatch":
        return "What held it back first was data mismatch: the validation examples are different."
    if first.diagnosis.dominant == "none":
        return f"Neither bias nor variance held it back by more than the tolerance of {tolerance}."
    return (
        f"What held it back first can't be told for sure: {first.validation.count:,} validation "
        f"examples don't separate the gaps from the tolerance of {tolerance}."
    )


def dominant(diagnosis: Diagnosis) -> str:
    """What the diagnosis says, in a word or two."""
    others = {"none": "nothing to mend", "inconclusive": "not sure"}
    return (HURDLES | others)[diagnosis.dominant]


def tolerated(diagnosis: Diagnosis, *, proportion: bool) -> str:
    """The tolerance with its unit.

    >>> from keras_ext.diagnosis import ErrorEstimate, diagnose
    >>> estimate = ErrorEstimate.from_values([0, 0, 1])
    >>> tolerated(diagnose(estimate, estimate, tolerance=0.005), proportion=True)
    '0.50 points'
    """
    return text.difference(diagnosis.tolerance, proportion=proportion).removeprefix("+")


def _turned(result: RunResult) -> list[str]:
    turns = [step for step in steps(result) if step.base is not None]
    if not turns:
        return ["No knob was turned in this run."]
    percent = in_percent(result)
    sentences = [_kept(step, proportion=percent) for step in turns if step.round.kept]
    dropped = [f"the {_from_to(step.round)}" for step in turns if not step.round.kept]
    if dropped:
        too = "too, " if sentences else ""
        sentences.append(f"Turning {_listed(dropped)} was tried {too}and taken back.")
    return sentences


def _kept(step: Step, *, proportion: bool) -> str:
    after, change = step.round.validation.error, step.change("validation")
    if change is None:
        return ""
    before = after - change.value
    limits = text.span(before, after, proportion=proportion, like=max(before, after))
    chance = ", which may be chance, and was kept for its lower cost"
    doubt = ", and was kept" if change.certain else chance
    verb = "brought" if change.value < 0 else "moved"
    return f"Turning the {_from_to(step.round)} {verb} the validation error from {limits}{doubt}."


def _from_to(item: Round) -> str:
    name = text.knob_name(item.knob or "")
    return f"{name} from {text.plain(item.before)} to {text.plain(item.after)}"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def advice(remedy: Remedy) -> tuple[str, str]:
    """Which knob to turn and how far, empty where no knob can be turned; and why.

    >>> advice(Remedy("l2", 0.0, 1e-4, "l2 0 -> 0.0001: regularize more"))
    ('L2 strength 0 \u2192 0.0001', 'Regularize more')
    """
    name, colon, words = remedy.text.partition(": ")
    why = text.capital(text.clean(words if colon and name.startswith(remedy.knob) else remedy.text))
    if remedy.before is None or remedy.after is None:
        return "", why
    return text.capital(text.turn(remedy.knob, remedy.before, remedy.after)), why


def augmentation(strengths: Augmentation) -> str:
    """What is changed, in the units of the record, and the magnitude.

    >>> augmentation(Augmentation(flip="horizontal", rotation=20, magnitude=0.5))
    'flip horizontal, rotation 20 at magnitude 0.5'
    """
    rest = ("fill_mode", "value_range", "magnitude")
    names = [item.name for item in fields(strengths) if item.name not in rest]
    given = [(name, getattr(strengths, name)) for name in names]
    parts = ", ".join(f"{name} {text.plain(value)}" for name, value in given if value)
    return f"{parts or 'nothing'} at magnitude {text.plain(strengths.magnitude)}"


def open_questions(diagnosis: Diagnosis) -> tuple[str, ...]:
    """What more examples would settle, for every gap that is inconclusive."""
    gaps: dict[str, Gap | None] = {
        "avoidable bias": diagnosis.avoidable_bias,
        "variance": diagnosis.variance,
        "data mismatch": diagnosis.mismatch,
    }
    return tuple(
        f"About {float(f'{gap.examples_needed:.1e}'):,.0f} more examples of each kind would settle "
        f"whether {name} is above the tolerance."
        for name, gap in gaps.items()
        if gap is not None and gap.verdict == "inconclusive" and gap.examples_needed
    )
