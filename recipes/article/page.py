"""Put the claims of the article to the test, one experiment each, and write the page.

An experiment that fails is shown as failed, and the others go on. Each result is kept in a file of
its own as soon as it is there, so that a run that was interrupted goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.text import Text

from keras_ext import reports
from keras_ext.claim_records import FAILED, Article, Claim
from keras_ext.errors import ConfigError
from keras_ext.training.run import versions
from recipes.article import CLAIMS, TITLE
from recipes.article.attempt import described
from recipes.article.command_line import options, tell
from recipes.article.effort import Effort
from recipes.article.processes import attempts, default_jobs
from recipes.article.store import Store
from recipes.command import command

Attempts = Callable[[Sequence[str], Effort, Store, int], Iterator[Claim]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the claims asked for; 0, 1 if one failed, or 130 after Ctrl-C (nothing is lost then)."""
    parser = options(__doc__ or "", "article")
    parser.add_argument("--only", nargs="+", metavar="NAME", help=f"of {', '.join(CLAIMS)}")
    parser.add_argument(
        "--fresh", action="store_true", help="measure anew what is measured already"
    )
    parser.add_argument(
        "--jobs", type=int, default=default_jobs(), metavar="N",
        help="how many claims are measured at a time, each by one thread (default: one for each "
        "core, at most 4)",
    )  # fmt: skip
    given = parser.parse_args(argv)
    wanted = given.only or CLAIMS
    unknown = [name for name in wanted if name not in CLAIMS]
    if unknown:
        raise ConfigError(f"no claim {unknown[0]!r}; there are: {', '.join(CLAIMS)}")
    if given.jobs < 1:
        raise ConfigError(f"--jobs must be at least 1, got --jobs {given.jobs}")
    effort = Effort(given.mode, given.seed)
    return measure(wanted, effort, Path(given.output_dir), fresh=given.fresh, jobs=given.jobs)


def alone(name: str) -> int:
    """The command line of one claim's module; it is always measured anew."""

    def one(argv: Sequence[str]) -> int:
        about = import_module(f"recipes.article.{name}").__doc__ or ""
        given = options(about, f"article.{name}").parse_args(argv)
        return measure([name], Effort(given.mode, given.seed), Path(given.output_dir), fresh=True)

    return command(one)


def measure(
    wanted: Iterable[str],
    effort: Effort,
    output_dir: Path,
    *,
    fresh: bool = False,
    jobs: int = 1,
    console: Console | None = None,
    attempts: Attempts = attempts,
) -> int:
    """Measure the claims that aren't measured yet, and write the page after each of them.

    Args:
        wanted: names of claims.
        effort: the mode and the seed.
        output_dir: gets ``index.html``, ``article.json`` and the results.
        fresh: measure anew.
        jobs: how many are measured at a time.
        console: where to tell what happens.
        attempts: puts claims to the test and keeps what they found.

    Returns:
        The exit status: 1 if an experiment failed.
    """
    console, store = console or Console(), Store(output_dir, effort)
    names = [name for name in CLAIMS if name in set(wanted)]
    kept = {} if fresh else {name: claim for name in names if (claim := store.finished(name))}
    for claim in kept.values():
        tell(console, claim, kept=True)
    missing = [name for name in names if name not in kept]
    if fresh:
        for name in missing:
            store.forget_work(name)
    if len(missing) > 1:
        each = f", {jobs} at a time" if jobs > 1 else ""
        console.print(f"{len(missing)} claims are to be measured{each}")
    failed, page = False, _written(store, effort)
    try:
        for claim in attempts(missing, effort, store, jobs):
            failed |= claim.verdict == FAILED
            tell(console, claim, kept=False)
            page = _written(store, effort)
    except KeyboardInterrupt:
        done = sum(store.finished(name) is not None for name in names)
        words = f"{done} of {len(names)} claims are measured and kept"
        words += "" if fresh else "; the same command goes on with the others"
        console.print(Text(words), soft_wrap=True)
        raise
    finally:
        console.print(Text(str(page)), soft_wrap=True)
    return 1 if failed else 0


def _written(store: Store, effort: Effort) -> Path:
    """The page with what is there so far."""
    _, page = reports.write_article(article(store, effort), store.output_dir)
    return page


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
