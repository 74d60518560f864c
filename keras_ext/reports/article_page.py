"""The page of an article whose claims were put to the test."""

from __future__ import annotations

import json
import os
from functools import lru_cache, partial
from pathlib import Path

from keras_ext.chart_records import Chart, Pictures
from keras_ext.claim_records import FAILED, HELD, IN_PART, MISSING, NOT_HELD, Article, Number
from keras_ext.files import atomic_write
from keras_ext.reports import figures, text
from keras_ext.reports.drawings import drawn
from keras_ext.reports.folder import standard
from keras_ext.reports.html import environment

BADGES = {HELD: "kept", IN_PART: "part", NOT_HELD: "failed", FAILED: "failed", MISSING: ""}
MODES = {
    "quick": "a quick look: few seeds and little data, so that intervals are wide",
    "normal": "some seeds and parts of the data",
    "full": "many seeds and the whole data",
}


def write_article(article: Article, directory: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Write ``article.json`` and ``index.html`` into a folder, which is made if it is missing.

    Returns:
        The paths of both, in this order.

    Raises:
        OutputError: naming the file that can't be written.
        MissingExtraError: when jinja2 or matplotlib is not installed.
    """
    content = json.dumps(standard(article.to_dict()), indent=1, allow_nan=False) + "\n"
    numbers = atomic_write(Path(directory) / "article.json", content)
    page = render_article(article).encode("utf-8", "replace")
    return numbers, atomic_write(Path(directory) / "index.html", page)


def render_article(article: Article) -> str:
    """The page as HTML: no script and no address outside of it.

    Raises:
        MissingExtraError: when jinja2 or matplotlib is not installed.
    """
    template = environment().get_template("article.html")
    return template.render(
        result=article,
        tally=tally(article),
        mode=MODES.get(article.mode, article.mode),
        badges=BADGES,
        shown=shown,
        said=said,
        figures=_figures(article),
        text=text,
    )


def tally(article: Article) -> list[tuple[str, int]]:
    """How many claims have each verdict, those that none has left out.

    >>> from keras_ext.claim_records import Claim
    >>> claims = (Claim(name="splits", number=1, text="How many examples where?"),)
    >>> tally(Article(title="", mode="quick", seed=0, claims=claims))
    [('not measured yet', 1)]
    """
    verdicts = [claim.verdict for claim in article.claims]
    return [(name, verdicts.count(name)) for name in BADGES if name in verdicts]


def shown(number: Number) -> str:
    """A number with its unit.

    >>> shown(Number("error", 0.0123, "%")), shown(Number("steps", 1234.5, "steps"))
    ('1.23 %', '1234 steps')
    """
    return _with_unit(number.value, number)


def said(number: Number) -> str:
    """Its interval and the seeds, in words; empty for a number that has neither.

    >>> said(Number("error", 0.012, "%", 0.01, 0.014, seeds=5))
    '95 % interval 1.00 to 1.40 %, 5 seeds'
    """
    parts = []
    if number.low is not None and number.high is not None:
        low, high = (_with_unit(value, number) for value in (number.low, number.high))
        unit = high[len(high.rstrip("abcdefghijklmnopqrstuvwxyz %")) :]
        parts.append(f"95 % interval {low.removesuffix(unit)} to {high}")
    if number.seeds:
        parts.append(f"{number.seeds} seed{'s' if number.seeds > 1 else ''}")
    return ", ".join(parts)


def _with_unit(value: float, number: Number) -> str:
    if number.unit == "%":
        return text.number(value, like=number.value)
    if number.unit == "points":
        return text.difference(value, like=number.value)
    plain = text.number(value, proportion=False)
    return f"{plain} {number.unit}" if number.unit else plain


def _figures(article: Article) -> dict[str, dict[str, str]]:
    """SVG by name of the figure ("l2-1", "l2-2" ...) and name of the width."""
    found = {}
    for claim in article.claims:
        for place, figure in enumerate(claim.finding.figures if claim.finding else (), start=1):
            name = f"{claim.name}-{place}"
            found[name] = _drawn(name, figure)
    return found


@lru_cache(maxsize=256)
def _drawn(name: str, figure: Chart | Pictures) -> dict[str, str]:
    """One figure; a page that grows claim by claim draws each of them once."""
    draw = (
        partial(figures.chart, figure)
        if isinstance(figure, Chart)
        else partial(figures.augmented_images, *figure.arrays())
    )
    return drawn([(name, figure.title, draw)])[name]
