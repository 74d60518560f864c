"""The page: complete, self-contained, and deaf to what names try to say."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from math import inf, nan
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from keras_ext.errors import OutputError
from keras_ext.records import Mistakes
from keras_ext.reports import render, write_report
from keras_ext.reports.page import page

RESULTS = (
    "sample_result",
    "fast_result",
    "interrupted_result",
    "hostile_result",
    "regression_result",
)
VOID = {"br", "img", "meta"}
LOADING = {"action", "background", "cite", "data", "formaction", "href", "poster", "src", "srcset"}


class Page(HTMLParser):
    """Tags, attributes and words of a page; fails where tags are not closed in order."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.words.append((self.open[-1] if self.open else "", data.strip()))

    def text(self) -> str:
        """All words but the style, with single spaces."""
        shown = (words for tag, words in self.words if tag != "style")
        return re.sub(r"\s+", " ", " ".join(shown))

    def headings(self) -> list[str]:
        """Main headings in order."""
        return [words for tag, words in self.words if tag in ("h1", "h2")]


@pytest.fixture(scope="module")
def pages(samples: ModuleType) -> dict[str, str]:
    """Every sample result as a page."""
    return {name: render(getattr(samples, name)()) for name in RESULTS}


@pytest.mark.parametrize("name", RESULTS)
def test_nothing_is_loaded_and_nothing_runs(pages: dict[str, str], name: str) -> None:
    source = pages[name]
    read = Page(source)
    for tag, attributes in read.tags:
        assert tag not in {"script", "link", "iframe", "object", "embed", "base", "form", "use-x"}
        assert not any(key.startswith("on") for key in attributes)
        for key in LOADING & set(attributes):
            assert re.match(r"#|data:image/png;base64,", attributes[key] or "")
    outside_of_words = re.sub(r'>[^<]*<|"data:[^"]*"', "><", source)
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)", outside_of_words)
    (policy,) = [
        a["content"] for t, a in read.tags if a.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "script-src" not in policy


@pytest.mark.parametrize("name", RESULTS)
def test_page_is_well_formed(pages: dict[str, str], name: str) -> None:
    read = Page(pages[name])
    ids = [attributes["id"] for _, attributes in read.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [a["href"] for tag, a in read.tags if tag == "a"]
    assert {str(link)[1:] for link in links} <= set(ids)
    assert not re.search(r"\b(nan|inf|None|undefined)\b", read.text())
    for tag, attributes in read.tags:
        if tag == "img":
            assert attributes.get("alt")


def test_headings_in_order(pages: dict[str, str]) -> None:
    assert Page(pages["sample_result"]).headings() == [
        "Test error 0.58\u00a0%",
        "What happened, round by round",
        "Learning curves",
        "Bias and variance",
        "Cost of each iteration",
        "What training saw",
        "What is still wrong",
        "Checks",
        "Next steps",
        "Configuration",
        "Versions",
    ]


def test_parts_without_data_are_left_out(pages: dict[str, str]) -> None:
    headings = Page(pages["interrupted_result"]).headings()
    assert headings[0] == "Validation error 1.10\u00a0%"
    absent = {"Cost of each iteration", "What training saw", "What is still wrong", "Checks"}
    assert not absent & set(headings)
    assert "No epoch was finished." in Page(pages["interrupted_result"]).text()
    assert "What is still wrong" not in Page(pages["regression_result"]).headings()


def test_numbers_of_the_page(pages: dict[str, str]) -> None:
    words = Page(pages["sample_result"]).text().replace("\u00a0", " ")
    for expected in (
        "95 % interval 0.45 to 0.75 %",
        "58 of 10,000 images",
        "4 min 51 s",
        "54,000 train, 6,000 validation, 10,000 test",
        "against round 1 train 0.20 % 0.11 to 0.35 %",
        "\u22120.48 points lower",
        "4 taken for 9 7",
        "failed cost goes down the cost rose in epoch 4 of 6",
        "Dropout rate 0 → 0.1 Regularize more",
        "learning rate 0.01 default 0.001",
        "keras 3.15.1",
    ):
        assert expected in words


def test_names_are_only_ever_words(pages: dict[str, str], samples: ModuleType) -> None:
    read = Page(pages["hostile_result"])
    shown = read.text()
    assert "<script>alert(1)</script> taken for $\\frac{$" in shown
    assert "{{ 7 * 7 }}" in shown
    assert "49" not in {words for _, words in read.words}
    assert sum(tag == "img" for tag, _ in read.tags) == len(samples.hostile_result().mistakes.worst)


def test_every_text_of_a_result_is_escaped(samples: ModuleType) -> None:
    evil = "<script>alert(1)</script>"
    result = samples.sample_result()
    check = replace(result.checks[0], name=evil, message=evil)
    remedy = replace(result.diagnosis.remedies[0], text=evil)
    diagnosis = replace(result.diagnosis, remedies=(remedy,))
    rounds = tuple(replace(item, reason=evil, knob=evil, after=evil) for item in result.rounds)
    result = replace(
        result,
        checks=(check,),
        diagnosis=diagnosis,
        rounds=rounds,
        versions={evil: evil},
        sizes={evil: 3},
        name=evil,
    )
    source = render(result)
    assert "<script" not in source
    assert Page(source).text().count(evil) > 12


def test_pictures_are_those_of_the_worst(pages: dict[str, str], samples: ModuleType) -> None:
    import base64
    import io

    image = pytest.importorskip("PIL.Image", reason="Pillow, to read the pictures back")
    import numpy as np

    sources = [a["src"] for tag, a in Page(pages["sample_result"]).tags if tag == "img"]
    worst = samples.sample_result().mistakes.worst
    for source, mistake in zip(sources, worst, strict=True):
        data = base64.b64decode(str(source).partition(",")[2])
        with image.open(io.BytesIO(data)) as read:
            assert np.array_equal(np.asarray(read), mistake.image[:, :, 0])


def test_the_true_class_is_always_among_the_probabilities(samples: ModuleType) -> None:
    for item in page(samples.sample_result())["mistakes"]["worst"]:
        roles = [bar["role"] for bar in item["bars"]]
        assert roles.count("true") == roles.count("predicted") == 1
        assert [bar["name"] for bar in item["bars"] if bar["role"] == "true"] == [item["label"]]


def test_numbers_that_are_not_finite(samples: ModuleType) -> None:
    result = samples.sample_result()
    broken = [{**row, "train_error": nan, "validation_error": inf} for row in result.history]
    costs = ((1.0, nan, inf),)
    source = render(replace(result, history=tuple(broken), iteration_costs=costs))
    assert not re.search(r"\b(nan|inf)\b", source)


def test_nothing_wrong_and_no_pictures(samples: ModuleType) -> None:
    result = samples.sample_result()
    right = Mistakes(((5, 0), (0, 5)), (), ("a", "b"))
    assert (
        "every test example came out right" in Page(render(replace(result, mistakes=right))).text()
    )
    worst = tuple(replace(item, image=None) for item in result.mistakes.worst)
    read = Page(render(replace(result, mistakes=replace(result.mistakes, worst=worst))))
    assert not [tag for tag, _ in read.tags if tag == "img"]
    assert "58 of 10,000 examples that" in read.text()


def test_the_same_result_gives_the_same_page(pages: dict[str, str], samples: ModuleType) -> None:
    assert render(samples.sample_result()) == pages["sample_result"]


def test_the_page_is_small(pages: dict[str, str]) -> None:
    assert all(len(source) < 400_000 for source in pages.values())


def test_written_whole(pages: dict[str, str], samples: ModuleType, tmp_path: Path) -> None:
    path = write_report(samples.hostile_result(), tmp_path / "run" / "report.html")
    assert path.read_text(encoding="utf-8") == pages["hostile_result"]
    with pytest.raises(OutputError, match=r"report\.html"):
        write_report(samples.fast_result(), path / "report.html")


def missing(package: str) -> Iterator[str]:
    """A program that makes a page where a package is not installed, line by line."""
    yield f"import sys; sys.modules[{package!r}] = None"
    yield "sys.path.insert(0, sys.argv[1])"
    yield "import samples"
    yield "from keras_ext import reports"
    yield "from keras_ext.errors import MissingExtraError"
    yield "try: reports.render(samples.fast_result())"
    yield "except MissingExtraError as error: print(error)"


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_a_missing_package_is_named(package: str) -> None:
    program = "\n".join(missing(package))
    run = [sys.executable, "-c", program, str(Path(__file__).parent)]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert done.stdout == f"{package} is not installed: pip install 'keras-ext[reports]'\n"


@pytest.mark.slow
def test_augmented_images_are_on_the_page_at_a_size_it_can_hold(samples: ModuleType) -> None:
    result = samples.sample_result()
    assert result.augmented is not None
    text = render(result)
    assert "rotation 10, zoom 0.1, translation 0.1 at magnitude 0.25" in text
    assert "of a round that was not kept" not in text
    large = replace(
        result.augmented,
        kept=False,
        originals=np.random.default_rng(0).integers(0, 256, (4, 300, 400, 3), dtype=np.uint8),
        versions=np.random.default_rng(0).integers(0, 256, (4, 7, 300, 400, 3), dtype=np.uint8),
    )
    other = render(replace(result, augmented=large))
    assert "of a round that was not kept" in other
    assert len(other) < len(text) + 4_000_000
    # Two widths of 4 x (1 + 7) images each, one PNG an image.
    section = other.split('<section id="augmented">')[1].split("</section>")[0]
    assert section.count("data:image/png;base64,") == 2 * 4 * 8
    assert '<section id="augmented">' not in render(replace(result, augmented=None))
