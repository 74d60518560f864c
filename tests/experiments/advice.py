"""Does the advice work? In twenty real situations, turn the knob that it names, and each other.

Every run trains a small network on a part of MNIST or CIFAR-10 and is judged on all 10,000 test
images, which neither training nor diagnosis has seen. A turn is compared with the run it starts
from under the same seed, which decides images, initial weights and the order of examples. The
regret of an advice is the error after the turn it names minus that after the best turn.

Each finished run is a line of the journal. Start the program again to go on where it was stopped,
or killed; the table is printed when all runs are there, or for what there is with --report.
CIFAR-10 comes through TensorFlow Datasets (TFDS_DATA_DIR).
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from keras_ext.records import Splits, TrainConfig
from tests.experiments.regret import Key, key_of, report
from tests.experiments.situations import SITUATIONS, Situation, turns

VALIDATION = 2_000
JUDGED_TRAIN = 2_000
INTERRUPTED = 130


@lru_cache(maxsize=2)
def splits_of(data_set: str, seed: int) -> Splits:
    """2,000 validation images, the published test images, and the rest to draw from."""
    from keras_ext import data

    return data.split(data.load(data_set), seed=seed, validation=VALIDATION)


def run(what: Situation, config: TrainConfig, seed: int) -> dict[str, Any]:
    """Train once; the errors on (part of) the training, validation and all test images.

    A run whose predictions are not finite counts as a guess.
    """
    import keras

    from keras_ext import data
    from keras_ext.callbacks import measure
    from keras_ext.errors import DivergedError
    from keras_ext.training.round import compiled_model

    keras.utils.clear_session(free_memory=False)
    gc.collect()
    began = time.perf_counter()
    splits = splits_of(what.data, seed)
    train = data.sample(splits.train, what.examples, seed=seed)
    config = replace(config, seed=seed)
    model, _ = compiled_model(config, train)
    assert config.batch_size is not None
    batches = data.training_batches(
        train,
        batch_size=config.batch_size,
        augmentation=config.augmentation,
        placement="host",
        seed=seed,
    )
    fitted = model.fit(batches, epochs=config.epochs, verbose=0, shuffle=False)
    judged = {
        "train": data.sample(train, JUDGED_TRAIN, seed=seed),
        "validation": splits.validation,
        "test": splits.test,
    }
    line: dict[str, Any] = {"costs": [float(f"{cost:.5g}") for cost in fitted.history["cost"]]}
    for name, arrays in judged.items():
        try:
            estimate, cost = measure(model, (arrays.x, arrays.y))
            line[name] = {"error": estimate.error, "count": estimate.count, "cost": cost}
        except DivergedError:
            guess = 1 - 1 / len(arrays.classes)
            line[name] = {"error": guess, "count": len(arrays), "cost": None}
    return {**line, "seconds": round(time.perf_counter() - began, 2)}


def wanted(
    seeds: Sequence[int], only: Sequence[str] = ()
) -> list[tuple[Key, Situation, TrainConfig, dict[str, Any]]]:
    """Every run there is to make, seed by seed, with what identifies it in the journal."""
    runs = []
    for seed in seeds:
        for what in SITUATIONS:
            if only and not any(part in what.name for part in only):
                continue
            for turned, config in [(None, what.config), *turns(what.config)]:
                identity = {
                    "situation": what.name,
                    "seed": seed,
                    "turn": turned,
                    "data": what.data,
                    "examples": what.examples,
                    "config": config.to_dict(),
                }
                runs.append((key_of(identity), what, config, json.loads(json.dumps(identity))))
    return runs


def read(path: Path) -> list[dict[str, Any]]:
    """The lines that are whole: a kill may leave the last one torn."""
    lines = []
    for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            continue
    return lines


def append(path: Path, line: dict[str, Any]) -> None:
    """Add a line and see it to the disk; a torn one before it is closed first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write((json.dumps(line) + "\n").encode())
        file.flush()
        os.fsync(file.fileno())


def fill(path: Path, seeds: Sequence[int], only: Sequence[str] = ()) -> None:
    """Make the runs that the journal lacks. One whose definition has changed is made anew."""
    runs = wanted(seeds, only)
    known = {key_of(line): line for line in read(path)}
    missing = [
        item for item in runs if not item[3].items() <= known.get(item[0], {}).items()
    ]  # fmt: skip
    print(f"{len(runs) - len(missing)} of {len(runs)} runs are in {path}", flush=True)
    began = time.perf_counter()
    for number, (_, what, config, identity) in enumerate(missing, start=1):
        line = run(what, config, identity["seed"])
        append(path, {**identity, **line})
        left = (time.perf_counter() - began) / number * (len(missing) - number) / 60
        turned = identity["turn"]
        name = f"{turned[0]} {'up' if turned[1] else 'down'}" if turned else "as it is"
        print(
            f"seed {identity['seed']}, {what.name}, {name}: test error {line['test']['error']:.4f},"
            f" {line['seconds']:.1f} s; {left:.0f} min left",
            flush=True,
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Fill the journal, then print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--journal", type=Path, default=Path("runs/advice.jsonl"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--only", nargs="+", default=(), help="situations with this in the name")
    parser.add_argument("--report", action="store_true", help="train nothing")
    options = parser.parse_args(argv)
    try:
        if not options.report:
            fill(options.journal, options.seeds, options.only)
    except KeyboardInterrupt:
        print("stopped; start again to go on")
        return INTERRUPTED
    keys = {item[0] for item in wanted(options.seeds, options.only)}
    print(report({key_of(line): line for line in read(options.journal)}, keys))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
