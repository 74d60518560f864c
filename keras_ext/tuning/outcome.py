"""What a journal says of a sweep's end: trials that have ended, and the winner's fresh runs."""

from __future__ import annotations

from keras_ext.diagnosis import ErrorEstimate
from keras_ext.fields import decode
from keras_ext.sweep_records import Confirmation, Execution, Trial, ranked
from keras_ext.tuning.journal import Journal


def trials_of(journal: Journal) -> tuple[Trial, ...]:
    """The trials that have ended, in the order of proposal; the first record of each counts."""
    found: dict[int, Trial] = {}
    for event in journal.of("finished"):
        if event["number"] not in found:
            found[event["number"]] = Trial.from_plain(event["trial"])
    return tuple(found[number] for number in sorted(found))


def confirmation_of(journal: Journal, objective: str) -> Confirmation | None:
    """The runs of the present winner on fresh seeds; None before there are any."""
    winner = ranked(trials_of(journal))[:1]
    made = journal.of("confirmed")
    mine = [e for e in made if winner and e["trial_id"] == winner[0].trial_id]
    if not mine:
        return None
    done = [event for event in mine if "test" in event]
    return Confirmation(
        tuple(decode(Execution, event["execution"], "") for event in done),
        tuple(decode(ErrorEstimate, event["test"], "") for event in done),
        objective,
        failures=tuple(f"seed {e['seed']}: {e['message']}" for e in mine if "test" not in e),
        earlier=sum("test" in event for event in made) - len(done),
    )
