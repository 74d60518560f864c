"""One page that holds everything: text, style, figures and pictures."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_ext.errors import MissingExtraError
from keras_ext.files import atomic_write
from keras_ext.records import RunResult
from keras_ext.reports.drawings import drawings
from keras_ext.reports.page import page

if TYPE_CHECKING:
    from jinja2 import Environment


def write_report(result: RunResult, path: str | os.PathLike[str]) -> Path:
    """Write the page of a run, whole or not at all.

    Raises:
        OutputError: naming ``path``, when it can't be written.
        MissingExtraError: when jinja2 or matplotlib is not installed.
    """
    return atomic_write(path, render(result).encode("utf-8", "replace"))


def render(result: RunResult) -> str:
    """The page of a run as HTML: no script, no address outside of it, the same for the same result.

    Raises:
        MissingExtraError: when jinja2 or matplotlib is not installed.
    """
    template = environment().get_template("report.html")
    return template.render(**page(result), figures=drawings(result))


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The templates of this room; all that they are given is escaped.

    Raises:
        MissingExtraError: when jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtraError("jinja2", extra="reports") from error
    return jinja2.Environment(
        loader=jinja2.PackageLoader("keras_ext.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_unbroken,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _unbroken(value: Any) -> Any:
    """Keep a number and its percent sign on one line."""
    return value.replace(" %", "\u00a0%") if isinstance(value, str) else value
