"""The page as a browser shows it: headless Chromium, from a file, without a network."""

from __future__ import annotations

import dataclasses
import importlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from keras_ext.chart_records import Chart, Line, Panel, Pictures, Surface
from keras_ext.claim_records import Article, Claim, Finding, Number, Rule
from keras_ext.reports import write_article, write_report

pytestmark = pytest.mark.browser

RESULTS = (
    "sample_result",
    "fast_result",
    "interrupted_result",
    "hostile_result",
    "regression_result",
)
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
)
LOADED_WITHIN = 60
"""Seconds; on a busy machine the driver has come back before a page was whole."""
PLANTED = """<!doctype html><meta charset="utf-8"><title>planted</title>
<div style="width: 900px">wide</div><img src="http://127.0.0.1:9/picture.png">
<script>console.error("planted")</script>"""


class Browser:
    """One Chromium: opens pages, and tells what they asked for and complained about."""

    def __init__(self, profile: Path) -> None:
        webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium")
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        driver = shutil.which("chromedriver")
        if chromium is None or driver is None:
            pytest.skip("needs Chromium and chromedriver: apt-get install chromium chromium-driver")
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options, webdriver.ChromeService(driver))

    def open(self, path: Path, *, width: int = 1200, theme: str = "light") -> None:
        """Show a file in a window of this width, and forget what was before."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        theme_feature = {"name": "prefers-color-scheme", "value": theme}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [theme_feature]})
        self.complaints()
        self.requests()
        self.driver.get(path.as_uri())
        wait = importlib.import_module("selenium.webdriver.support.wait").WebDriverWait
        wait(self.driver, LOADED_WITHIN).until(
            lambda _: self.ask("document.readyState") == "complete"
        )

    def ask(self, script: str) -> Any:
        """The value of a JavaScript expression."""
        return self.driver.execute_script(f"return {script}")

    def complaints(self) -> list[str]:
        """What stood in the console since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Every address asked for since the last call, without data in the page itself."""
        entries = (json.loads(e["message"])["message"] for e in self.driver.get_log("performance"))
        sent = (e["params"] for e in entries if e["method"] == "Network.requestWillBeSent")
        urls = [item["request"]["url"] for item in sent]
        return [url for url in urls if not url.startswith("data:")]

    def overflow(self) -> int:
        """Pixels by which the page is wider than the window."""
        root = "document.documentElement"
        return int(self.ask(f"{root}.scrollWidth - {root}.clientWidth"))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser with a fresh profile."""
    opened = Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.driver.quit()


