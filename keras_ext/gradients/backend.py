"""The one file that knows tensorflow, jax and torch: taking a gradient, and their random state.

Each backend is imported when it is the one Keras runs on, and a function is needed.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_ext.gradients import vectorised
from keras_ext.gradients.blocked import Step, Trace, step

Cost = Callable[[np.ndarray], float]
Gradient = Callable[[np.ndarray], np.ndarray]
Stateless = Callable[[list[Any]], Any]
Tap = Callable[[Any], Any]


@contextlib.contextmanager
def double_precision() -> Iterator[None]:
    """Let float64 be float64, for as long as it lasts.

    jax cuts float64 down to float32 unless asked not to. Keras does the same on every backend but
    TensorFlow in its rules of type promotion, and has no public switch for it: where this one is
    gone, the check measures single precision and says so.
    """
    with contextlib.ExitStack() as stack:
        if keras.backend.backend() == "jax":
            stack.enter_context(_jax_double())
        capped = _capped()
        stack.callback(capped.update, dict(capped))
        capped["float64"] = "float64"
        yield


def _capped() -> dict[str, str]:
    try:
        from keras.src.backend.common.dtypes import BIT64_TO_BIT32_DTYPE
    except ImportError:
        return {}
    return BIT64_TO_BIT32_DTYPE


def _jax_double() -> AbstractContextManager[Any]:
    import jax

    if hasattr(jax, "enable_x64"):
        return jax.enable_x64(True)
    from jax import experimental  # Before jax 0.8.

    return experimental.enable_x64()


def errors() -> tuple[type[Exception], ...]:
    """What a cost raises that doesn't fit its data or its precision."""
    common = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
    if keras.backend.backend() != "tensorflow":
        return common
    import tensorflow as tf

    return (*common, tf.errors.OpError)


def functions(
    stateless: Stateless, shapes: Sequence[tuple[int, ...]], dtype: str
) -> tuple[Cost, Gradient]:
    """The cost and its gradient over one flat float64 vector, compiled once except on torch.

    Args:
        stateless: from one tensor a variable to the cost, a scalar tensor; without side effects.
        shapes: of the variables.
        dtype: that they are computed in, "float64" or "float32".

    Returns:
        The cost, which can do many points at once, and the gradient.
    """
    make = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}.get(keras.backend.backend())
    if make is None:
        raise NotImplementedError(f"no gradients on the {keras.backend.backend()} backend")
    sizes = [int(np.prod(shape, dtype="int64")) for shape in shapes]
    ends = [int(end) for end in np.cumsum([0, *sizes])]

    def split(theta: Any) -> list[Any]:
        parts = [theta[first:last] for first, last in itertools.pairwise(ends)]
        return [ops.reshape(part, shape) for part, shape in zip(parts, shapes, strict=True)]

    cost, gradient = make(stateless, split, dtype, ends[-1])
    return vectorised.Cost(
        cost, vectorised.maker(stateless, split, shapes, dtype), ends, dtype
    ), gradient


