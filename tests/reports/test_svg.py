"""Figures as part of a page."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import matplotlib
import pytest

from keras_ext.reports import figures
from keras_ext.reports.drawings import drawings
from keras_ext.reports.svg import inline_svg

VARIABLES = {"ink", "muted", "grid", "train", "validation", "optimal", "mistake"}


@pytest.fixture(scope="module")
def svgs(samples: ModuleType) -> list[str]:
    """Every figure of a page in every size."""
    return [svg for sizes in drawings(samples.sample_result()).values() for svg in sizes.values()]


def test_every_colour_is_the_page_s(svgs: list[str]) -> None:
    for svg in svgs:
        painted = re.findall(r"(?:fill|stroke|color): ?([^;\"]+)", svg)
        allowed = {f"var(--{name})" for name in VARIABLES} | {"none"}
        assert set(painted) <= allowed
        assert not re.search(r"#[0-9a-f]{6}", svg)


def test_ids_of_a_page_are_unique_and_all_references_lead_somewhere(svgs: list[str]) -> None:
    page = "".join(svgs)
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    references = re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"|labelledby="([^"]+)"', page)
    assert {"".join(found) for found in references} == set(ids)


def test_nothing_leads_out_and_the_size_is_the_page_s(svgs: list[str]) -> None:
    for svg in svgs:
        assert "http" not in svg
        assert "font-family" not in svg
        root = ElementTree.fromstring(svg)
        assert root.tag == "svg"
        assert set(root.attrib) == {"viewBox", "role", "aria-labelledby"}
        assert root[0].tag == "title"
        assert not list(root.iter("metadata"))
        assert not list(root.iter("style"))


def test_words_stay_words(svgs: list[str]) -> None:
    (svg,) = (svg for svg in svgs if 'id="bars-wide-title"' in svg)
    assert "augmentation magnitude 0 → 0.25 · kept" in "".join(
        ElementTree.fromstring(svg).itertext()
    )


def test_names_that_look_like_markup_formulas_or_colours() -> None:
    from keras_ext.records import Mistakes

    names = ("</svg><script>alert(1)</script>", "$\\frac{$", "#fe0d01", "日本")
    counts = tuple(tuple(int(row != column) for column in range(4)) for row in range(4))
    figure = figures.confusion(Mistakes(counts, (), names), palette=figures.Palette.placeholders())
    svg = inline_svg(figure, name="c", title="<b>&")
    words = list(ElementTree.fromstring(svg).itertext())
    assert {"$\\frac{$", "#fe0d01", "日本", "<b>&"} <= set(words)
    assert "<script" not in svg


@pytest.mark.slow
def test_the_same_result_gives_the_same_bytes(samples: ModuleType) -> None:
    result = samples.fast_result()
    once = drawings(result)
    with matplotlib.rc_context({"axes.facecolor": "black", "font.size": 30, "lines.linewidth": 9}):
        assert drawings(result) == once


def test_pyplot_is_never_imported() -> None:
    program = (
        "import sys\n"
        "from keras_ext.reports import figures\n"
        "assert 'matplotlib' not in sys.modules\n"
        "from keras_ext.reports.svg import inline_svg\n"
        "inline_svg(figures.iteration_costs([[1.0, 2.0]]), name='a', title='b')\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    "draw",
    [
        lambda: figures.learning_curves([]),
        lambda: figures.iteration_costs([]),
        lambda: figures.round_bars([]),
    ],
)
def test_nothing_to_draw_is_no_error(draw: Callable[[], Any]) -> None:
    drawn = inline_svg(draw(), name="empty", title="empty")
    assert drawn.startswith("<svg")
    assert "empty" in drawn