@pytest.fixture(scope="module")
def pages(samples: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every sample result as a file."""
    folder = tmp_path_factory.mktemp("pages")
    return {
        name: write_report(getattr(samples, name)(), folder / f"{name}.html") for name in RESULTS
    }


def test_the_watch_sees_what_is_planted(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "planted.html"
    path.write_text(PLANTED, encoding="utf-8")
    browser.open(path, width=360)
    assert any("planted" in complaint for complaint in browser.complaints())
    assert "http://127.0.0.1:9/picture.png" in browser.requests()
    assert browser.overflow() > 0


@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.parametrize("width", [320, 360, 600, 1200])
def test_quiet_alone_and_within_the_window(
    browser: Browser, pages: dict[str, Path], name: str, width: int
) -> None:
    browser.open(pages[name], width=width)
    assert browser.complaints() == []
    assert browser.requests() == [pages[name].as_uri()]
    assert browser.ask("window.innerWidth") == width
    assert browser.overflow() == 0
    browser.ask("document.body.style.letterSpacing = '0.05em'")
    assert browser.overflow() == 0, "in a wider font, as this one is not everybody's"


def test_headings_are_in_the_document(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["sample_result"])
    headings = browser.ask("[...document.querySelectorAll('h1, h2')].map(h => h.innerText)")
    assert [heading.replace("\u00a0", " ") for heading in headings] == [
        "Test error 0.58 % (95 % interval 0.45 to 0.75 %)",
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


@pytest.mark.parametrize(("width", "size"), [(360, "narrow"), (1200, "wide")])
def test_figures_fit_the_window(
    browser: Browser, pages: dict[str, Path], width: int, size: str
) -> None:
    """Each figure is seen once, in the size made for the window, with letters one can read."""
    browser.open(pages["sample_result"], width=width)
    across = "s.getBoundingClientRect().width"
    seen = browser.ask(
        f"[...document.querySelectorAll('figure svg')].filter(s => {across})"
        f".map(s => [s.querySelector('title').id, {across} / s.viewBox.baseVal.width])"
    )
    assert [name for name, _ in seen] == [
        f"{figure}-{size}-title" for figure in ("curves", "bars", "costs", "augmented", "confusion")
    ]
    assert all(0.9 < scale < 1.6 for _, scale in seen)


def test_pictures_are_shown(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["hostile_result"])
    sizes = browser.ask("[...document.images].map(i => [i.complete, i.naturalWidth])")
    assert sizes
    assert all(size == [True, 28] for size in sizes)


def test_colours_follow_the_theme(browser: Browser, pages: dict[str, Path]) -> None:
    paper = "getComputedStyle(document.body).backgroundColor"
    curve = (
        "getComputedStyle(document.querySelector('svg [style*=\"stroke: var(--train)\"]')).stroke"
    )
    found = {}
    for theme in ("light", "dark"):
        browser.open(pages["sample_result"], theme=theme)
        found[theme] = (browser.ask(paper), browser.ask(curve))
    assert found["light"] == ("rgb(250, 249, 246)", "rgb(44, 111, 187)")
    assert found["dark"] == ("rgb(20, 23, 27)", "rgb(110, 168, 230)")


@pytest.fixture(scope="module")
def article(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of an article with a claim of each verdict and each kind of panel."""
    line = Line("train", [1, 2, 3], [0.3, 0.2, 0.1], [0.2, 0.1, 0.0], [0.4, 0.3, 0.2])
    rows = Line("", [0, 1], [0.1, -0.1], [0.0, -0.2], [0.2, 0.0], kind="points")
    surface = Surface([0, 1, 2], [0, 1, 2], [[0, 1, 2], [1, 2, 3], [2, 3, 4]], [1.5], regions=True)
    names = ("a treatment with a long name", "another one")
    panels = (
        Panel(x_label="epoch", y_label="error", title="Errors", lines=(line,), percent=True),
        Panel(x_label="saved", y_label="", names=names, lines=(rows,)),
        Panel(x_label="first", y_label="second", surface=surface, lines=(line,), square=True),
    )
    chart = Chart(title="Errors", caption="of three seeds", panels=panels)
    images = np.zeros((2, 4, 4, 3), "uint8")
    pictures = Pictures.of(images, images[:, None], title="Images", caption="two of them")
    findings = [
        Finding(
            setup="Ten images.",
            numbers=(Number("error", 0.01, "%", 0.005, 0.02, 3), Number("cost", 1e-7)),
            rules=tuple(Rule("it falls", value, why_not="too few seeds") for value in held),
            explanation="So it is.",
            charts=(chart,),
            pictures=(pictures,),
        )
        for held in ((True,), (True, False), (False,))
    ]
    claims = [
        Claim(name=f"claim{n}", number=n + 1, text="It falls with lambda.", finding=finding)
        for n, finding in enumerate([*findings, None, None])
    ]
    claims[3] = dataclasses.replace(claims[3], message="ValueError: a" + "very" * 40)
    folder = tmp_path_factory.mktemp("article")
    whole = Article(title="Advice, measured", mode="quick", seed=0, claims=tuple(claims))
    return write_article(whole, folder)[1]


@pytest.mark.parametrize("width", [320, 390, 1200])
def test_an_article_fits_the_window_and_asks_for_nothing(
    browser: Browser, article: Path, width: int
) -> None:
    browser.open(article, width=width)
    assert browser.complaints() == []
    assert browser.requests() == [article.as_uri()]
    assert browser.overflow() == 0
    badges = browser.ask("[...document.querySelectorAll('.contents .badge')].map(b => b.innerText)")
    assert badges == [
        "held",
        "held in part",
        "did not hold here",
        "failed",
        "not measured yet",
    ]
    counts = browser.ask("[...document.querySelectorAll('.contents .note')].map(n => n.innerText)")
    assert counts == ["1 of 2"]
    across = "s.getBoundingClientRect().width"
    seen = browser.ask(
        f"[...document.querySelectorAll('figure svg')].filter(s => {across})"
        f".map(s => {across} / s.viewBox.baseVal.width)"
    )
    assert len(seen) == 6
    assert all(0.9 < scale < 1.6 for scale in seen) or width == 320


def test_the_contents_of_an_article_lead_to_its_claims(browser: Browser, article: Path) -> None:
    browser.open(article, width=390)
    links = browser.ask("[...document.querySelectorAll('.contents a')].map(a => a.hash)")
    assert links == [f"#claim{n}" for n in range(5)]
    assert all(browser.ask(f"document.querySelector('{link}') !== null") for link in links)
