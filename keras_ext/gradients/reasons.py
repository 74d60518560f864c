"""Why a variable could not be judged, or a cost not be trusted: read off the computation."""

from __future__ import annotations

import re
from collections.abc import Sequence

from keras_ext.errors import ConfigError
from keras_ext.gradients import algorithm
from keras_ext.gradients.adapter import Flat
from keras_ext.gradients.backend import Cost
from keras_ext.gradients.blocked import FLAT, Step, Trace, blockers
from keras_ext.gradients.finding import Finding

DRAWS = re.compile(r"random|normal|uniform|bernoulli|multinomial|dropout|py_func")
STATELESS = re.compile(r"stateless|threefry|random_bits|random_wrap|random_unwrap|random_seed")


def of_findings(flat: Flat, findings: Sequence[Finding]) -> list[str]:
    """For each finding what it comes from, where that can be told; else "".

    Only a gradient that is zero throughout is looked into: then either the cost does not depend on
    the variable, or operations without a derivative stand on every way to it.
    """
    doubted = [n for n, found in enumerate(findings) if found.status not in ("ok", "not finite")]
    gradient = flat.gradient(flat.theta) if doubted else flat.theta
    zero = [number for number in doubted if not gradient[flat.segments[number]].any()]
    trace = flat.trace() if zero else None
    texts = []
    for number, finding in enumerate(findings):
        text = "too small for the noise of the cost" if finding.status == "untested" else ""
        if number in zero and trace is not None:
            steps = blockers(trace, number)
            text = "zero against zero" if finding.status == "untested" else ""
            if steps is None:
                text = "disconnected: the cost does not depend on it"
            elif steps:
                text = f"no gradient comes through {_listed(_named(steps, flat.layers))}"
        texts.append(text)
    return texts


def check_deterministic(flat: Flat, value: float, cost: Cost) -> None:
    """Refuse a cost that another evaluation at the same weights gives another value.

    Args:
        flat: whose cost it is.
        value: of the first evaluation.
        cost: for the other one.

    Raises:
        ConfigError: naming the operations that draw random numbers, where the backend tells.
    """
    again = cost(flat.theta)
    if not abs(again - value) > algorithm.DETERMINISTIC * abs(value):
        return
    drawn = _named(_drawing(flat.trace()), flat.layers)
    source = f" (from {_listed(drawn)})" if drawn else ""
    raise ConfigError(
        f"the cost must be deterministic, got {value!r} and then {again!r} at the same weights"
        f"{source}: draw random numbers from a keras.random.SeedGenerator that the layer owns"
    )


def _drawing(trace: Trace) -> list[Step]:
    steps = [step for step in trace.steps if DRAWS.search(step.name)]
    return [step for step in steps if not STATELESS.search(step.name)]


def _named(steps: Sequence[Step], layers: frozenset[str]) -> list[str]:
    """Each with the innermost layer that its scope names; scopes may have a number appended.

    Where some are known to have no derivative, comparisons and casts beside them are left out.

    >>> _named([Step("round", (), (), (), "model_1/grid_1/call")], frozenset({"model", "grid"}))
    ["round in layer 'grid'"]
    """
    found = []
    known = [step for step in steps if step.name in FLAT or step.name.startswith("arg")]
    for step in known or steps:
        names = [
            name
            for part in step.where.split("/")
            for name in (part, re.sub(r"_\d+$", "", part))
            if name in layers
        ]
        found.append(f"{step.name} in layer {names[-1]!r}" if names else step.name)
    return list(dict.fromkeys(found))


def _listed(names: Sequence[str], most: int = 3) -> str:
    """Some of them in words.

    >>> _listed(["round in a", "argmax in b"])
    'round in a and argmax in b'
    """
    rest = len(names) - most
    shown = [*names[:most], *([f"{rest} more"] if rest > 0 else [])]
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))
