"""Several runs in one table: test accuracy of each, median and spread.

python -m recipes.summary runs/mnist/*/result.json

A file that is of no finished run is left out, with a line that says so.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from keras_ext.errors import DataError
from recipes.command import command


def read(path: str) -> Mapping[str, Any]:
    """A result that has a test error.

    Raises:
        DataError: when the file can't be read or holds no finished run.
    """
    try:
        result = json.loads(Path(path).read_text(encoding="utf-8"))
        float(result["errors"]["test"]["error"])
    except OSError as error:
        raise DataError(f"can't read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is no result.json of a finished run") from error
    return dict(result)


def table(results: Sequence[Mapping[str, Any]]) -> Table:
    """One row a run, and one for the median and the range."""
    accuracies = [1 - result["errors"]["test"]["error"] for result in results]
    seconds = [result["seconds"] for result in results]
    fits = [sum(item["fit_seconds"] for item in result["rounds"]) for result in results]
    shown = Table("seed", "test accuracy", "seconds", "in fit", "rounds")
    for result, accuracy, fit in zip(results, accuracies, fits, strict=True):
        rounds = str(len(result["rounds"]))
        shown.add_row(
            str(result["seed"]), f"{accuracy:.2%}", f"{result['seconds']:.0f}", f"{fit:.1f}", rounds
        )
    shown.add_section()
    spread = f"{statistics.median(accuracies):.2%} ({min(accuracies):.2%} to {max(accuracies):.2%})"
    shown.add_row(
        "median", spread, f"{statistics.median(seconds):.0f}", f"{statistics.median(fits):.1f}", ""
    )
    return shown


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", nargs="+", metavar="result.json")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    given = parser.parse_args(argv)
    finished = []
    for path in given.results:
        try:
            finished.append(read(path))
        except DataError as problem:
            if len(given.results) == 1:
                raise
            print(f"left out: {problem}", file=sys.stderr)
    if not finished:
        raise DataError(f"none of {len(given.results)} files is of a finished run")
    Console().print(table(finished))
    return 0


if __name__ == "__main__":
    raise SystemExit(command(main))
