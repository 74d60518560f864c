"""The frame of the article: what happens to claims that hold, fail, or are there already."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from keras_ext.chart_records import Chart, Line, Panel
from keras_ext.claim_records import Finding, Number, Rule
from keras_ext.errors import ConfigError
from recipes.article import CLAIMS, attempt, page
from recipes.article.effort import Effort

QUICK = Effort("quick")


def finding(held: bool = True) -> Finding:
    line = Line("train <b>", [1, 2], [0.2, 0.1], [0.1, 0.0], [0.3, 0.2])
    panel = Panel(x_label="epoch", y_label="error <i>", lines=(line,))
    return Finding(
        setup="10 images & <script>alert(1)</script>",
        numbers=(Number("error", 0.1, "%", 0.05, 0.15, seeds=3),),
        rules=(Rule("it fell", held, why_not="<em>too few</em>"),),
        explanation="so it is",
        charts=(Chart(title="Errors <u>", caption="of 3 seeds", panels=(panel,)),),
        values={"error": 0.1},
    )


@pytest.fixture
def calls(monkeypatch):
    """Experiments that only note that they were run; the second one fails."""
    noted: list[str] = []

    class Module:
        def __init__(self, name: str) -> None:
            self.name = name
            self.__doc__ = f"Claim of {name} <b>.\n\nHow it is done."

        def experiment(self, effort: Effort) -> Finding:
            noted.append(self.name)
            if self.name == CLAIMS[1]:
                raise ValueError("planted <tag>")
            return finding(held=self.name != CLAIMS[2])

    monkeypatch.setattr(attempt, "import_module", lambda name: Module(name.rpartition(".")[2]))
    return noted


def here(names, effort, store, jobs):
    """Without further processes, which would not have these experiments."""
    for name in names:
        yield attempt.attempt(name, effort, store)


def measure(folder: Path, *names: str, **how) -> int:
    quiet = Console(quiet=True)
    return page.measure(names or CLAIMS, QUICK, folder, console=quiet, attempts=here, **how)


def test_all_claims_are_run_in_order_though_one_fails(calls, tmp_path, capsys):
    assert measure(tmp_path) == 1
    assert calls == list(CLAIMS)
    assert "planted" in capsys.readouterr().err
    article = json.loads((tmp_path / "article.json").read_text())
    verdicts = [claim["verdict"] for claim in article["claims"]]
    assert verdicts == ["held", "failed", "did not hold here"] + ["held"] * (len(CLAIMS) - 3)
    assert [claim["number"] for claim in article["claims"]] == list(range(1, len(CLAIMS) + 1))
    assert article["claims"][1]["message"] == "ValueError: planted <tag>"


def test_what_is_measured_is_kept_and_what_failed_is_tried_again(calls, tmp_path):
    measure(tmp_path)
    calls.clear()
    assert measure(tmp_path) == 1
    assert calls == [CLAIMS[1]]


def test_an_interrupted_run_keeps_its_claims_and_goes_on(calls, tmp_path, monkeypatch):
    ran = attempt.attempt

    def interrupt(name, effort, store):
        if name == CLAIMS[3]:
            raise KeyboardInterrupt
        return ran(name, effort, store)

    monkeypatch.setattr(attempt, "attempt", interrupt)
    with pytest.raises(KeyboardInterrupt):
        measure(tmp_path)
    assert (tmp_path / "index.html").read_text().count("not measured yet") > 15
    monkeypatch.setattr(attempt, "attempt", ran)
    calls.clear()
    measure(tmp_path)
    assert calls == [CLAIMS[1], *CLAIMS[3:]]


def test_what_an_interrupted_experiment_kept_is_there_when_it_goes_on(calls, tmp_path, monkeypatch):
    found = []

    def experiment(self, effort: Effort) -> Finding:
        effort.work.mkdir(parents=True, exist_ok=True)
        found.append([path.name for path in effort.work.iterdir()])
        (effort.work / "trial").touch()
        if len(found) < 3:
            raise KeyboardInterrupt
        return finding()

    monkeypatch.setattr(type(attempt.import_module(CLAIMS[0])), "experiment", experiment)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            measure(tmp_path, CLAIMS[0], fresh=True)
    measure(tmp_path, CLAIMS[0])
    assert found == [[], [], ["trial"]]
    assert not list(tmp_path.rglob("*-unfinished"))


def test_another_seed_or_mode_is_measured_anew(calls, tmp_path):
    name = CLAIMS[0]
    quiet = Console(quiet=True)
    for effort in (QUICK, Effort("quick", seed=1), Effort("full"), QUICK):
        page.measure([name], effort, tmp_path, console=quiet, attempts=here)
    assert calls == [name] * 3
    measure(tmp_path, name, fresh=True)
    assert calls == [name] * 4


def test_a_damaged_result_is_measured_anew(calls, tmp_path):
    measure(tmp_path, CLAIMS[0])
    (tmp_path / "results" / "quick-seed0" / f"{CLAIMS[0]}.json").write_text('{"name": 3')
    measure(tmp_path, CLAIMS[0])
    assert calls == [CLAIMS[0]] * 2


def test_the_page_escapes_what_it_is_given(calls, tmp_path):
    measure(tmp_path)
    html = (tmp_path / "index.html").read_text()
    for planted in ("<script>alert", "<em>too", "<tag>", "error <i>", "Errors <u>", "train <b>"):
        assert planted not in html
    for shown in ("&lt;em&gt;too few", "planted &lt;tag&gt;", "&lt;script&gt;alert(1)"):
        assert shown in html


def test_the_same_results_make_the_same_page(calls, tmp_path):
    measure(tmp_path, CLAIMS[0])
    before = (tmp_path / "index.html").read_bytes()
    measure(tmp_path, CLAIMS[0])
    assert (tmp_path / "index.html").read_bytes() == before


def test_an_unknown_claim_or_seed_is_one_line():
    with pytest.raises(ConfigError, match="no claim 'sgd'; there are: splits, "):
        page.main(["--only", "sgd"])
    with pytest.raises(ConfigError, match="--seed must be at least 0, got --seed -1"):
        page.main(["--seed", "-1"])
