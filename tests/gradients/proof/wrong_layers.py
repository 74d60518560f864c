"""Custom layers as users write them, each with the mistakes that users make in its gradient."""

from __future__ import annotations

from typing import Any

from keras import ops

from tests.gradients.proof.planting import REGISTER, Formula

STOP = ops.stop_gradient


@REGISTER
class Affine(Formula):
    """A square dense layer with tanh."""

    FAULTS = (
        "kernel transposed",
        "kernel detached",
        "bias averaged",
        "bias forgotten",
        "sign of the product",
        "activation forgotten",
        "derivative 1 - y",
    )

    def build(self, shape: Any) -> None:
        self.kernel = self.weight("kernel", shape[-1], shape[-1])
        self.bias = self.weight("bias", shape[-1])

    def compute(self, inputs: Any, fault: str) -> Any:
        kernel, bias = ops.convert_to_tensor(self.kernel), ops.convert_to_tensor(self.bias)
        kernel = ops.transpose(kernel) if fault == "kernel transposed" else kernel
        kernel = STOP(kernel) if fault == "kernel detached" else kernel
        bias = ops.mean(bias) if fault == "bias averaged" else bias
        bias = STOP(bias) if fault == "bias forgotten" else bias
        product = ops.matmul(inputs, kernel)
        before = (-product if fault == "sign of the product" else product) + bias
        if fault == "activation forgotten":
            return before
        value = ops.tanh(before)
        return before * STOP(1 - value) if fault == "derivative 1 - y" else value


