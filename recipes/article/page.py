"""Put the claims of the article to the test, one experiment each, and write the page.

An experiment that fails is shown as failed, and the others go on. Each result is kept in a file of
its own as soon as it is there, so that a run that was interrupted goes on where it was.
"""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.text import Text

from keras_ext import reports
from keras_ext.claim_records import FAILED, Article, Claim, Finding
from keras_ext.errors import ConfigError
from keras_ext.training.run import versions
from recipes.article import CLAIMS, TITLE
from recipes.article.command_line import options, tell
from recipes.article.effort import Effort
from recipes.article.store import Store
from recipes.command import command

Experiment = Callable[[Effort], Finding]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the claims asked for; 0, 1 if one failed, or 130 after Ctrl-C (nothing is lost then)."""
    parser = options(__doc__ or "")
    parser.add_argument("--only", nargs="+", metavar="NAME", help=f"of {', '.join(CLAIMS)}")
    parser.add_argument(
        "--fresh", action="store_true", help="measure anew what is measured already"
    )
    given = parser.parse_args(argv)
    wanted = given.only or CLAIMS
    unknown = [name for name in wanted if name not in CLAIMS]
    if unknown:
        raise ConfigError(f"no claim {unknown[0]!r}; there are: {', '.join(CLAIMS)}")
    effort = Effort(given.mode, given.seed)
    return measure(wanted, effort, Path(given.output_dir), fresh=given.fresh)


def alone(name: str) -> int:
    """The command line of one claim's module; it is always measured anew."""

    def one(argv: Sequence[str]) -> int:
        given = options(import_module(f"recipes.article.{name}").__doc__ or "").parse_args(argv)
        return measure([name], Effort(given.mode, given.seed), Path(given.output_dir), fresh=True)

    return command(one)


def measure(
    wanted: Iterable[str],
    effort: Effort,
    output_dir: Path,
    *,
    fresh: bool = False,
    console: Console | None = None,
) -> int:
    """Measure the claims that aren't measured yet, and write the page after each of them.

    Args:
        wanted: names of claims.
        effort: the mode and the seed.
        output_dir: gets ``index.html``, ``article.json`` and the results.
        fresh: measure anew.
        console: where to tell what happens.

    Returns:
        The exit status: 1 if an experiment failed.
    """
    console, store = console or Console(), Store(output_dir, effort)
    failed, page = False, output_dir / "index.html"
    for name in (name for name in CLAIMS if name in set(wanted)):
        if fresh:
            store.forget_work(name)
        kept = None if fresh else store.read(name)
        claim = kept if kept is not None and kept.finding is not None else None
        claim = claim or tried(name, replace(effort, work=store.work(name)))
        if claim is not kept:
            store.write(claim)
        failed |= claim.verdict == FAILED
        tell(console, claim, kept=claim is kept)
        _, page = reports.write_article(article(store, effort), output_dir)
    console.print(Text(str(page)), soft_wrap=True)
    return 1 if failed else 0


def tried(name: str, effort: Effort) -> Claim:
    """The claim with what its experiment found, or with why that failed."""
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


def article(store: Store, effort: Effort) -> Article:
    """All claims as far as they are measured."""
    claims = []
    for name in CLAIMS:
        claim, kept = described(name, effort), store.read(name)
        if kept is not None:
            claim = replace(claim, finding=kept.finding, message=kept.message, seconds=kept.seconds)
        claims.append(claim)
    return Article(
        title=TITLE, mode=effort.mode, seed=effort.seed, claims=tuple(claims), versions=versions()
    )
