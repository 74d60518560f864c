"""Every module of the article opens with its claim, and is short."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import recipes.article
from recipes.article import CLAIMS

FOLDER = Path(recipes.article.__file__).parent
WRITTEN = [name for name in CLAIMS if (FOLDER / f"{name}.py").exists()]


@pytest.mark.parametrize("name", WRITTEN)
def test_a_module_opens_with_its_claim_and_is_short(name):
    source = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
    tree = ast.parse(source)
    claim, explanation = (ast.get_docstring(tree) or "").split("\n\n", 1)
    assert claim.endswith(".")
    assert len(explanation) > 200
    assert len(source.splitlines()) < 120
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert [arg.arg for arg in functions["experiment"].args.args] == ["effort"]
