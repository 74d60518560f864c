"""Every Python block of README runs as it stands, and the commands that it names exist."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)

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
    namespace: dict[str, object] = {"__name__": "readme"}
    for block in BLOCKS:
        exec(compile(block, "README.md", "exec"), namespace)
    assert {"watch", "stop", "health"} <= namespace.keys()
    for folder in re.findall(r'directory="([^"]+)"', README):
        assert (tmp_path / folder / "model.keras").exists()
        assert (tmp_path / folder / "report.html").exists()


def test_there_are_blocks_and_every_file_named_exists() -> None:
    assert len(BLOCKS) == 8
    for path in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / path).exists(), path


def test_every_make_target_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z%-]+):", makefile, flags=re.MULTILINE))
    for target in set(re.findall(r"make ([a-z][a-z-]*)", README)):
        assert target in targets or (target.startswith("recipe-") and "recipe-%" in targets), target
