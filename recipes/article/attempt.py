"""One claim put to the test, whatever becomes of it."""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module

from keras_ext.claim_records import Claim, Finding
from recipes.article import CLAIMS
from recipes.article.effort import Effort
from recipes.article.store import Store

Experiment = Callable[[Effort], Finding]


def attempt(name: str, effort: Effort, store: Store) -> Claim:
    """Run the experiment of a claim and keep what it found, or why it failed.

    Raises:
        OutputError: when it can't be kept.
    """
    claim = _tried(name, replace(effort, work=store.work(name)))
    store.write(claim)
    return claim


def described(name: str, effort: Effort) -> Claim:
    """The claim as its module states it: the first paragraph of its docstring."""
    text = ""
    with contextlib.suppress(Exception):  # Running it says what is wrong.
        text = import_module(f"recipes.article.{name}").__doc__ or ""
    flag = "" if effort.mode == "normal" else f" --{effort.mode}"
    seed = "" if effort.seed == 0 else f" --seed {effort.seed}"
    return Claim(
        name=name,
        number=CLAIMS.index(name) + 1,
        text=" ".join(text.split("\n\n")[0].split()) or name,
        command=f"python -m recipes.article.{name}{flag}{seed}",
    )


def _tried(name: str, effort: Effort) -> Claim:
    began, made, message = time.perf_counter(), None, ""
    try:
        run: Experiment = import_module(f"recipes.article.{name}").experiment
        made = run(effort)
    except Exception as error:
        # One line for the page, the traceback for whoever mends it.
        traceback.print_exc()
        message = f"{type(error).__name__}: {error}"
    seconds = time.perf_counter() - began
    return replace(described(name, effort), finding=made, message=message, seconds=seconds)
