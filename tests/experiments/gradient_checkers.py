"""The planted faults by this checker, torch.autograd.gradcheck and jax.test_util.check_grads.

    KERAS_BACKEND=torch .venv-backends/bin/python tests/experiments/gradient_checkers.py journal
    KERAS_BACKEND=jax .venv-backends/bin/python tests/experiments/gradient_checkers.py journal

Each fault and its twin without the fault are models of the same weights. The rivals get the same
cost, as a function of all weights as tensors in double precision, with their own defaults: the
tolerances, steps and numbers of directions are theirs. On jax the function is compiled. Each
verdict is a line of the journal: a run that is stopped goes on where it was, and --table prints
what there is. The faults are those of the half that is kept aside.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import keras
import numpy as np

from keras_ext.gradients import check_gradients, copies
from tests.gradients.proof.faults import Fault, faults

MOST_WEIGHTS = 2_000
"""gradcheck's slow mode takes two evaluations a weight: larger models are left out, and counted."""

Verdict = bool
"""Whether the gradient was called wrong."""


def ours(model: keras.Model, x: np.ndarray, y: np.ndarray) -> Verdict:
    """This checker with its defaults."""
    return not check_gradients(model, x, y).ok


def function_of(
    model: keras.Model, x: np.ndarray, y: np.ndarray
) -> tuple[Callable[..., Any], list[Any]]:
    """The cost as a function of tensors, one a trainable variable, and the weights as they are."""
    variables = model.trainable_variables
    x, y = (keras.ops.convert_to_tensor(array) for array in (x, y.astype("float64")))
    x = keras.ops.cast(x, "float64") if "float" in keras.backend.standardize_dtype(x.dtype) else x

    def cost(*values: Any) -> Any:
        state = list(zip(variables, values, strict=True))
        with keras.StatelessScope(state, collect_losses=True):
            return model.compute_loss(x, y, model(x, training=True), training=True)

    return cost, [np.array(keras.ops.convert_to_numpy(one.value)) for one in variables]


def gradcheck(model: keras.Model, x: np.ndarray, y: np.ndarray, *, fast: bool) -> Verdict:
    """torch.autograd.gradcheck.

    After its verdict, the fast mode runs the slow one for the words of its error. That may take
    minutes and isn't needed for a verdict: it is left out here, in favour of its time.
    """
    import torch

    module = sys.modules["torch.autograd.gradcheck"]
    module._run_slow_mode_and_get_error = lambda *args: ""
    cost, values = function_of(model, x, y)
    tensors = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in values]
    torch.manual_seed(0)
    return not torch.autograd.gradcheck(cost, tensors, fast_mode=fast, raise_exception=False)


def check_grads(model: keras.Model, x: np.ndarray, y: np.ndarray) -> Verdict:
    """jax.test_util.check_grads; in reverse mode alone where a custom gradient has no other."""
    import jax
    from jax.test_util import check_grads as check

    cost, values = function_of(model, x, y)
    np.random.seed(0)
    try:
        check(jax.jit(cost), values, order=1)
    except AssertionError:
        return True
    except TypeError:
        try:
            check(jax.jit(cost), values, order=1, modes=("rev",))
        except AssertionError:
            return True
    return False


CHECKERS: dict[str, dict[str, Callable[..., Verdict]]] = {
    "torch": {
        "keras_ext on torch": ours,
        "torch.autograd.gradcheck, fast": lambda *args: gradcheck(*args, fast=True),
        "torch.autograd.gradcheck, slow": lambda *args: gradcheck(*args, fast=False),
    },
    "jax": {"keras_ext on jax": ours, "jax.test_util.check_grads": check_grads},
}


def measure(journal: Path, checkers: dict[str, Callable[..., Verdict]]) -> None:
    """Write a line for each checker, fault and twin that has none yet.

    Of the half that is kept aside, one checker after the other, small faults first.
    """
    done = {(line["checker"], line["fault"], line["wrong"]) for line in lines(journal)}
    with journal.open("a") as file:
        half = sorted(faults()[1], key=lambda fault: fault.size, reverse=True)
        for (name, checker), fault in itertools.product(checkers.items(), half):
            for wrong in (True, False):
                if (name, str(fault), wrong) not in done:
                    line = judged(name, checker, fault, wrong)
                    print(json.dumps(line), file=file, flush=True)


def judged(name: str, checker: Callable[..., Verdict], fault: Fault, wrong: bool) -> dict[str, Any]:
    """One verdict and the time it took; None where the model is too large."""
    line: dict[str, Any] = {"checker": name, "fault": str(fault), "wrong": wrong}
    line["one_element"], line["size"] = fault.one_element, fault.size
    with copies.computing_in("float64"):
        data, model = fault.data(), fault.model(wrong)
        line["weights"] = model.count_params()
        if name.endswith("slow") and line["weights"] > MOST_WEIGHTS:
            return {**line, "said_wrong": None, "seconds": None}
        began = time.perf_counter()
        said = checker(model, *data)
    return {**line, "said_wrong": bool(said), "seconds": time.perf_counter() - began}


def lines(journal: Path) -> list[dict[str, Any]]:
    """What is known so far."""
    return (
        [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []
    )


def table(known: list[dict[str, Any]]) -> str:
    """Found, missed, false alarms and time of each checker, as Markdown."""
    rows = [
        "| checker | faults | found | missed | one element | false alarms | median | longest |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for checkers in CHECKERS.values():
        for name in checkers:
            own = [
                line for line in known if line["checker"] == name and line["seconds"] is not None
            ]
            wrong = [line for line in own if line["wrong"]]
            right = [line for line in own if not line["wrong"]]
            if wrong and right:
                found = sum(line["said_wrong"] for line in wrong)
                ones = [line["said_wrong"] for line in wrong if line["one_element"]]
                alarms = sum(line["said_wrong"] for line in right)
                took = [line["seconds"] for line in wrong]
                rows.append(
                    f"| {name} | {len(wrong)} | {found} | {len(wrong) - found} | {sum(ones)} of"
                    f" {len(ones)} | {alarms} of {len(right)} | {statistics.median(took):.2f} s |"
                    f" {max(took):.1f} s |"
                )
    return "\n".join(rows)


def main() -> None:
    """Measure on the backend that Keras runs on, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("journal", type=Path)
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args()
    if given.table:
        print(table(lines(given.journal)))
        return
    backend = keras.backend.backend()
    if backend not in CHECKERS:
        raise SystemExit(f"KERAS_BACKEND must be one of {', '.join(CHECKERS)}, got {backend}")
    measure(given.journal, CHECKERS[backend])


if __name__ == "__main__":
    main()
