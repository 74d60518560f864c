"""Where a gradient gets lost on the way from a cost back to a weight.

Pure: works on the recorded steps of a computation.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

FLAT = frozenset(("round", "rint", "floor", "ceil", "trunc", "sign", "heaviside")) | {
    "floor_div",
    "floor_divide",
    "stop_gradient",
}
"""Steps whose derivative is zero wherever it exists, or is declared to be."""

SHAPES = frozenset(("shape", "shape_n", "size", "rank", "zeros_like", "ones_like"))
"""Steps that read nothing of their input but its shape."""

_NAMES = {
    "arg_max": "argmax",
    "arg_min": "argmin",
    "detach": "stop_gradient",
    "gt": "greater",
    "ge": "greater_equal",
    "lt": "less",
    "le": "less_equal",
    "eq": "equal",
    "ne": "not_equal",
}


@dataclass(frozen=True)
class Step:
    """One operation of a computation.

    Args:
        name: of the operation, such as "matmul".
        inputs, outputs: what stands for the tensors.
        passing: the outputs that gradients can come back from.
        where: the scope of the layer, "" where the backend doesn't know it.
    """

    name: str
    inputs: tuple[Hashable, ...]
    outputs: tuple[Hashable, ...]
    passing: tuple[Hashable, ...]
    where: str = ""


@dataclass(frozen=True)
class Trace:
    """A computation from several parts to one cost.

    Args:
        steps: in an order in which they can be computed.
        parts: what stands for the tensors that a gradient is wanted for.
        cost: likewise for the cost.
    """

    steps: tuple[Step, ...]
    parts: tuple[Hashable, ...]
    cost: Hashable


def step(
    name: str,
    inputs: Sequence[Hashable],
    outputs: Sequence[Hashable],
    floats: Sequence[Hashable],
    where: str = "",
) -> Step:
    """A step with one name for all backends.

    Args:
        name, inputs, outputs, where: as for ``Step``; the name as its backend has it.
        floats: the outputs that are floating-point tensors; no gradient comes from others.
    """
    name = _NAMES.get(name.lower().strip("_"), name.lower().strip("_"))
    passing = () if name in FLAT else tuple(floats)
    return Step(name, tuple(inputs), tuple(outputs), passing, where)


def blockers(trace: Trace, number: int) -> tuple[Step, ...] | None:
    """The steps that let no gradient through on each way from the cost to a part.

    >>> steps = [step("round", ["w"], ["r"], ["r"]), step("mul", ["r", "v"], ["c"], ["c"])]
    >>> trace = Trace(tuple(steps), ("w", "v", "u"), "c")
    >>> blockers(trace, 0) == (steps[0],), blockers(trace, 1), blockers(trace, 2)
    (True, (), None)

    Args:
        trace: the computation.
        number: of the part.

    Returns:
        These steps; empty where a gradient can come through, None where the cost does not depend
        on the part at all.
    """
    start = trace.parts[number]
    reached, smooth, leading = {start}, {start}, {trace.cost}
    relevant = [step for step in trace.steps if step.name not in SHAPES]
    for step in relevant:
        if not reached.isdisjoint(step.inputs):
            reached.update(step.outputs)
        if not smooth.isdisjoint(step.inputs):
            smooth.update(step.passing)
    for step in reversed(relevant):
        if not leading.isdisjoint(step.outputs):
            leading.update(step.inputs)
    if trace.cost not in reached:
        return None
    if trace.cost in smooth:
        return ()
    return tuple(
        step
        for step in relevant
        if not smooth.isdisjoint(step.inputs)
        and any(out in leading and out not in smooth for out in step.outputs)
    )
