"""Who may import whom: the directions of the layout, read from every file and seen at run time."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for package in ("keras_ext", "recipes")
    for path in (ROOT / package).rglob("*.py")
    if path != ROOT / "keras_ext/__init__.py"
)

# Each room, and the rooms below it. Siblings don't import each other.
LARGE = {"memory", "rows"}
IMAGES = {"affine", "resample", "pixels", "augmented"}
RECORDS = {"errors", "files", "diagnosis", "fields", "records"} | LARGE | IMAGES
RECORDS |= {"sweep_records", "chart_records", "claim_records"}
ALGORITHMS = RECORDS | {"accelerator", "regularization", "gradients"}
BELOW = {
    "errors": set(),
    "files": {"errors"},
    "diagnosis": {"errors"},
    "fields": {"errors", "diagnosis"},
    "accelerator": set(),
    "memory": set(),
    "processes": set(),
    "rows": {"memory"},
    "records": {"errors", "fields", "diagnosis", "rows"},
    "sweep_records": {"errors", "fields", "diagnosis", "records"},
    "chart_records": {"errors", "fields", "diagnosis"},
    "claim_records": {"errors", "fields", "diagnosis", "chart_records"},
    "affine": {"records"},
    "resample": set(),
    "pixels": {"affine", "records"},
    "augmented": {"affine", "pixels", "records", "resample"},
    "regularization": RECORDS,
    "gradients": RECORDS,
    "callbacks": ALGORITHMS,
    "data": ALGORITHMS,
    "models": ALGORITHMS,
    "training": ALGORITHMS | {"callbacks", "data", "models"},
    "tuning": ALGORITHMS | {"callbacks", "data", "models", "processes", "training"},
    "reports": RECORDS,
}

# Numbers in, records out: numpy and the standard library.
PURE = RECORDS | {"processes"}
# Packages that stay in the rooms named.
ONLY_IN = {
    "grpc": {"tuning"},
    "jax": set(),
    "jinja2": {"reports"},
    "keras": {*BELOW, "recipes"} - PURE - {"reports"},
    "keras_tuner": {"tuning"},
    "matplotlib": {"reports"},
    "tensorboard": {"tuning"},
    "tensorflow": {"data", "tuning"},
    "tensorflow_datasets": {"data"},
    "torch": set(),
}
# Taking a gradient, and compiling a part of a step, differ between the backends: one place each may
# import the one in use, when called.
BACKEND_PLACES = ("keras_ext/gradients/backend/", "keras_ext/regularization/compiled.py")
# A part's plot() draws with reports.figures, which it imports when called.
PLOTTING = {"callbacks", "gradients", "regularization", "training"}
# Functions that import the module they are given by name.
IMPORTING = {"__import__", "import_module", "require"}


def imported(node: ast.AST, deferred: bool = False) -> Iterator[tuple[int, str, bool]]:
    """Line, dotted name, and whether it is imported only when a function is called."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((child.lineno, alias.name, deferred) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = "." * child.level + (child.module or "")
            yield from ((child.lineno, f"{base}.{a.name}", deferred) for a in child.names)
        elif isinstance(child, ast.Call) and child.args:
            called = ast.unparse(child.func).rpartition(".")[2]
            argument = child.args[0]
            if called in IMPORTING and isinstance(argument, ast.Constant):
                yield child.lineno, str(argument.value), deferred
        inside = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        yield from imported(child, deferred or inside)


def forbidden(path: str, source: str) -> list[str]:
    """A line for each import in the file that the layout doesn't allow."""
    parts = Path(path).with_suffix("").parts
    room = "recipes" if parts[0] == "recipes" else parts[1]
    return [
        f"{path}:{line}: {room} may not import {name}"
        for line, name, deferred in imported(ast.parse(source))
        if not allowed(path, room, name, deferred)
    ]


def allowed(path: str, room: str, name: str, deferred: bool) -> bool:
    top, _, rest = name.partition(".")
    if top == "keras_ext":
        target = rest.partition(".")[0]
        plotting = deferred and room in PLOTTING and rest.startswith("reports.figures")
        return room == "recipes" or target in BELOW[room] | {room} or plotting
    if top == "recipes":
        return room == "recipes"
    if (top, room) == ("pandas", "sweep_records"):
        return deferred
    if room in PURE:
        return top == "numpy" or top in sys.stdlib_module_names
    if path.startswith(BACKEND_PLACES) and deferred and top in ("tensorflow", "jax", "torch"):
        return True
    return bool(top) and room in ONLY_IN.get(top, {room})


@pytest.mark.parametrize("path", FILES)
def test_file_imports_downwards(path):
    assert forbidden(path, (ROOT / path).read_text(encoding="utf-8")) == []


