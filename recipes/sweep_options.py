"""The command line of a sweep, and functions of the user's own by their names."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Iterable
from typing import Any

from keras_ext.errors import ConfigError
from keras_ext.tuning import STRATEGIES


def named(path: str, known: Iterable[str] = ()) -> Any:
    """The object that "module:name" stands for, from the present folder too.

    Args:
        path: as given.
        known: what might have been meant instead.

    Raises:
        ConfigError: when there is none.
    """
    module, colon, name = path.partition(":")
    if not (colon and module and name):
        instead = "".join(f"{name}, " for name in known)
        raise ConfigError(f"expected {instead}or module:function, got {path!r}")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"can't use {path}: {error}") from error
    if not callable(found):
        raise ConfigError(f"{path} must be a function, got {type(found).__name__}")
    return found


def parser(description: str, names: Iterable[str]) -> argparse.ArgumentParser:
    """The options of a sweep.

    Args:
        description: for ``--help``.
        names: of the data sets that are known.
    """
    options = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = options.add_argument
    add("data", metavar="DATA", help=f"{', '.join(names)}, or module:function")
    add("--space", metavar="SPACE", help="module:function (default: learning rate, momentum, ...)")
    add(
        "--strategy",
        choices=list(STRATEGIES),
        default="guided",
        help="how points are chosen (default: guided, from the diagnosis of those before)",
    )
    add("--max-trials", type=int, default=30, metavar="N", help="points to try (default: 30)")
    add("--epochs", type=int, metavar="N", help="of each trial (default: the base's)")
    add(
        "--config",
        metavar="FILE",
        help='the base, such as {"model": "mlp"}: fields as JSON, or a result.json (default for '
        "data of your own: a convnet)",
    )
    add("--limit", type=int, metavar="N", help="use N training examples only")
    add("--seed", type=int, default=0, metavar="N", help="decides the points (default: 0)")
    add(
        "--objective",
        choices=["final", "best", "mean_of_last"],
        default="final",
        help="the validation error that counts: after the last epoch (default), the lowest, or "
        "the mean of the last three",
    )
    add("--executions", type=int, default=1, metavar="N", help="seeds of each trial (default: 1)")
    add("--confirm", type=int, default=3, metavar="N", help="fresh seeds for the winner; 0: none")
    add("--retries", type=int, default=0, metavar="N", help="of a trial that fails (default: 0)")
    add("--layer-health", action="store_true", help="look for dead units and the like, too")
    add("--workers", type=int, default=1, metavar="N", help="processes that train (default: 1)")
    add(
        "--insecure-network",
        action="store_true",
        help="several hosts: allow an address that other machines reach, without authentication",
    )
    add("--name", help="of the sweep's folder (default: the data's and the strategy's)")
    add("--output-dir", default="runs", help="where sweeps/NAME is made (default: runs)")
    add("--quiet", action="store_true", help="only the result, no progress")
    add("--debug", action="store_true", help="show the traceback of an error")
    return options
