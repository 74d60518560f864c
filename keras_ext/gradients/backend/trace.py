"""The operations that a cost is computed by."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_ext.gradients.backend.functions import Stateless
from keras_ext.gradients.blocked import Step, Trace, step


def trace(stateless: Stateless, shapes: Sequence[tuple[int, ...]], dtype: str) -> Trace:
    """The operations that a cost is computed by, for finding where a gradient gets lost.

    Args:
        stateless, shapes, dtype: as for ``functions``.
    """
    make = {"tensorflow": _tensorflow_trace, "jax": _jax_trace, "torch": _torch_trace}
    return make[keras.backend.backend()](stateless, shapes, dtype)


def _tensorflow_trace(stateless: Stateless, shapes: Sequence[tuple[int, ...]], dtype: str) -> Trace:
    import tensorflow as tf

    specs = [tf.TensorSpec(shape, dtype) for shape in shapes]
    function = tf.function(lambda *parts: stateless(list(parts)), autograph=False)
    graph = function.get_concrete_function(*specs).graph
    steps = []
    for operation in graph.get_operations():
        outputs = operation.outputs
        steps.append(
            step(
                re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", operation.type),
                [tensor.name for tensor in operation.inputs],
                [tensor.name for tensor in outputs],
                [tensor.name for tensor in outputs if tensor.dtype.is_floating],
                operation.name.rpartition("/")[0],
            )
        )
    parts = tuple(tensor.name for tensor in graph.inputs[: len(shapes)])
    return Trace(tuple(steps), parts, graph.outputs[0].name)


def _jax_trace(stateless: Stateless, shapes: Sequence[tuple[int, ...]], dtype: str) -> Trace:
    import jax
    import jax.numpy as jnp

    closed = jax.make_jaxpr(stateless)([jnp.zeros(shape, dtype) for shape in shapes])
    steps: list[Step] = []
    fresh = itertools.count()

    def walk(jaxpr: Any, known: dict[Any, int], within: str) -> list[int]:
        """Note the steps; what stands for the outputs of a computation, or of one in it."""

        def name(variable: Any) -> int:
            if hasattr(variable, "val"):  # A literal.
                return next(fresh)
            return known.setdefault(variable, next(fresh))

        for equation in jaxpr.eqns:
            inputs = [name(variable) for variable in equation.invars]
            outputs = [name(variable) for variable in equation.outvars]
            where = str(equation.source_info.name_stack) or within
            inner = equation.params.get("jaxpr")
            if equation.primitive.name in ("pjit", "jit", "closed_call") and inner is not None:
                found = walk(inner.jaxpr, dict(zip(inner.jaxpr.invars, inputs, strict=True)), where)
                for inside, outside in zip(found, outputs, strict=True):
                    steps.append(step("call", [inside], [outside], [outside]))
                continue
            kinds = zip(outputs, equation.outvars, strict=True)
            floats = [key for key, var in kinds if jnp.issubdtype(var.aval.dtype, jnp.floating)]
            steps.append(step(equation.primitive.name, inputs, outputs, floats, where))
        return [name(variable) for variable in jaxpr.outvars]

    known = {variable: next(fresh) for variable in closed.jaxpr.invars}
    parts = tuple(known.values())
    (cost,) = walk(closed.jaxpr, known, "")
    return Trace(tuple(steps), parts, cost)


def _torch_trace(stateless: Stateless, shapes: Sequence[tuple[int, ...]], dtype: str) -> Trace:
    import torch
    from torch.utils import _python_dispatch, _pytree

    steps: list[Step] = []
    kept: dict[int, Any] = {}  # Alive, so that each keeps its id.

    def tensors(tree: Any) -> list[Any]:
        found = [leaf for leaf in _pytree.tree_leaves(tree) if isinstance(leaf, torch.Tensor)]
        kept.update({id(tensor): tensor for tensor in found})
        return found

    def sharing(tensor: Any) -> list[Any]:
        """All that change when the tensor is written to."""
        place = tensor.untyped_storage()._cdata
        return [other for other in kept.values() if other.untyped_storage()._cdata == place]

    class Recorder(_python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(
            self, function: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            given, result = tensors((args, kwargs)), function(*args, **(kwargs or {}))
            made = tensors(result)
            if function._schema.is_mutable:
                made = [other for tensor in made for other in sharing(tensor)]
            floats = [id(tensor) for tensor in made if tensor.dtype.is_floating_point]
            outputs = [id(tensor) for tensor in made]
            steps.append(
                step(function.overloadpacket.__name__, list(map(id, given)), outputs, floats)
            )
            return result

    parts = [ops.zeros(shape, dtype) for shape in shapes]
    kept.update({id(part): part for part in parts})
    with torch.no_grad(), torch.random.fork_rng(list(range(torch.cuda.device_count()))), Recorder():
        cost = stateless(parts)
    return Trace(tuple(steps), tuple(map(id, parts)), id(cost))