def test_every_room_has_its_place_in_the_layout():
    rooms = {Path(path).with_suffix("").parts[1] for path in FILES if path.startswith("keras_ext")}
    assert rooms <= set(BELOW)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("keras_ext/callbacks/a.py", "from keras_ext.data import load"),
        ("keras_ext/callbacks/a.py", "from keras_ext import data"),
        ("keras_ext/callbacks/a.py", "import keras_ext"),
        ("keras_ext/callbacks/a.py", "from ..data import load"),
        ("keras_ext/callbacks/a.py", "from keras_ext.reports.figures import curve"),
        ("keras_ext/callbacks/a.py", "def plot():\n    from keras_ext.reports import html"),
        ("keras_ext/callbacks/a.py", "def f():\n    import tensorflow as tf"),
        ("keras_ext/callbacks/a.py", "x = importlib.import_module('tensorflow')"),
        ("keras_ext/models/a.py", "x = require('tensorflow_datasets', extra='datasets')"),
        ("keras_ext/models/a.py", "if TYPE_CHECKING:\n    from keras_ext.training import run"),
        ("keras_ext/regularization/a.py", "import keras_ext.gradients"),
        ("keras_ext/gradients/backend/trace.py", "import jax"),
        ("keras_ext/gradients/a.py", "def f():\n    import jax"),
        ("keras_ext/training/a.py", "from keras_ext.reports import text"),
        ("keras_ext/training/a.py", "from recipes import mnist"),
        ("keras_ext/tuning/a.py", "from keras_ext.reports import text"),
        ("keras_ext/reports/a.py", "from keras_ext.training import run"),
        ("keras_ext/reports/a.py", "import keras"),
        ("keras_ext/diagnosis/a.py", "import keras"),
        ("keras_ext/diagnosis/a.py", "import scipy.stats"),
        ("keras_ext/records.py", "from rich.table import Table"),
        ("keras_ext/data/a.py", "import matplotlib.pyplot as plt"),
        ("recipes/a.py", "from tensorflow import data"),
    ],
)
def test_a_planted_import_is_found(path, source):
    (line,) = forbidden(path, source)
    assert line.startswith(f"{path}:")


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("keras_ext/callbacks/a.py", "import keras\nfrom keras_ext.diagnosis import diagnose"),
        ("keras_ext/callbacks/a.py", "def plot():\n    from keras_ext.reports import figures"),
        ("keras_ext/callbacks/a.py", "def plot():\n    from keras_ext.reports.figures import bars"),
        ("keras_ext/gradients/backend/trace.py", "def gradient():\n    import tensorflow as tf"),
        ("keras_ext/data/a.py", "import tensorflow as tf\nimport tensorflow_datasets as tfds"),
        ("keras_ext/tuning/a.py", "import keras_tuner\nfrom keras_ext.training import run"),
        ("keras_ext/reports/a.py", "import matplotlib\nfrom keras_ext.records import RunResult"),
        ("keras_ext/diagnosis/a.py", "import math\nimport numpy as np"),
        (
            "recipes/a.py",
            "from keras_ext import data, reports\nfrom recipes.command import command",
        ),
    ],
)
def test_what_the_layout_allows_passes(path, source):
    assert forbidden(path, source) == []


BACKEND = os.environ.get("KERAS_BACKEND", "tensorflow")
HEAVY = ("jax", "keras_tuner", "matplotlib", "tensorflow", "tensorflow_datasets", "torch")

WATCH = """
import json, sys

class Watch:
    tried = set()

    def find_spec(self, name, path=None, target=None):
        self.tried.update({{name}} & {watched})

sys.meta_path.insert(0, Watch())
import {first}
before = sorted(Watch.tried)
import {modules}
print(json.dumps([before, sorted(Watch.tried)]))
"""


def tried(modules: str, *, first: str = "sys") -> tuple[list[str], list[str]]:
    """Heavy packages that a new process tries to import for ``first``, and with the modules.

    What is tried counts, whether it is installed or not.
    """
    code = WATCH.format(watched={*HEAVY, "keras"}, first=first, modules=modules)
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    before, after = json.loads(result.stdout.splitlines()[-1])
    return before, after


def test_the_package_alone_imports_no_keras_and_no_backend():
    assert tried("keras_ext") == ([], [])


def test_a_heavy_import_is_seen():
    assert tried("keras_ext, matplotlib") == ([], ["matplotlib"])


@pytest.mark.slow
def test_portable_rooms_import_what_keras_imports_and_nothing_more():
    rooms = ("callbacks", "diagnosis", "gradients", "models", "regularization")
    keras_alone, after = tried(", ".join(f"keras_ext.{room}" for room in rooms), first="keras")
    assert after == keras_alone
    if BACKEND == "jax":
        assert "tensorflow" not in after
