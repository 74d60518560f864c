"""Every Python block of README and guide runs as it stands; files and commands named exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_ext import tuning
from tests.tuning.black_box import BASE, BlackBox, space

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "docs" / "guide.md")
README, GUIDE = (page.read_text(encoding="utf-8") for page in PAGES)
BLOCKS = [re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL) for page in (README, GUIDE)]

pytestmark = pytest.mark.tensorflow


def photos(folder: Path) -> None:
    """Two classes that colours tell apart."""
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    for name, colour in (("cat", (200, 90, 60)), ("dog", (60, 90, 200))):
        (folder / name).mkdir(parents=True)
        for number in range(60):
            pixels = np.clip(rng.normal(colour, 40, size=(20, 24, 3)), 0, 255).astype("uint8")
            image.fromarray(pixels).save(folder / name / f"{number}.png")


@pytest.mark.slow
def test_python_blocks_run_one_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    photos(tmp_path / "photos")
    for page, blocks in zip(PAGES, BLOCKS, strict=True):  # Each page stands alone.
        namespace: dict[str, object] = {"__name__": page.stem}
        for block in blocks:
            exec(compile(block, page.name, "exec"), namespace)
    assert {"watch", "stop", "health"} <= namespace.keys()
    for folder in re.findall(r'directory="([^"]+)"', GUIDE):
        assert (tmp_path / folder / "model.keras").exists()
        assert (tmp_path / folder / "report.html").exists()


def extending(place: int) -> dict[str, Any]:
    """What a block of docs/extending.md defines."""
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    namespace: dict[str, Any] = {"__name__": "extending"}
    block = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)[place]
    exec(compile(block, "extending.md", "exec"), namespace)
    return namespace


def test_the_strategy_that_is_shown_to_those_who_write_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keras_ext.tuning.oracles.STRATEGIES", dict(tuning.STRATEGIES))
    monkeypatch.setattr("keras_ext.tuning.STRATEGIES", tuning.oracles.STRATEGIES)
    extending(1)
    how: dict[str, Any] = {"strategy": "line", "confirm": 0, "quiet": True}
    found = tuning.sweep(BASE, space, max_trials=3, directory=tmp_path, trainer=BlackBox(), **how)
    # The sixth, the half and five sixths of the way from 1e-4 to 0.1, on a log scale.
    rates = [trial.config.learning_rate for trial in found.trials]
    assert rates == pytest.approx([10**-3.5, 10**-2.5, 10**-1.5], rel=1e-5)
    assert found.trials[1].reason == "rate 2 of 3 on a line"


def test_the_callback_that_is_shown_to_those_who_write_one() -> None:
    """In a fit of two epochs."""
    namespace = extending(0)
    assert namespace["norm"]([np.array([3.0]), np.array([4.0])]) == 5
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, name="out")])
    model.compile("sgd", "mse")
    callbacks = [namespace["WeightNorm"]()]
    x = np.ones((8, 2), "float32")
    history = model.fit(x, x[:, :1], epochs=2, verbose=0, callbacks=callbacks).history
    flat = np.concatenate([weight.ravel() for weight in model.get_weights()])
    assert history["weight_norm"][-1] == pytest.approx(np.linalg.norm(flat), rel=1e-6)


def test_every_file_that_extending_names_exists_but_those_to_be_written() -> None:
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    rooms = "recipes|tests|callbacks|diagnosis|training|tuning"
    found = re.findall(rf"`((?:{rooms})/[a-z_/]+\.py)`", text)
    assert len(found) > 8
    for path in found:
        new = "weight_norm" in path or path in ("tuning/line.py", "tuning/line_oracle.py")
        assert new or any(p.exists() for p in (ROOT / path, ROOT / "keras_ext" / path)), path


def test_there_are_blocks_and_every_file_named_exists() -> None:
    assert [len(blocks) for blocks in BLOCKS] == [1, 11]
    for page in [PAGES[0], *(ROOT / "docs").glob("*.md")]:
        for path in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / path).exists(), (page.name, path)


def test_every_section_that_is_linked_exists() -> None:
    titles = re.findall(r"^#+ (.*)$", GUIDE, flags=re.MULTILINE)
    sections = {re.sub(r"[^a-z -]", "", title.lower()).replace(" ", "-") for title in titles}
    linked = re.findall(r"\]\(docs/guide\.md#([^)]+)\)", README)
    linked += re.findall(r"\]\(#([^)]+)\)", GUIDE)
    assert len(linked) > len(sections) / 2
    assert set(linked) <= sections


def test_every_make_target_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z%-]+):", makefile, flags=re.MULTILINE))
    for target in set(re.findall(r"make ([a-z][a-z-]*)", README + GUIDE)):
        patterns = [name for name in targets if name.endswith("%")]
        assert target in targets or target.startswith(tuple(n[:-1] for n in patterns)), target
