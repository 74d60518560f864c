"""What an installed keras-ext holds and declares, and what its Makefile promises."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import keras_ext

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCKS = {"main": "recipes tuner dev", "backends": "jax torch reports dev"}
# Imported where the package that brings it is certain to be there.
COMES_WITH = {"tensorflow_datasets": "tensorflow-datasets", "PIL": "pillow", "grpc": "grpcio"}
# Used where it is installed; the error says so where it isn't.
OPTIONAL = {"pandas"}


def requirements(*extras: str) -> list[Requirement]:
    """The core's requirements and those of the extras, with extras of our own spelled out."""
    found = [Requirement(line) for line in PROJECT["dependencies"]]
    for extra in extras:
        for requirement in map(Requirement, EXTRAS[extra]):
            own = requirement.name == "keras-ext"
            found += requirements(*requirement.extras) if own else [requirement]
    return found


def names(found: list[Requirement]) -> set[str]:
    return {canonicalize_name(requirement.name) for requirement in found}


def lock(name: str) -> dict[str, str]:
    """Version by canonical name; every line has to be of the one form that is wanted."""
    lines = (ROOT / f"requirements/{name}.txt").read_text(encoding="utf-8").splitlines()
    pinned = [line for line in lines if not line.startswith("#")]
    assert [line for line in pinned if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    return {canonicalize_name(key): value for key, _, value in (x.partition("==") for x in pinned)}


def test_the_installed_version_is_the_one_in_the_code():
    assert importlib.metadata.version("keras-ext") == keras_ext.__version__


def test_every_room_is_reachable_and_listed():
    rooms = {path.parent.name for path in (ROOT / "keras_ext").glob("*/__init__.py")}
    assert set(keras_ext.__all__) == rooms | {"__version__", "errors", "records"}
    assert dir(keras_ext) == keras_ext.__all__
    assert keras_ext.diagnosis is sys.modules["keras_ext.diagnosis"]


def test_an_unknown_room_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'keras_ext' has no attribute 'diagnose'"):
        _ = keras_ext.diagnose


def test_the_core_needs_little():
    assert names(requirements()) == {"keras", "numpy", "rich"}


def test_extras_are_the_documented_ones():
    documented = "cuda datasets dev jax recipes reports tensorflow torch tuner"
    assert sorted(EXTRAS) == documented.split()


@pytest.mark.parametrize(
    ("extra", "undeclared"),
    [
        ("tuner", {"tensorboard", "six", "scikit-learn", "scipy"}),
        ("datasets", {"importlib-resources", "tensorflow"}),
        ("recipes", {"tensorboard", "pillow", "matplotlib", "jinja2", "tensorflow-datasets"}),
    ],
)
def test_an_extra_declares_what_its_packages_import_undeclared(extra, undeclared):
    assert undeclared <= names(requirements(extra))


def test_every_package_that_the_code_imports_is_declared():
    declared = names(requirements(*(extra for extra in EXTRAS if extra != "dev")))
    for path in [*(ROOT / "keras_ext").rglob("*.py"), *(ROOT / "recipes").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            lines = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            lines += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            tops = {line.partition(".")[0] for line in lines}
            third = tops - sys.stdlib_module_names - {"", "keras_ext", "recipes"} - OPTIONAL
            assert {canonicalize_name(COMES_WITH.get(name, name)) for name in third} <= declared


@pytest.mark.parametrize(("name", "extras"), LOCKS.items())
def test_a_lock_pins_what_is_declared_within_its_bounds(name, extras):
    pinned = lock(name)
    for requirement in requirements(*extras.split()):
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} against {version}"


def test_the_backends_environment_has_no_tensorflow():
    pinned = lock("backends")
    assert pinned["torch"] == "2.13.0"
    assert not [name for name in pinned if name.startswith(("tensorflow", "nvidia"))]


def test_the_makefile_installs_what_the_locks_were_made_for():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for variable, extras in zip(("EXTRAS", "BACKENDS_EXTRAS"), LOCKS.values(), strict=True):
        assert f"\n{variable} := {extras.replace(' ', ',')}\n" in makefile


PYTHON = """#!/bin/sh
echo "$@" >> "$CALLS"
case "$1$2" in
    -mvenv) mkdir -p "$3/bin"; cp "$0" "$3/bin/python";;
    -c*) {check};;
esac
"""


@pytest.fixture
def checkout(tmp_path):
    """A copy of what ``make install`` reads, and a python3 that only notes how it is called."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    write_python(tmp_path, check="exit 0")
    return tmp_path


def write_python(folder: Path, *, check: str) -> None:
    python = folder / "python3"
    python.write_text(PYTHON.format(check=check))
    python.chmod(python.stat().st_mode | stat.S_IXUSR)


def make(folder: Path, *arguments: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run make in the folder; also returns how its python3 has been called since the last time."""
    calls = folder / "calls"
    calls.write_text("")
    result = subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env={"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "CALLS": str(calls)},
        capture_output=True,
        text=True,
        check=False,
    )
    return result, calls.read_text().splitlines()


def test_a_second_make_installs_nothing(checkout):
    first, calls = make(checkout, "install")
    assert first.returncode == 0
    assert sum("pip install" in call for call in calls) == 2
    assert all("-c requirements/main.txt" in call for call in calls if "pip install" in call)
    assert make(checkout, "install")[1] == []


def test_a_changed_lock_installs_again(checkout):
    make(checkout, "install")
    later = (checkout / ".venv/.installed").stat().st_mtime + 10
    os.utime(checkout / "requirements/main.txt", (later, later))
    assert make(checkout, "install")[1] != []


def test_an_old_python_is_named_and_nothing_is_made(checkout):
    write_python(checkout, check=f'exec {sys.executable} "$@"')
    text = (checkout / "Makefile").read_text()
    (checkout / "Makefile").write_text(text.replace("< (3, 11)", "< (4, 0)"))
    result, _ = make(checkout, "install")
    assert result.returncode != 0
    assert "keras-ext needs Python 3.11 or later, but python3 is 3." in result.stderr
    assert not (checkout / ".venv").exists()


def test_recipes_take_dashes_and_arguments(checkout):
    _, calls = make(checkout, "recipe-fashion-mnist", "ARGS=--preset fast")
    assert calls[-1] == "-m recipes.fashion_mnist --preset fast"


def test_help_lists_every_target(checkout):
    result, calls = make(checkout)
    text = (checkout / "Makefile").read_text()
    targets = set(re.search(r"\.PHONY: ((?:.*\\\n)*.*)", text)[1].replace("\\\n", " ").split())
    listed = {line.split()[1] for line in result.stdout.splitlines()}
    assert listed == targets | {"recipe-%", "sweep-%"}
    assert calls == []


def test_ci_ends_with_the_whole_test_suite():
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").splitlines()[-1] == "make test-all"


@pytest.mark.slow
def test_a_wheel_holds_the_packages_with_their_data_and_no_tests(tmp_path):
    tree = tmp_path / "tree"
    for name in ("keras_ext", "recipes", "tests"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "LICENSE", "README.md"):
        shutil.copy(ROOT / name, tree)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path]
    subprocess.run([*command, tree], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("keras_ext-*-py3-none-any.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    kept = {
        path.relative_to(tree).as_posix()
        for package in ("keras_ext", "recipes")
        for path in (tree / package).rglob("*")
        if path.is_file()
    }
    assert held == kept
    assert {"keras_ext/py.typed", "recipes/__init__.py"} <= held
