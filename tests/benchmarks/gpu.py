"""The ratios of resident images and augmentation on a GPU: ``make benchmark-gpu``.

Prints one JSON line for each as ``make benchmark`` does, with the name of the device. Without a GPU
it says so in one line, measures nothing and exits with 0: nothing is wrong. ``--on-cpu`` measures
nevertheless, to try the program where there is none.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import recipes  # noqa: F401  # Before TensorFlow, which it sets up.
from keras_ext import data
from keras_ext.callbacks import BiasVariance
from tests.benchmarks import augmentation

NO_GPU = "no GPU is visible to TensorFlow: nothing was measured (make benchmark needs none)"


def against_layers(repeats: int) -> dict[str, object]:
    """Images a second into ``fit``: resident ones over four Keras layers that get whole batches."""
    theirs = augmentation.stacked(by_batch=True)
    return augmentation.into_fit("resident_batched", theirs, 2.5, repeats, placement="device")


def against_host(repeats: int) -> dict[str, object]:
    """Images a second into ``fit``: resident ones over the same batches from the host."""
    host = data.training_batches(
        augmentation.cifar10(),
        batch_size=augmentation.BATCH,
        augmentation=augmentation.MOVES,
        placement="host",
        seed=0,
    )
    unit = "images per second of the same batches from the host"
    name = "resident_against_host"
    return augmentation.into_fit(name, host, None, repeats, placement="device", unit=unit)


def cifar_step(repeats: int) -> dict[str, object]:
    """Time of the CIFAR-10 recipe's training steps, resident, with augmentation over without."""
    return augmentation.cifar_step(repeats, "device")


def mnist_step(repeats: int) -> dict[str, object]:
    """Time of training steps of keras.io's MNIST convnet, likewise."""
    return augmentation.mnist_step(repeats, "device")


def across_the_bus(repeats: int) -> dict[str, object]:
    """Bytes copied to the GPU in an epoch of 25,600 images: those of the host over resident ones.

    With the measurement after it, of 5,000 training and 5,000 validation examples, by BiasVariance.
    Counted by the profiler of TensorFlow; ``repeats`` would change nothing.
    """
    sent = {where: copied(where) for where in ("device", "host")}
    epoch = copied("device", measured=False)
    print(
        f"resident_bus: {sent['device']:,} bytes, {epoch:,} without the measurement, against"
        f" {sent['host']:,}",
        file=sys.stderr,
    )
    if not sent["device"]:
        print("resident_bus: the profiler has seen no copies to a GPU", file=sys.stderr)
    ratio = sent["host"] / sent["device"] if sent["device"] else None
    unit = "bytes copied to the GPU from the host in an epoch and its measurement, over resident"
    line = {"name": "resident_bus", "ratio": ratio, "target": None, "unit": unit, "n": 1}
    return {**line, "bytes": {**sent, "device_without_measurement": epoch}}


def copied(placement: str, *, measured: bool = True) -> int:
    """Bytes from the host to the GPU in the second epoch, and in the measurement at its end."""
    import keras
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    some = 200 * augmentation.BATCH
    train = augmentation.cifar10().take(slice(0, some))
    validation = augmentation.cifar10().take(slice(some, some + 5_000))
    batches = data.training_batches(
        train,
        batch_size=augmentation.BATCH,
        augmentation=augmentation.MOVES,
        placement=placement,
        seed=0,
    )
    core = keras.Sequential([keras.Input(train.x.shape[1:]), keras.layers.GlobalAveragePooling2D()])
    core.add(keras.layers.Dense(10))
    model = batches.training_model(core)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    watch = BiasVariance((train.x, train.y), (validation.x, validation.y))
    total, profiler = 0, tf.profiler.experimental
    with tempfile.TemporaryDirectory() as folder:
        # Ends after the callbacks before it.
        profiled = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: profiler.start(folder) if epoch == 1 else None,
            on_epoch_end=lambda epoch, logs: profiler.stop() if epoch == 1 else None,
        )
        callbacks = [watch, profiled] if measured else [profiled]
        model.fit(batches, epochs=2, verbose=0, shuffle=False, callbacks=callbacks)
        for file in Path(folder).rglob("*.xplane.pb"):
            space = xplane_pb2.XSpace.FromString(file.read_bytes())
            for plane in (plane for plane in space.planes if "GPU" in plane.name):
                total += sum(map(int, _to_device(plane)))
    return total


def _to_device(plane: Any) -> Iterator[str]:
    """The sizes of the copies, as the profiler tells them: "kind_src:... size:1024 ..."."""
    for event in (event for line in plane.lines for event in line.events):
        if plane.event_metadata[event.metadata_id].name == "MemcpyH2D":
            for stat in event.stats:
                if plane.stat_metadata[stat.metadata_id].name == "memcpy_details":
                    text = stat.str_value or plane.stat_metadata[stat.ref_value].name
                    yield dict(part.split(":", 1) for part in text.split() if ":" in part)["size"]


BENCHMARKS = {
    "resident_bus": across_the_bus,
    "resident_batched": against_layers,
    "resident_against_host": against_host,
    "resident_cifar10_step": cifar_step,
    "resident_mnist_step": mnist_step,
}


def devices() -> list[str]:
    """The names of the GPUs that TensorFlow sees."""
    import tensorflow as tf

    found = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(item) for item in found]
    return [str(item.get("device_name", "a GPU")) for item in details]


def main() -> int:
    """Run the benchmarks that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="which (default: all)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--on-cpu", action="store_true", help="measure without a GPU, too")
    given = parser.parse_args()
    names = devices()
    if not names and not given.on_cpu:
        print(NO_GPU)
        return 0
    device = ", ".join(names) or "the processor, no GPU"
    for name in given.names or BENCHMARKS:
        line = BENCHMARKS[name](given.repeats)
        print(json.dumps({**line, "name": name, "device": device}), flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