@REGISTER
class HandWritten(Formula):
    """A square dense layer with a backward pass written by hand."""

    FAULTS = (
        "by hand: sign of the kernel",
        "by hand: mean for the sum",
        "by hand: kernel not transposed",
        "by hand: bias scaled",
        "by hand: one element doubled",
        "by hand: examples shifted",
        "by hand: sign of the inputs",
    )

    def build(self, shape: Any) -> None:
        self.kernel = self.weight("kernel", shape[-1], shape[-1])
        self.bias = self.weight("bias", shape[-1])

    def call(self, inputs: Any) -> Any:
        fault = self.fault.removeprefix("by hand: ")
        width, examples = self.kernel.shape[0], inputs.shape[0] or ops.shape(inputs)[0]

        @ops.custom_gradient
        def affine(inputs: Any, kernel: Any, bias: Any) -> Any:
            def gradients(*args: Any, upstream: Any = None) -> Any:
                upstream = args[0] if upstream is None else upstream
                seen = ops.roll(inputs, 1, axis=0) if fault == "examples shifted" else inputs
                of_kernel = ops.matmul(ops.transpose(seen), upstream)
                of_bias = ops.sum(upstream, axis=0)
                back = kernel if fault == "kernel not transposed" else ops.transpose(kernel)
                of_inputs = ops.matmul(upstream, back)
                if fault == "sign of the kernel":
                    of_kernel = -of_kernel
                elif fault == "mean for the sum":
                    of_bias = of_bias / ops.cast(examples, of_bias.dtype)
                elif fault == "bias scaled":
                    of_bias = 1.5 * of_bias
                elif fault == "one element doubled":
                    first = ops.one_hot(width // 2, width, dtype=of_kernel.dtype)
                    of_kernel = of_kernel * (1 + first[:, None] * first)
                elif fault == "sign of the inputs":
                    of_inputs = -of_inputs
                return of_inputs, of_kernel, of_bias

            return ops.matmul(inputs, kernel) + bias, gradients

        # TensorFlow takes no variables here, only tensors.
        return ops.tanh(affine(inputs, ops.add(self.kernel, 0), ops.add(self.bias, 0)))


@REGISTER
class Recurrence(Formula):
    """A simple recurrent layer over windows of the features, by hand."""

    FAULTS = (
        "off by one: inputs of the step before",
        "off by one: one step too few",
        "off by one: state of two steps before",
        "state detached",
        "state of the last step detached",
    )
    STEPS = 4

    def build(self, shape: Any) -> None:
        self.inner = self.weight("inner", shape[-1], shape[-1])
        self.carry = self.weight("carry", shape[-1], shape[-1])
        self.bias = self.weight("bias", shape[-1])

    def compute(self, inputs: Any, fault: str) -> Any:
        inner, carry = ops.convert_to_tensor(self.inner), ops.convert_to_tensor(self.carry)
        steps = [ops.roll(inputs, step, axis=-1) * (1 + 0.3 * step) for step in range(self.STEPS)]
        if fault == "off by one: inputs of the step before":
            steps = [steps[0], *steps[:-1]]
        steps = steps[:-1] if fault == "off by one: one step too few" else steps
        state = older = ops.zeros_like(inputs)
        for number, step in enumerate(steps):
            used = older if fault == "off by one: state of two steps before" else state
            last = number == len(steps) - 1
            if fault == "state detached" or (fault == "state of the last step detached" and last):
                used = STOP(used)
            older = state
            state = ops.tanh(ops.matmul(step, inner) + ops.matmul(used, carry) + self.bias)
        return state


@REGISTER
class Attention(Formula):
    """One head of attention over three positions made from the inputs."""

    FAULTS = (
        "scale of the scores forgotten",
        "softmax over the wrong axis",
        "scores transposed",
        "weights detached",
        "values detached",
    )

    def build(self, shape: Any) -> None:
        for name in ("query", "key", "value"):
            setattr(self, name, self.weight(name, shape[-1], shape[-1]))

    def compute(self, inputs: Any, fault: str) -> Any:
        positions = ops.stack([inputs, ops.roll(inputs, 1, axis=-1), -0.5 * inputs], axis=1)
        query, key, value = (
            ops.matmul(positions, ops.convert_to_tensor(kernel))
            for kernel in (self.query, self.key, self.value)
        )
        scores = ops.matmul(query, ops.transpose(key, (0, 2, 1)))
        scores = ops.transpose(scores, (0, 2, 1)) if fault == "scores transposed" else scores
        if fault != "scale of the scores forgotten":
            scores = scores / inputs.shape[-1] ** 0.5
        weights = ops.softmax(scores, axis=1 if fault == "softmax over the wrong axis" else -1)
        weights = STOP(weights) if fault == "weights detached" else weights
        value = STOP(value) if fault == "values detached" else value
        return ops.sum(ops.matmul(weights, value), axis=1)


@REGISTER
class Normalised(Formula):
    """Layer normalisation."""

    FAULTS = ("mean detached", "deviation detached", "scale forgotten", "scale averaged")

    def build(self, shape: Any) -> None:
        self.scale = self.weight("scale", shape[-1])
        self.shift = self.weight("shift", shape[-1])

    def compute(self, inputs: Any, fault: str) -> Any:
        mean = ops.mean(inputs, axis=-1, keepdims=True)
        mean = STOP(mean) if fault == "mean detached" else mean
        spread = ops.sqrt(ops.mean(ops.square(inputs - mean), axis=-1, keepdims=True) + 1e-3)
        spread = STOP(spread) if fault == "deviation detached" else spread
        scale = 1 + ops.convert_to_tensor(self.scale)
        scale = STOP(scale) if fault == "scale forgotten" else scale
        scale = ops.mean(scale) if fault == "scale averaged" else scale
        return (inputs - mean) / spread * scale + self.shift


@REGISTER
class Highway(Formula):
    """A gate between a transformed and the plain input."""

    FAULTS = ("carry forgotten", "gate detached", "sigmoid's derivative forgotten", "gate's sign")

    def build(self, shape: Any) -> None:
        self.gate = self.weight("gate", shape[-1], shape[-1])
        self.inner = self.weight("inner", shape[-1], shape[-1])

    def compute(self, inputs: Any, fault: str) -> Any:
        before = ops.matmul(inputs, ops.convert_to_tensor(self.gate))
        before = -before if fault == "gate's sign" else before
        gate = before if fault == "sigmoid's derivative forgotten" else ops.sigmoid(before)
        gate = STOP(gate) if fault == "gate detached" else gate
        inner = ops.tanh(ops.matmul(inputs, ops.convert_to_tensor(self.inner)))
        carried = STOP(inputs) if fault == "carry forgotten" else inputs
        return gate * inner + (1 - gate) * carried


@REGISTER
class WeightNormalised(Formula):
    """Weight normalisation: each column of the kernel has the length that a weight says."""

    FAULTS = ("norm detached", "norm over the wrong axis", "norm not squared")

    def build(self, shape: Any) -> None:
        self.kernel = self.weight("kernel", shape[-1], shape[-1])
        self.length = self.weight("length", shape[-1])

    def compute(self, inputs: Any, fault: str) -> Any:
        kernel = ops.convert_to_tensor(self.kernel)
        axis = 1 if fault == "norm over the wrong axis" else 0
        squares = ops.sum(ops.square(kernel), axis=axis, keepdims=True) + 1e-3
        norm = squares if fault == "norm not squared" else ops.sqrt(squares)
        norm = STOP(norm) if fault == "norm detached" else norm
        return ops.matmul(inputs, kernel / norm) * (1 + ops.convert_to_tensor(self.length))


@REGISTER
class Slopes(Formula):
    """A smooth rectifier whose slope on the negative side is learnt."""

    FAULTS = ("negative side forgotten", "slope's sign", "one slope for all")

    def build(self, shape: Any) -> None:
        self.slope = self.weight("slope", shape[-1])

    def compute(self, inputs: Any, fault: str) -> Any:
        slope = ops.convert_to_tensor(self.slope)
        slope = -slope if fault == "slope's sign" else slope
        slope = ops.mean(slope) + 0 * slope if fault == "one slope for all" else slope
        negative = (
            0 * inputs if fault == "negative side forgotten" else slope * ops.softplus(-inputs)
        )
        return ops.softplus(inputs) - negative


@REGISTER
class Lookup(Formula):
    """An embedding of which class numbers, made from the inputs, choose rows."""

    FAULTS = ("duplicates counted once", "off by one: the next row")
    ROWS = 11

    def build(self, shape: Any) -> None:
        self.table = self.weight("table", self.ROWS, shape[-1])

    def compute(self, inputs: Any, fault: str) -> Any:
        chosen = ops.arange(ops.shape(inputs)[0]) % (self.ROWS // 3)
        shifted = (chosen + 1) % self.ROWS if fault == "off by one: the next row" else chosen
        rows = ops.one_hot(shifted, self.ROWS, dtype=inputs.dtype)
        if fault == "duplicates counted once":
            rows = rows / ops.maximum(ops.sum(rows, axis=0), 1)
        return inputs + ops.matmul(rows, ops.convert_to_tensor(self.table))


LAYERS: tuple[type[Formula], ...] = (
    Affine,
    HandWritten,
    Recurrence,
    Attention,
    Normalised,
    Highway,
    WeightNormalised,
    Slopes,
    Lookup,
)
