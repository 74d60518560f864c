"""What a measurement of several errors says: numbers for ``logs``, and a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf

from rich.table import Table

from keras_ext.callbacks.measure import Measured
from keras_ext.diagnosis import Diagnosis, ErrorEstimate

Estimates = Mapping[str, ErrorEstimate]


def written(measured: Mapping[str, Measured], diagnosis: Diagnosis) -> dict[str, float]:
    """Errors, gaps and costs by the names under which they stand in ``logs``.

    Args:
        measured: by "train", "validation" and maybe "train_validation".
        diagnosis: made from them.
    """
    gaps = {
        "avoidable_bias": diagnosis.avoidable_bias.value,
        "variance": diagnosis.variance.value,
    }
    if diagnosis.mismatch is not None:
        gaps["mismatch"] = diagnosis.mismatch.value
    errors = {f"{name}_error": part.estimate.error for name, part in measured.items()}
    costs = {f"{name}_cost": part.cost for name, part in measured.items() if part.cost is not None}
    return errors | gaps | costs


def infinite(names: Iterable[str], *, costs: bool) -> dict[str, float]:
    """The same names, where nothing could be measured.

    >>> infinite(["train", "validation"], costs=False)
    {'train_error': inf, 'validation_error': inf, 'avoidable_bias': inf, 'variance': inf}
    """
    names = list(names)
    keys = [*(f"{name}_error" for name in names), "avoidable_bias", "variance"]
    keys += ["mismatch"] if "train_validation" in names else []
    keys += [f"{name}_cost" for name in names] if costs else []
    return dict.fromkeys(keys, inf)


def limits(estimates: Estimates) -> dict[str, float]:
    """The 95 % interval of each error.

    >>> found = limits({"train": ErrorEstimate.from_values([0, 0, 0, 1])})
    >>> [f"{name} {value:.2f}" for name, value in found.items()]
    ['train_low 0.05', 'train_high 0.70']
    """
    found = {}
    for name, estimate in estimates.items():
        found[f"{name}_low"], found[f"{name}_high"] = estimate.interval()
    return found


def table(estimates: Estimates, optimal_error: float, title: str, meaning: str) -> Table:
    """A row for each error, and one for the optimal error.

    Args:
        estimates: by the name of the examples.
        optimal_error: the Bayes error or its proxy.
        title: when it was measured.
        meaning: which error it is, in words.
    """
    columns = ("", "error", "95 % interval", "examples")
    rows = Table(*columns, title=title, caption=f"error: {meaning}")
    for name, estimate in estimates.items():
        low, high = estimate.interval()
        row = f"{estimate.error:.4g}", f"{low:.4g} to {high:.4g}", f"{estimate.count:,}"
        rows.add_row(name.replace("_", "-"), *row)
    rows.add_row("optimal", f"{optimal_error:.4g}", "as given", "")
    return rows
