"""The command line and the terminal of the article."""

from __future__ import annotations

import argparse
from functools import partial

from rich.console import Console
from rich.text import Text

from keras_ext.claim_records import Claim
from keras_ext.reports.article_page import said, shown
from keras_ext.reports.text import duration
from recipes.article.effort import MODES


def options(description: str, module: str) -> argparse.ArgumentParser:
    """What all claims have in common.

    Args:
        description: for ``--help``.
        module: that is run, under ``recipes``.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m recipes.{module}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    hints = ("a quick look", "the default", "more seeds and the whole data")
    modes = parser.add_mutually_exclusive_group()
    for mode, words in zip(MODES, hints, strict=True):
        modes.add_argument(
            f"--{mode}", dest="mode", action="store_const", const=mode, default="normal", help=words
        )
    parser.add_argument("--seed", type=int, default=0, help="of the first run (default: 0)")
    parser.add_argument("--output-dir", default="runs/article", help="(default: runs/article)")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def tell(console: Console, claim: Claim, *, kept: bool) -> None:
    """One claim in the terminal: verdict, number and time."""
    say = partial(console.print, soft_wrap=True)
    head = f"{claim.number:2d} {claim.name}: "
    when = " (measured before)" if kept else f" ({duration(claim.seconds)})"
    say(Text.assemble((head, "bold"), claim.verdict, (when, "dim")))
    if claim.finding is None:
        say(Text(f"   {claim.message}"))
        return
    first = claim.finding.numbers[0]
    say(Text(f"   {first.name}: {shown(first)} ({said(first) or 'exact'})"))
    for rule in claim.finding.rules:
        say(Text(f"   {'+' if rule.held else '-'} {rule.text}", style="dim"))
        if rule.why_not and not rule.held:
            say(Text(f"     why not: {rule.why_not}", style="dim"))