def _tensorflow(
    stateless: Stateless, split: Callable[[Any], list[Any]], dtype: str, size: int
) -> tuple[Cost, Gradient]:
    import tensorflow as tf

    def cost(theta: Any) -> Any:
        return stateless(split(theta))

    def gradient(theta: Any) -> Any:
        parts = split(theta)
        with tf.GradientTape() as tape:
            tape.watch(parts)
            value = stateless(parts)
        found = tape.gradient(value, parts, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return tf.concat([tf.reshape(tf.convert_to_tensor(part), [-1]) for part in found], 0)

    def compiled(function: Callable[[Any], Any]) -> Callable[[np.ndarray], Any]:
        # The concrete function: calling the other counts as retracing from the fifth model on.
        spec = tf.TensorSpec([size], dtype)
        concrete = tf.function(function, autograph=False).get_concrete_function(spec)
        return lambda theta: concrete(tf.constant(theta, dtype)).numpy().astype("float64")

    compiled_cost = compiled(cost)
    return lambda theta: float(compiled_cost(theta)), compiled(gradient)


def _jax(
    stateless: Stateless, split: Callable[[Any], list[Any]], dtype: str, size: int
) -> tuple[Cost, Gradient]:
    import jax

    def of_theta(theta: Any) -> Any:
        return stateless(split(theta))

    cost, gradient = jax.jit(of_theta), jax.jit(jax.grad(of_theta))
    return (
        lambda theta: float(cost(theta.astype(dtype))),
        lambda theta: np.asarray(gradient(theta.astype(dtype)), dtype="float64"),
    )


def _torch(
    stateless: Stateless, split: Callable[[Any], list[Any]], dtype: str, size: int
) -> tuple[Cost, Gradient]:
    import torch

    devices = list(range(torch.cuda.device_count()))

    def evaluate(flat: Any) -> Any:
        # Dropout without a seed follows torch's own random state, not Keras's seed generator.
        with torch.random.fork_rng(devices):
            torch.manual_seed(0)
            return stateless(split(flat))

    def cost(theta: np.ndarray) -> float:
        with torch.no_grad():
            return float(evaluate(ops.convert_to_tensor(theta, dtype)))

    def gradient(theta: np.ndarray) -> np.ndarray:
        flat = ops.convert_to_tensor(theta, dtype).requires_grad_()
        value = evaluate(flat)
        if not value.requires_grad:
            return np.zeros_like(theta)
        (found,) = torch.autograd.grad(value, [flat], allow_unused=True)
        return np.zeros_like(theta) if found is None else found.cpu().numpy().astype("float64")

    return cost, gradient


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


def gradients_within(cost: Callable[[Tap], Any]) -> tuple[list[Any], list[Any]]:
    """Values within the computation of a cost, and its gradient with respect to each of them.

    Args:
        cost: computes a scalar tensor without side effects. It calls the tap that it is given with
            each float tensor of interest, and goes on with the tensor that the tap returns. It may
            be called twice, and must then do the same.

    Returns:
        The tensors that the tap was called with, and the gradients, zeros where the cost doesn't
        depend on one.
    """
    make = {
        "tensorflow": _tensorflow_within,
        "jax": _jax_within,
        "torch": _torch_within,
    }.get(keras.backend.backend())
    if make is None:
        raise NotImplementedError(f"no gradients on the {keras.backend.backend()} backend")
    return make(cost)


def _tensorflow_within(cost: Callable[[Tap], Any]) -> tuple[list[Any], list[Any]]:
    import tensorflow as tf

    values: list[Any] = []
    with tf.GradientTape(watch_accessed_variables=False) as tape:

        def tap(value: Any) -> Any:
            tape.watch(value)
            values.append(value)
            return value

        found = cost(tap)
    zero = tf.UnconnectedGradients.ZERO
    gradients = tape.gradient(found, values, unconnected_gradients=zero) if values else []
    return values, [tf.convert_to_tensor(gradient) for gradient in gradients]


def _jax_within(cost: Callable[[Tap], Any]) -> tuple[list[Any], list[Any]]:
    import jax
    import jax.numpy as jnp

    def with_offsets(offsets: list[Any]) -> tuple[Any, list[Any]]:
        values: list[Any] = []

        def tap(value: Any) -> Any:
            values.append(value)
            return value + offsets[len(values) - 1] if offsets else value

        return cost(tap), values

    # A gradient with respect to what is added to a value is one with respect to the value.
    _, shapes = jax.eval_shape(with_offsets, [])
    offsets = [jnp.zeros(shape.shape, shape.dtype) for shape in shapes]
    gradients, values = jax.grad(with_offsets, has_aux=True)(offsets)
    return values, gradients


def _torch_within(cost: Callable[[Tap], Any]) -> tuple[list[Any], list[Any]]:
    import torch

    values: list[Any] = []

    def tap(value: Any) -> Any:
        value = value if value.requires_grad else value.detach().requires_grad_()
        values.append(value)
        return value

    # Dropout without a seed follows torch's own random state, not Keras's seed generator.
    with torch.enable_grad(), torch.random.fork_rng(list(range(torch.cuda.device_count()))):
        found = cost(tap)
    if not values or not found.requires_grad:
        return values, [torch.zeros_like(value) for value in values]
    gradients = torch.autograd.grad(found, values, allow_unused=True)
    return [value.detach() for value in values], [
        torch.zeros_like(value) if gradient is None else gradient
        for value, gradient in zip(values, gradients, strict=True)
    ]


def random_state() -> Any:
    """What the backend's own random generator has for a state, as arrays and plain values.

    None where there is none (jax), or where it can't be had: on TensorFlow it has no public name.
    Layers of Keras don't draw from it; torch orders the batches of arrays with it.
    """
    backend = keras.backend.backend()
    if backend == "torch":
        import torch

        devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        return [state.numpy() for state in (torch.get_rng_state(), *devices)]
    context = _tensorflow_context()
    generator = getattr(context, "_rng", None)
    return None if generator is None else [context._seed, generator.getstate()]


def set_random_state(state: Any) -> None:
    """Take up what ``random_state`` returned."""
    if state is None:
        return
    if keras.backend.backend() == "torch":
        import torch

        cpu, *devices = (torch.from_numpy(array) for array in state)
        torch.set_rng_state(cpu)
        if devices and len(devices) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(devices)
        return
    context = _tensorflow_context()
    if context is not None:
        import tensorflow as tf

        seed, generator = state
        tf.random.set_seed(seed)
        context._rng.setstate(generator)


def _tensorflow_context() -> Any:
    """That whose generator, there after ``set_random_seed``, gives eager operations their seeds."""
    if keras.backend.backend() != "tensorflow":
        return None
    try:
        from tensorflow.python.eager import context
    except ImportError:
        return None
    return context.context()
